// SPDX-License-Identifier: Apache-2.0
// From final hidden states to log-probabilities of targets, in chunks of distinct target rows: logits never exist as a
// whole. forward() keeps, per row, softmax(logits) W: with it the gradient of any target's log-probability, W[y] -
// softmax W, needs no second pass over the vocabulary.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "datasets/batch/packed_batch.h"
#include "model/kernels/cpu/scratch.h"
#include "model/model.h"
#include "model/training_model.h"

namespace afina::model {

/// Not thread-safe: owns its chunk and the kept rows.
class LossHead {
 public:
  LossHead(const Model& model, const TrainingModelOptions& options) : model_(model), options_(options) {}

  /// x_ND: hidden states before the final norm. keep: backward() follows, through the same head; it must be prepared
  /// for backward.
  TokenStats forward(const at::Tensor& x_ND, std::span<const datasets::Target> targets, bool keep,
                     const FrozenLinear& head);
  /// dx_ND = gradient of sum dloss_dlogp[i]*logp[i] with respect to x_ND; rows without target become 0.
  void backward(const at::Tensor& x_ND, std::span<const datasets::Target> targets, std::span<const double> dloss_dlogp,
                at::Tensor& dx_ND);
  /// Whole logits [R, V] of a few rows, newly allocated.
  at::Tensor logits(const at::Tensor& x_ND, std::span<const int> rows, const FrozenLinear& head);
  int64_t bytes() const { return 4 * (chunk_.size() + norm_.size() + kept_.size()); }

 private:
  struct RowTargets {
    int64_t row;
    std::vector<int> targets;  // indices
  };
  void index_rows(std::span<const datasets::Target> targets);
  void stats_of_row(size_t distinct, float* logits, std::span<const datasets::Target> targets, bool keep,
                    TokenStats& out);

  const Model& model_;
  const FrozenLinear* head_ = nullptr;  // of the latest forward
  TrainingModelOptions options_;
  std::vector<RowTargets> rows_;     // of the latest forward, ascending
  std::vector<float> rstd_, scale_;  // a distinct row
  kernels::Scratch chunk_, norm_, kept_;
};

}  // namespace afina::model
