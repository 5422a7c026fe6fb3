// SPDX-License-Identifier: Apache-2.0
// A reward model's head (Llama 2, arXiv:2307.09288, §3.2.2; transformers' LlamaForSequenceClassification with one
// label and no bias): the value of a target is score · norm(x) at its row, in place of a log-probability.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>

#include "model/loss_head.h"

namespace afina::model {

/// Not thread-safe.
class RewardHead {
 public:
  RewardHead(Compute& compute, const Model& model) : compute_(compute), model_(model) {}

  /// TokenStats::logp holds the scores; correct is 0 everywhere.
  TokenStats forward(const at::Tensor& x_ND, PreparedBatch& batch, HeadBuffers& buffers, const at::Tensor& score_D);
  /// dx_ND = gradient of Σ dloss[i]·score[i] with respect to x_ND, zero at rows without target; d_score_D of the
  /// buffers = gradient with respect to score_D.
  void backward(const at::Tensor& x_ND, PreparedBatch& batch, HeadBuffers& buffers, const at::Tensor& score_D,
                std::span<const double> dloss, at::Tensor& dx_ND);

 private:
  Compute& compute_;
  const Model& model_;
};

}  // namespace afina::model
