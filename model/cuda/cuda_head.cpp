// SPDX-License-Identifier: Apache-2.0
// The loss head's part of CudaCompute.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAStream.h>

#include "base/error.h"
#include "model/cuda/cuda_compute.h"

namespace afina::model::cuda {
namespace {

Stream stream() {
  return c10::cuda::getCurrentCUDAStream().stream();
}
CudaBatch& of_cuda(PreparedBatch& batch) {
  return static_cast<CudaBatch&>(batch);
}
const CudaBatch& of_cuda(const PreparedBatch& batch) {
  return static_cast<const CudaBatch&>(batch);
}
/// Norm of target rows [first, first + n): rows of x by the batch's list.
RmsNorm<float> norm_of(const CudaBatch& b, int64_t first, int64_t n, const at::Tensor& x_ND, const at::Tensor& w_D) {
  return {x_ND.const_data_ptr<float>(),         x_ND.stride(0), w_D.const_data_ptr<float>(), n, x_ND.size(1),
          b.row_R.const_data_ptr<int>() + first};
}

}  // namespace

void CudaCompute::norm_target_rows(const PreparedBatch& batch, int64_t first, const at::Tensor& x_ND,
                                   const at::Tensor& w_D, at::Tensor& y_MD, at::Tensor& rstd_R) {
  rms_forward(norm_of(of_cuda(batch), first, y_MD.size(0), x_ND, w_D), eps_, y_MD.data_ptr<float>(), y_MD.stride(0),
              rstd_R.data_ptr<float>() + first, stream());
}

void CudaCompute::head_statistics(PreparedBatch& batch, int64_t first, const HeadWork& work, at::Tensor& logits_MV,
                                  at::Tensor& scale_R) {
  if (work.sum != HeadSum::wide)
    throw ModelError("[model.cuda] head_sum must be wide on a GPU, but is another.",
                     "the peers' fp32 sums are for comparisons on the CPU");
  CudaBatch& b = of_cuda(batch);
  const LossChunk<float> chunk{logits_MV.data_ptr<float>(),
                               logits_MV.stride(0),
                               logits_MV.size(0),
                               logits_MV.size(1),
                               b.begin_R.const_data_ptr<int>() + first,
                               b.token_M.const_data_ptr<int>(),
                               work.keep ? LogitsOut::exp : LogitsOut::keep};
  LossStats stats{b.logp_M.data_ptr<double>(), b.correct_M.data_ptr<uint8_t>()};
  if (work.entropy) stats.entropy = b.entropy_M.data_ptr<double>();
  if (work.sum_p2) stats.log_sum_p2 = b.p2_M.data_ptr<double>();
  if (work.keep) stats.inverse_sum = scale_R.data_ptr<float>() + first;
  chunk_loss(chunk, stats, stream());
}

void CudaCompute::scale_rows(const at::Tensor& factor_M, at::Tensor& y_MD) {
  AFINA_CHECK(y_MD.is_contiguous(), "[model.cuda] kept rows are contiguous");
  cuda::scale_rows(y_MD.data_ptr<float>(), factor_M.const_data_ptr<float>(), 1.0F, y_MD.size(0), y_MD.size(1),
                   stream());
}

TokenStats CudaCompute::read_stats(PreparedBatch& batch, const HeadWork& work) {
  const CudaBatch& b = of_cuda(batch);
  const auto n = static_cast<size_t>(b.index.targets());
  const auto in_order = [&](const at::Tensor& t_M) {
    const at::Tensor host = t_M.cpu();
    std::vector<double> out(n);
    for (size_t i = 0; i < n; ++i)
      out[static_cast<size_t>(b.index.target[i])] = host.const_data_ptr<double>()[i];
    return out;
  };
  TokenStats stats;
  stats.logp = in_order(b.logp_M);
  if (work.entropy) stats.entropy = in_order(b.entropy_M);
  if (work.sum_p2) stats.log_sum_p2 = in_order(b.p2_M);
  const at::Tensor correct = b.correct_M.cpu();
  stats.correct.resize(n);
  for (size_t i = 0; i < n; ++i)
    stats.correct[static_cast<size_t>(b.index.target[i])] = correct.const_data_ptr<uint8_t>()[i];
  return stats;
}

void CudaCompute::set_derivatives(PreparedBatch& batch, std::span<const double> dloss_dlogp) {
  CudaBatch& b = of_cuda(batch);
  std::vector<double> sorted(dloss_dlogp.size());
  for (size_t i = 0; i < sorted.size(); ++i)
    sorted[i] = dloss_dlogp[static_cast<size_t>(b.index.target[i])];
  b.derivative_M = at::tensor(sorted, at::kDouble).to(device_);
}

void CudaCompute::head_gradient(const PreparedBatch& batch, int64_t first, at::Tensor& w_y_TD,
                                const at::Tensor& kept_MD, const at::Tensor& x_ND, const at::Tensor& w_D,
                                const at::Tensor& rstd_R, at::Tensor& dx_ND) {
  const CudaBatch& b = of_cuda(batch);
  const int64_t n = kept_MD.size(0), width = kept_MD.size(1);
  AFINA_CHECK(w_y_TD.is_contiguous() && kept_MD.is_contiguous(), "[model.cuda] the head's buffers are contiguous");
  const at::Tensor d_MD = floats({n, width});
  cuda::head_gradient(b.begin_R.const_data_ptr<int>() + first, b.derivative_M.const_data_ptr<double>(),
                      w_y_TD.const_data_ptr<float>(), kept_MD.const_data_ptr<float>(), d_MD.data_ptr<float>(), n, width,
                      stream());
  cuda::rms_backward(norm_of(b, first, n, x_ND, w_D), rstd_R.const_data_ptr<float>() + first,
                     d_MD.const_data_ptr<float>(), width, dx_ND.data_ptr<float>(), dx_ND.stride(0), stream());
}

at::Tensor CudaCompute::row_derivatives(const CudaBatch& batch, int64_t first, int64_t rows) const {
  const at::Tensor sums = batch.derivative_M.cumsum(0), zero = at::zeros({1}, batch.derivative_M.options());
  const at::Tensor before = at::cat({zero, sums});
  const at::Tensor begin = batch.begin_R.narrow(0, first, rows + 1).to(at::kLong),
                   at_begin = before.index_select(0, begin);
  return (at_begin.narrow(0, 1, rows) - at_begin.narrow(0, 0, rows)).to(at::kFloat);
}

void CudaCompute::score_rows(PreparedBatch& batch, int64_t first, const at::Tensor& score_D, const at::Tensor& y_MD) {
  CudaBatch& b = of_cuda(batch);
  const int64_t rows = y_MD.size(0);
  const at::Tensor score_M = at::mv(y_MD.to(at::kDouble), score_D.to(at::kDouble));
  const at::Tensor begin = b.begin_R.narrow(0, first, rows + 1).to(at::kLong);
  const int64_t at = b.index.begin[static_cast<size_t>(first)], end = b.index.begin[static_cast<size_t>(first + rows)];
  b.logp_M.narrow(0, at, end - at)
      .copy_(at::repeat_interleave(score_M, begin.narrow(0, 1, rows) - begin.narrow(0, 0, rows), 0, end - at));
}

void CudaCompute::score_gradient(const PreparedBatch& batch, int64_t first, const at::Tensor& score_D, at::Tensor& y_MD,
                                 const at::Tensor& x_ND, const at::Tensor& w_D, const at::Tensor& rstd_R,
                                 at::Tensor& d_score_D, at::Tensor& dx_ND) {
  const CudaBatch& b = of_cuda(batch);
  const int64_t n = y_MD.size(0);
  const at::Tensor d_M = row_derivatives(b, first, n);
  d_score_D.add_(at::mv(y_MD.t(), d_M));
  at::mul_out(y_MD, d_M.unsqueeze(1), score_D.unsqueeze(0));
  cuda::rms_backward(norm_of(b, first, n, x_ND, w_D), rstd_R.const_data_ptr<float>() + first,
                     y_MD.const_data_ptr<float>(), y_MD.stride(0), dx_ND.data_ptr<float>(), dx_ND.stride(0), stream());
}

}  // namespace afina::model::cuda
