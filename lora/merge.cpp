// SPDX-License-Identifier: Apache-2.0
#include "lora/merge.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "base/error.h"
#include "lora/merge_common.h"

namespace afina::lora {

at::Tensor float_tensor(const std::vector<int64_t>& shape) {
  return at::empty(shape, at::kFloat);
}

std::span<float> values_of(at::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

void check_finite(const at::Tensor& w, const std::string& name, bool as_f16) {
  constexpr double kBeyondF16 = 65520;  // rounds to infinity
  if (!at::isfinite(w).all().item<bool>())
    throw ModelError(cat("[lora.merge] merged '", name, "' must be finite, but holds NaN or infinity."));
  if (as_f16 && w.numel() > 0 && w.abs().max().item<double>() >= kBeyondF16)
    throw ModelError(
        cat("[lora.merge] merged '", name, "' must fit F16, but reaches ", w.abs().max().item<double>(), "."),
        "write BF16 or F32");
}

void check_fit(const AdapterSet& adapter, const model::ModelConfig& config, const std::string& base) {
  const DecoderShape mine = adapter.shape(), theirs = shape_of(config);
  if (mine.layers == theirs.layers && mine.hidden == theirs.hidden && mine.q_size == theirs.q_size &&
      mine.kv_size == theirs.kv_size && mine.ffn == theirs.ffn)
    return;
  throw ModelError(cat("[lora.merge] adapter must fit ", base, ", but its shape differs."),
                   "was this adapter trained on another base model?");
}

[[noreturn]] void refuse_missing(const std::string& name, const std::string& base) {
  if (name.ends_with(".bias"))
    throw ModelError(
        cat("[lora.merge] a merge of lora_bias must find '", name, "' in ", base, ", but the model has no bias there."),
        "serve the adapter unmerged, or train it without lora_bias");
  throw ModelError(cat("[lora.merge] base must hold '", name, "', but ", base, " does not."));
}

void step(const MergeOptions& options, int64_t done, int64_t total) {
  if (options.stop.stop_requested()) throw Cancelled("[lora.merge] merge must run to its end, but was stopped.");
  if (options.progress) options.progress(done, total);
}

TiedPlan tied_plan(const AdapterSet& adapter, const model::ModelConfig& config) {
  TiedPlan plan;
  plan.tied = config.tied_head;
  const bool changes = adapter.head_part() || adapter.embedding_part();
  const bool alike = adapter.head_part() && adapter.embedding_part() && adapter.config().ensure_weight_tying;
  plan.comes_apart = plan.tied && changes && !alike;
  return plan;
}

MergeReport merge_adapter(const std::filesystem::path& base, const AdapterSet& given, const std::filesystem::path& out,
                          const MergeOptions& options) {
  const c10::NoGradGuard no_grad;
  std::error_code code;
  if (std::filesystem::exists(out, code))
    throw Conflict(cat("[lora.merge] must write to a new path, but ", out.string(), " exists."),
                   "choose another name or remove it");
  if (!std::filesystem::exists(base, code))
    throw NotFound(cat("[lora.merge] base must be a folder or a GGUF file, but '", base.string(), "' is not there."));
  if (given.config().score_head)
    throw ModelError("[lora.merge] adapter must be of a language model, but has a reward model's score head.",
                     "load it with PEFT's AutoModelForSequenceClassification to merge it");
  const auto plain = given.plain();
  const AdapterSet& adapter = plain ? *plain : given;
  return std::filesystem::is_directory(base, code) ? merge_folder(base, adapter, out, options)
                                                   : merge_gguf(base, adapter, out, options);
}

}  // namespace afina::lora
