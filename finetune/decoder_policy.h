// SPDX-License-Identifier: Apache-2.0
// The real policy: a frozen decoder with one LoRA adapter, behind the interface of the train loop.
#pragma once
#include <memory>

#include "finetune/policy.h"
#include "lora/adapter_set.h"
#include "lora/peft.h"
#include "model/model.h"

namespace afina::finetune {

class DecoderPolicy final : public Policy {
 public:
  /// Parameters and gradient have copies beside the frozen weights where those are not on the CPU; always: on the CPU
  /// too, as tests want it. Optimiser and checkpoints work on the host in any case.
  enum class Copies { where_needed, always };
  /// info goes into the folders that save_adapter writes. Both pointers are set.
  DecoderPolicy(std::shared_ptr<const model::Model> model, std::unique_ptr<lora::AdapterSet> adapter,
                lora::PeftInfo info, model::TrainingModelOptions options = {}, Copies copies = Copies::where_needed);
  void parameters_changed() override { changed_ = true; }
  void collect_gradient(at::Tensor& flat_grad_P) override;
  at::Tensor& parameters() override { return adapter_->flat_parameters(); }
  model::TokenStats forward(const datasets::PackedBatch& batch, const model::DropoutKey& dropout) override;
  void backward(const datasets::PackedBatch& batch, const model::DropoutKey& dropout,
                std::span<const double> dloss_dlogp, at::Tensor& flat_grad_P) override;
  model::TokenStats evaluate(const datasets::PackedBatch& batch, bool with_adapter) override;
  void save_adapter(const std::filesystem::path& folder) const override;
  std::string parameter_name(int64_t index) const override;
  std::vector<ParameterBlock> blocks() const override;
  std::string first_bad_layer() const override { return decoder_.first_non_finite_layer(); }
  const lora::AdapterSet& adapter() const { return *adapter_; }

 private:
  void bring_up_to_date();

  std::unique_ptr<lora::AdapterSet> adapter_;
  model::TrainingModel decoder_;
  lora::PeftInfo info_;
  at::Tensor placed_grad_P_;  ///< beside the weights; undefined: no copies
  bool changed_ = true;
};

/// The tensors of an adapter's flat buffer, sorted, without gaps; rates are the schedule's.
std::vector<ParameterBlock> parameter_blocks(const lora::AdapterSet& adapter);

}  // namespace afina::finetune
