// SPDX-License-Identifier: Apache-2.0
#include "finetune/decoder_policy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "base/cat.h"

namespace afina::finetune {

DecoderPolicy::DecoderPolicy(std::shared_ptr<const model::Model> model, std::unique_ptr<lora::AdapterSet> adapter,
                             lora::PeftInfo info, model::TrainingModelOptions options, Copies copies)
    : adapter_(std::move(adapter)), decoder_(std::move(model), options), info_(std::move(info)) {
  const at::Device device = decoder_.model().final_norm().device();
  if (device.is_cpu() && copies == Copies::where_needed) return;
  adapter_->place(device);
  placed_grad_P_ = at::zeros({adapter_->parameter_count()}, at::TensorOptions(at::kFloat).device(device));
}

void DecoderPolicy::bring_up_to_date() {
  adapter_->refresh();
  if (std::exchange(changed_, false)) adapter_->upload();
}

model::TokenStats DecoderPolicy::forward(const datasets::PackedBatch& batch, const model::DropoutKey& dropout) {
  bring_up_to_date();
  return decoder_.forward(batch, *adapter_, dropout);
}

void DecoderPolicy::backward(const datasets::PackedBatch& batch, const model::DropoutKey& dropout,
                             std::span<const double> dloss_dlogp, at::Tensor& flat_grad_P) {
  at::Tensor& grad_P = placed_grad_P_.defined() ? placed_grad_P_ : flat_grad_P;
  decoder_.backward(batch, *adapter_, dropout, dloss_dlogp, grad_P);
}

void DecoderPolicy::collect_gradient(at::Tensor& flat_grad_P) {
  if (!placed_grad_P_.defined()) return;
  flat_grad_P.add_(placed_grad_P_.cpu());
  placed_grad_P_.zero_();
}

model::TokenStats DecoderPolicy::evaluate(const datasets::PackedBatch& batch, bool with_adapter) {
  if (with_adapter) bring_up_to_date();
  return decoder_.evaluate(batch, with_adapter ? adapter_.get() : nullptr);
}

void DecoderPolicy::save_adapter(const std::filesystem::path& folder) const {
  lora::save_peft(folder, *adapter_, info_);
}

std::string DecoderPolicy::parameter_name(int64_t index) const {
  return adapter_->parameter_name(index);
}

std::vector<ParameterBlock> DecoderPolicy::blocks() const {
  return parameter_blocks(*adapter_);
}

std::vector<ParameterBlock> parameter_blocks(const lora::AdapterSet& adapter) {
  std::vector<ParameterBlock> blocks;
  for (const auto& slot : adapter.slots()) {
    const std::string name = adapter.parameter_name(slot.a_begin);
    const std::string module = name.substr(0, name.rfind('.'));
    blocks.push_back({name, BlockKind::a, slot.a_begin, slot.r, slot.in});
    blocks.push_back({module + ".lora_B", BlockKind::b, slot.b_begin, slot.out, slot.r});
    if (slot.bias_begin >= 0) blocks.push_back({module + ".bias", BlockKind::vector, slot.bias_begin, 1, slot.out});
    if (slot.magnitude_begin >= 0)
      blocks.push_back({module + ".magnitude", BlockKind::vector, slot.magnitude_begin, 1, slot.out});
  }
  if (const at::Tensor score = adapter.score_weight(); score.defined())
    blocks.push_back({"score", BlockKind::head, adapter.parameter_count() - score.numel(), 1, score.numel()});
  std::sort(blocks.begin(), blocks.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  return blocks;
}

}  // namespace afina::finetune
