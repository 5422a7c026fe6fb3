// SPDX-License-Identifier: Apache-2.0
// What an adapter does to one weight of its base, for merging and for composing on full deltas. fp32.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>

#include "lora/adapter_set.h"

namespace afina::lora {

/// Turns a base's tensor (fp32, Hugging Face row order) into the merged one, in place or as another.
using WeightChange = std::function<void(at::Tensor& w)>;

/// The weights and biases that an adapter changes, by their Hugging Face names ("lm_head.weight" also on a tied model).
/// Not for PiSSA: plain() first. The adapter must outlive it.
std::map<std::string, WeightChange> weight_changes(const AdapterSet& adapter);

/// scale * B A [out, in].
at::Tensor dense_delta(const AdapterSet& adapter, const ModuleSlot& slot);

}  // namespace afina::lora
