// SPDX-License-Identifier: Apache-2.0
#include "model/reward_head.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"
#include "model/shapes.h"

namespace afina::model {

TokenStats RewardHead::forward(const at::Tensor& x_ND, PreparedBatch& batch, HeadBuffers& b,
                               const at::Tensor& score_D) {
  AFINA_CHECK(score_D.dim() == 1 && score_D.size(0) == model_.config().hidden && score_D.is_contiguous(),
              "[model.reward] the score's weight must be one contiguous row of hidden size, but is ", score_D.sizes());
  const int64_t rows = batch.index.rows(), chunk = b.norm_CD.size(0);
  for (int64_t first = 0; first < rows; first += chunk) {
    at::Tensor norm_MD = b.norm_CD.narrow(0, 0, std::min(chunk, rows - first));
    compute_.norm_target_rows(batch, first, x_ND, model_.final_norm(), norm_MD, b.rstd_R);
    compute_.score_rows(batch, first, score_D, norm_MD);
  }
  return compute_.read_stats(batch, {});
}

void RewardHead::backward(const at::Tensor& x_ND, PreparedBatch& batch, HeadBuffers& b, const at::Tensor& score_D,
                          std::span<const double> dloss, at::Tensor& dx_ND) {
  const int64_t rows = batch.index.rows(), chunk = b.norm_CD.size(0);
  AFINA_CHECK(static_cast<int64_t>(dloss.size()) == batch.index.targets(),
              "[model.reward] must get one derivative a target");
  compute_.set_derivatives(batch, dloss);
  dx_ND.zero_();
  b.d_score_D.zero_();
  for (int64_t first = 0; first < rows; first += chunk) {
    at::Tensor norm_MD = b.norm_CD.narrow(0, 0, std::min(chunk, rows - first));
    compute_.norm_target_rows(batch, first, x_ND, model_.final_norm(), norm_MD, b.rstd_R);
    compute_.score_gradient(batch, first, score_D, norm_MD, x_ND, model_.final_norm(), b.rstd_R, b.d_score_D, dx_ND);
  }
}

}  // namespace afina::model
