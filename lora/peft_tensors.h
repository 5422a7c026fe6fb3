// SPDX-License-Identifier: Apache-2.0
// The tensors of a PEFT folder: their names, which of them an adapter must have, and checked copies of their values.
// Internal to lora/.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/safetensors.h"
#include "lora/adapter_set.h"

namespace afina::lora {

/// An adapter of this config with the values of the file. Throws ModelError naming file and tensor.
std::unique_ptr<AdapterSet> adapter_of(const formats::SafetensorsFile& file, const LoraConfig& config,
                                       const DecoderShape& shape, const std::string& folder);

/// Every tensor of the adapter under PEFT's name, fp32, contiguous; sharing memory where it can. Not for PiSSA: plain()
/// first.
std::vector<std::pair<std::string, at::Tensor>> peft_tensors(const AdapterSet& adapter);

}  // namespace afina::lora
