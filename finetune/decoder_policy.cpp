// SPDX-License-Identifier: Apache-2.0
#include "finetune/decoder_policy.h"

#include "base/cat.h"

namespace afina::finetune {

DecoderPolicy::DecoderPolicy(std::shared_ptr<const model::Model> model, std::unique_ptr<lora::AdapterSet> adapter,
                             lora::PeftInfo info, model::TrainingModelOptions options)
    : adapter_(std::move(adapter)), decoder_(std::move(model), options), info_(std::move(info)) {}

model::TokenStats DecoderPolicy::forward(const datasets::PackedBatch& batch, const model::DropoutKey& dropout) {
  return decoder_.forward(batch, *adapter_, dropout);
}

void DecoderPolicy::backward(const datasets::PackedBatch& batch, const model::DropoutKey& dropout,
                             std::span<const double> dloss_dlogp, at::Tensor& flat_grad_P) {
  decoder_.backward(batch, *adapter_, dropout, dloss_dlogp, flat_grad_P);
}

model::TokenStats DecoderPolicy::evaluate(const datasets::PackedBatch& batch, bool with_adapter) {
  return decoder_.evaluate(batch, with_adapter ? adapter_.get() : nullptr);
}

void DecoderPolicy::save_adapter(const std::filesystem::path& folder) const {
  lora::save_peft(folder, *adapter_, info_);
}

std::string DecoderPolicy::parameter_name(int64_t index) const {
  for (const auto& slot : adapter_->slots()) {
    const bool in_a = index >= slot.a_begin && index < slot.a_begin + slot.r * slot.in;
    const bool in_b = index >= slot.b_begin && index < slot.b_begin + slot.out * slot.r;
    if (in_a || in_b)
      return cat("layers.", slot.layer, ".", lora::module_path(slot.module), in_a ? ".lora_A" : ".lora_B");
  }
  return cat("parameter ", index);
}

}  // namespace afina::finetune
