// SPDX-License-Identifier: Apache-2.0
// What the train loop needs of "a frozen decoder with an adapter", and nothing more: tests put a toy in its place.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "datasets/batch/packed_batch.h"
#include "finetune/optim/optimiser.h"
#include "model/training_model.h"

namespace afina::finetune {

/// Not thread-safe.
class Policy {
 public:
  Policy() = default;
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;
  virtual ~Policy() = default;
  /// fp32 [P], contiguous; the loop reads and writes it between passes.
  virtual at::Tensor& parameters() = 0;
  /// To be called after parameters() was written to, before the next pass: a policy may work on a copy.
  virtual void parameters_changed() {}
  /// As model::TrainingModel::forward and backward, with this policy's adapter. What backward() adds is complete in
  /// flat_grad_P only after collect_gradient().
  virtual model::TokenStats forward(const datasets::PackedBatch& batch, const model::DropoutKey& dropout) = 0;
  virtual void backward(const datasets::PackedBatch& batch, const model::DropoutKey& dropout,
                        std::span<const double> dloss_dlogp, at::Tensor& flat_grad_P) = 0;
  /// After the last backward() of a step: adds to flat_grad_P what lies elsewhere.
  virtual void collect_gradient(at::Tensor& /*flat_grad_P*/) {}
  /// Without dropout and backward; with_adapter = false is the bare base.
  virtual model::TokenStats evaluate(const datasets::PackedBatch& batch, bool with_adapter) = 0;
  /// Writes the adapter in PEFT's layout as a new folder. Throws Conflict where it exists.
  virtual void save_adapter(const std::filesystem::path& folder) const = 0;
  /// "layers.3.mlp.up_proj.lora_A" of an entry of parameters(), for messages.
  virtual std::string parameter_name(int64_t index) const = 0;
  /// The tensors of parameters() in the order of their places, without gaps; rate factors are left at 1.
  virtual std::vector<ParameterBlock> blocks() const = 0;
  /// Where the last forward() first met a value that is not finite: "layer 3, attention"; empty where it met none or
  /// cannot tell.
  virtual std::string first_bad_layer() const { return ""; }
};

}  // namespace afina::finetune
