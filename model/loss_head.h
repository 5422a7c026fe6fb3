// SPDX-License-Identifier: Apache-2.0
// From final hidden states to log-probabilities of targets, in chunks of distinct target rows: logits never exist as a
// whole. forward() keeps, per row, softmax(logits) W: with it the gradient of any target's log-probability, W[y] -
// softmax W, needs no second pass over the vocabulary.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>

#include "model/compute.h"
#include "model/model.h"
#include "model/training_model.h"

namespace afina::model {

/// Views of the arena: C rows of a chunk, R distinct target rows.
struct HeadBuffers {
  at::Tensor logits_CV, norm_CD;
  at::Tensor kept_RD;          ///< softmax · W; undefined in evaluation
  at::Tensor rstd_R, scale_R;  ///< 1/rms of the row, 1 / Σ exp(z − max z)
  at::Tensor w_y;              ///< flat, over logits_CV: W[token] of targets in backward
  at::Tensor d_score_D;        ///< reward head only
};

/// Not thread-safe.
class LossHead {
 public:
  LossHead(Compute& compute, const Model& model, const TrainingModelOptions& options)
      : compute_(compute), model_(model), options_(options) {}

  /// x_ND: hidden states before the final norm. keep: backward() follows, through the same head; it must be prepared
  /// for backward.
  TokenStats forward(const at::Tensor& x_ND, PreparedBatch& batch, HeadBuffers& buffers, bool keep,
                     const FrozenLinear& head);
  /// dx_ND = gradient of sum dloss_dlogp[i]*logp[i] with respect to x_ND; rows without target become 0.
  void backward(const at::Tensor& x_ND, PreparedBatch& batch, HeadBuffers& buffers, const FrozenLinear& head,
                std::span<const double> dloss_dlogp, at::Tensor& dx_ND);
  /// Whole logits [R, V] of a few rows, newly allocated.
  at::Tensor logits(const at::Tensor& x_ND, std::span<const int> rows, const FrozenLinear& head);

 private:
  Compute& compute_;
  const Model& model_;
  TrainingModelOptions options_;
};

}  // namespace afina::model
