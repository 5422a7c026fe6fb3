// SPDX-License-Identifier: Apache-2.0
// What merging into folders and into GGUF files shares. Internal to lora/.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "lora/merge.h"
#include "model/config.h"

namespace afina::lora {

MergeReport merge_folder(const std::filesystem::path& base, const AdapterSet& adapter, const std::filesystem::path& out,
                         const MergeOptions& options);
MergeReport merge_gguf(const std::filesystem::path& base, const AdapterSet& adapter, const std::filesystem::path& out,
                       const MergeOptions& options);

at::Tensor float_tensor(const std::vector<int64_t>& shape);
std::span<float> values_of(at::Tensor& tensor);
/// Throws ModelError for NaN, infinity, or what rounding to F16 makes infinite.
void check_finite(const at::Tensor& w, const std::string& name, bool as_f16);
void check_fit(const AdapterSet& adapter, const model::ModelConfig& config, const std::string& base);
/// A changed tensor that the base does not have.
[[noreturn]] void refuse_missing(const std::string& name, const std::string& base);
/// Reports progress, or throws Cancelled.
void step(const MergeOptions& options, int64_t done, int64_t total);

/// Head and embedding of a tied model are one tensor, which the result keeps only where both change alike.
struct TiedPlan {
  bool tied = false, comes_apart = false;
};
TiedPlan tied_plan(const AdapterSet& adapter, const model::ModelConfig& config);

}  // namespace afina::lora
