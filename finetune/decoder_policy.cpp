// SPDX-License-Identifier: Apache-2.0
#include "finetune/decoder_policy.h"

#include "base/cat.h"

namespace afina::finetune {

DecoderPolicy::DecoderPolicy(std::shared_ptr<const model::Model> model, std::unique_ptr<lora::AdapterSet> adapter,
                             lora::PeftInfo info, model::TrainingModelOptions options)
    : adapter_(std::move(adapter)), decoder_(std::move(model), options), info_(std::move(info)) {}

model::TokenStats DecoderPolicy::forward(const datasets::PackedBatch& batch, const model::DropoutKey& dropout) {
  adapter_->refresh();
  return decoder_.forward(batch, *adapter_, dropout);
}

void DecoderPolicy::backward(const datasets::PackedBatch& batch, const model::DropoutKey& dropout,
                             std::span<const double> dloss_dlogp, at::Tensor& flat_grad_P) {
  decoder_.backward(batch, *adapter_, dropout, dloss_dlogp, flat_grad_P);
}

model::TokenStats DecoderPolicy::evaluate(const datasets::PackedBatch& batch, bool with_adapter) {
  if (with_adapter) adapter_->refresh();
  return decoder_.evaluate(batch, with_adapter ? adapter_.get() : nullptr);
}

void DecoderPolicy::save_adapter(const std::filesystem::path& folder) const {
  lora::save_peft(folder, *adapter_, info_);
}

std::string DecoderPolicy::parameter_name(int64_t index) const {
  return adapter_->parameter_name(index);
}

}  // namespace afina::finetune
