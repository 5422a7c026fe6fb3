// SPDX-License-Identifier: Apache-2.0
#include "model/loss_head.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"

namespace afina::model {

TokenStats LossHead::forward(const at::Tensor& x_ND, PreparedBatch& batch, HeadBuffers& b, bool keep,
                             const FrozenLinear& head) {
  AFINA_CHECK(options_.head_sum != HeadSum::log_softmax || (!keep && !options_.want_entropy),
              "[model.head] log_softmax must serve evaluation without entropy");
  const HeadWork work{options_.head_sum, keep, options_.want_entropy, options_.want_sum_p2};
  const int64_t rows = batch.index.rows(), chunk = b.norm_CD.size(0);
  for (int64_t first = 0; first < rows; first += chunk) {
    const int64_t m = std::min(chunk, rows - first);
    at::Tensor norm_MD = b.norm_CD.narrow(0, 0, m), logits_MV = b.logits_CV.narrow(0, 0, m);
    compute_.norm_target_rows(batch, first, x_ND, model_.final_norm(), norm_MD, b.rstd_R);
    head.forward(norm_MD, logits_MV, 0.0F);
    compute_.head_statistics(batch, first, work, logits_MV, b.scale_R);
    if (!keep) continue;
    at::Tensor kept_MD = b.kept_RD.narrow(0, first, m);
    head.backward_input(logits_MV, kept_MD, 0.0F);
    compute_.scale_rows(b.scale_R.narrow(0, first, m), kept_MD);
  }
  return compute_.read_stats(batch, work);
}

void LossHead::backward(const at::Tensor& x_ND, PreparedBatch& batch, HeadBuffers& b, const FrozenLinear& head,
                        std::span<const double> dloss_dlogp, at::Tensor& dx_ND) {
  const TargetIndex& index = batch.index;
  const int64_t width = model_.config().hidden, most = b.w_y.numel() / width;  // targets at a time
  AFINA_CHECK(static_cast<int64_t>(dloss_dlogp.size()) == index.targets(),
              "[model.head] must get one derivative a target");
  compute_.set_derivatives(batch, dloss_dlogp);
  dx_ND.zero_();
  const auto begin = [&](int64_t row) { return int64_t{index.begin[static_cast<size_t>(row)]}; };
  for (int64_t first = 0; first < index.rows();) {
    int64_t end = first + 1;
    while (end < index.rows() && begin(end + 1) - begin(first) <= most)
      ++end;
    const int64_t targets = begin(end) - begin(first);
    AFINA_CHECK(targets <= most, "[model.head] the plan must hold all targets of a row");
    at::Tensor w_y_TD = b.w_y.narrow(0, 0, targets * width).view({targets, width});
    head.gather_rows(std::span(index.token).subspan(static_cast<size_t>(begin(first)), static_cast<size_t>(targets)),
                     w_y_TD);
    compute_.head_gradient(batch, first, w_y_TD, b.kept_RD.narrow(0, first, end - first), x_ND, model_.final_norm(),
                           b.rstd_R, dx_ND);
    first = end;
  }
}

at::Tensor LossHead::logits(const at::Tensor& x_ND, std::span<const int> rows, const FrozenLinear& head) {
  const ModelConfig& c = model_.config();
  const auto n = static_cast<int64_t>(rows.size());
  at::Tensor norm_MD = at::empty({n, c.hidden}, x_ND.options()), rstd_M = at::empty({n}, x_ND.options()),
             logits_MV = at::empty({n, c.vocab_size}, x_ND.options());
  for (int64_t i = 0; i < n; ++i) {
    const int row = rows[static_cast<size_t>(i)];
    AFINA_CHECK(row >= 0 && row < x_ND.size(0), "[model.head] rows must be rows of the batch");
    norm_MD[i].copy_(x_ND[row]);
  }
  compute_.rms_norm(norm_MD, model_.final_norm(), norm_MD, rstd_M);
  head.forward(norm_MD, logits_MV, 0.0F);
  return logits_MV;
}

}  // namespace afina::model
