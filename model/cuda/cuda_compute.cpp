// SPDX-License-Identifier: Apache-2.0
#include "model/cuda/cuda_compute.h"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/counter_random.h"
#include "model/cuda/place.h"

namespace afina::model {
namespace cuda {
namespace {

Stream stream() {
  return c10::cuda::getCurrentCUDAStream().stream();
}
const CudaBatch& of_cuda(const PreparedBatch& batch) {
  return static_cast<const CudaBatch&>(batch);
}
float* to(const at::Tensor& t) {
  return t.data_ptr<float>();
}
const float* from(const at::Tensor& t) {
  return t.const_data_ptr<float>();
}
at::Tensor ints(std::span<const int> values, at::Device device) {
  return at::from_blob(const_cast<int*>(values.data()), {static_cast<int64_t>(values.size())}, at::kInt).to(device);
}
bool flash_serves(const ModelConfig& c) {
  return at::globalContext().userEnabledFlashSDP() && c.head_dim <= 256 && c.head_dim % 8 == 0;
}
RmsNorm<float> norm_of(const at::Tensor& x_ND, const at::Tensor& w_D, int64_t n) {
  return {from(x_ND), x_ND.stride(0), from(w_D), n, x_ND.size(1), nullptr};
}

}  // namespace

// TF32 would round the inputs of fp32 products to 10 bits.
CudaCompute::CudaCompute(const ModelConfig& config, at::Device device)
    : config_(config),
      device_(device),
      eps_(static_cast<float>(config.rms_eps)),
      way_(flash_serves(config) ? AttentionWay::flash_bf16 : AttentionWay::exact_f32),
      rope_(config) {
  at::globalContext().setAllowTF32CuBLAS(false);
}

at::Tensor CudaCompute::floats(at::IntArrayRef shape) const {
  return at::empty(shape, at::TensorOptions().dtype(at::kFloat).device(device_));
}

at::Tensor CudaCompute::allocate(int64_t n) {
  return floats({n});
}

int64_t CudaCompute::table_bytes() const {
  return rope_.bytes() + 2 * rope_rows_ * rope_.half() * static_cast<int64_t>(sizeof(float));
}

std::unique_ptr<PreparedBatch> CudaCompute::prepare(const BatchLayout& layout) {
  auto out = std::make_unique<CudaBatch>();
  out->rows = static_cast<int64_t>(layout.positions.size());
  out->index = index_targets(layout.targets);
  out->segments.assign(layout.segments.begin(), layout.segments.end());
  out->plan = plan_attention(layout.segments, device_);
  out->positions_N = ints(layout.positions, device_);
  out->row_R = ints(out->index.row, device_);
  out->begin_R = ints(out->index.begin, device_);
  out->token_M = ints(out->index.token, device_);
  const auto doubles = at::TensorOptions().dtype(at::kDouble).device(device_);
  const int64_t targets = out->index.targets();
  out->logp_M = at::empty({targets}, doubles);
  out->entropy_M = at::empty({targets}, doubles);
  out->p2_M = at::empty({targets}, doubles);
  out->correct_M = at::zeros({targets}, doubles.dtype(at::kByte));
  int64_t positions = 0;
  for (const int p : layout.positions)
    positions = std::max<int64_t>(positions, p + 1);
  if (positions > rope_rows_) {
    rope_.reserve(positions);
    const auto table = [&](const float* values) {
      return at::from_blob(const_cast<float*>(values), {positions, rope_.half()}, at::kFloat).to(device_);
    };
    cosines_ = table(rope_.cosines(0));
    sines_ = table(rope_.sines(0));
    rope_rows_ = positions;
  }
  return out;
}

void CudaCompute::copy(const at::Tensor& from_ND, at::Tensor& to_ND) {
  to_ND.copy_(from_ND);
}

void CudaCompute::add_bias(const at::Tensor& bias_O, at::Tensor& y_NO) {
  cuda::add_bias(to(y_NO), y_NO.stride(0), from(bias_O), y_NO.size(0), y_NO.size(1), stream());
}

void CudaCompute::rms_norm(const at::Tensor& x_ND, const at::Tensor& w_D, at::Tensor& y_ND, at::Tensor& rstd_N) {
  rms_forward(norm_of(x_ND, w_D, x_ND.size(0)), eps_, to(y_ND), y_ND.stride(0), to(rstd_N), stream());
}

void CudaCompute::rms_apply(const at::Tensor& x_ND, const at::Tensor& w_D, const at::Tensor& rstd_N, at::Tensor& y_ND) {
  cuda::rms_apply(norm_of(x_ND, w_D, x_ND.size(0)), from(rstd_N), to(y_ND), y_ND.stride(0), stream());
}

void CudaCompute::rms_backward(const at::Tensor& dy_ND, const at::Tensor& x_ND, const at::Tensor& w_D,
                               const at::Tensor& rstd_N, at::Tensor& dx_ND) {
  cuda::rms_backward(norm_of(x_ND, w_D, x_ND.size(0)), from(rstd_N), from(dy_ND), dy_ND.stride(0), to(dx_ND),
                     dx_ND.stride(0), stream());
}

void CudaCompute::swiglu(const at::Tensor& gate_up_NF2, at::Tensor& h_NF) {
  swiglu_forward(from(gate_up_NF2), gate_up_NF2.stride(0), to(h_NF), h_NF.stride(0), h_NF.size(0), h_NF.size(1),
                 stream());
}

void CudaCompute::swiglu_backward(const at::Tensor& d_h_NF, at::Tensor& gate_up_NF2) {
  cuda::swiglu_backward<float>(to(gate_up_NF2), gate_up_NF2.stride(0), from(d_h_NF), d_h_NF.stride(0), nullptr, 0,
                               d_h_NF.size(0), d_h_NF.size(1), stream());
}

Heads<float> CudaCompute::heads(const CudaBatch& batch, const HeadNorms& norms, bool rotates,
                                const at::Tensor& qkv_NC) const {
  Heads<float> out{to(qkv_NC),
                   qkv_NC.stride(0),
                   qkv_NC.size(0),
                   config_.heads,
                   config_.kv_heads,
                   config_.head_dim,
                   batch.positions_N.const_data_ptr<int>()};
  if (rotates) {
    out.cosines = from(cosines_);
    out.sines = from(sines_);
  }
  if (norms.q_norm_K.defined()) {
    out.q_norm = from(norms.q_norm_K);
    out.k_norm = from(norms.k_norm_K);
  }
  return out;
}

void CudaCompute::place_heads(const PreparedBatch& batch, const HeadNorms& norms, bool rotates, at::Tensor& qkv_NC,
                              at::Tensor& raw_NC, at::Tensor& rstd_NH) {
  const bool keep = raw_NC.defined();
  cuda::place_heads<float>(heads(of_cuda(batch), norms, rotates, qkv_NC), eps_, keep ? to(raw_NC) : nullptr,
                           keep ? raw_NC.stride(0) : 0, keep ? to(rstd_NH) : nullptr, stream());
}

void CudaCompute::unplace_heads(const PreparedBatch& batch, const HeadNorms& norms, bool rotates,
                                const at::Tensor& raw_NC, const at::Tensor& rstd_NH, at::Tensor& d_qkv_NC) {
  const bool normed = raw_NC.defined();
  cuda::unplace_heads<float>(heads(of_cuda(batch), norms, rotates, d_qkv_NC), normed ? from(raw_NC) : nullptr,
                             normed ? raw_NC.stride(0) : 0, normed ? from(rstd_NH) : nullptr, stream());
}

void CudaCompute::attention(const PreparedBatch& batch, const at::Tensor& qkv_NC, at::Tensor& o_NQ,
                            at::Tensor& lse_HN) {
  attention_forward(of_cuda(batch).plan, config_, way_, qkv_NC, o_NQ, lse_HN);
}

void CudaCompute::attention_backward(const PreparedBatch& batch, const at::Tensor& qkv_NC, const at::Tensor& o_NQ,
                                     const at::Tensor& lse_HN, const at::Tensor& d_o_NQ, AttentionWork& /*work*/,
                                     at::Tensor& d_qkv_NC) {
  cuda::attention_backward(of_cuda(batch).plan, config_, way_, qkv_NC, o_NQ, lse_HN, d_o_NQ, d_qkv_NC);
}

void CudaCompute::add_noise(const PreparedBatch& batch, double alpha, const DropoutKey& key, at::Tensor& x_ND) {
  const CudaBatch& b = of_cuda(batch);
  const int64_t width = x_ND.size(1);
  std::vector<float> bound(static_cast<size_t>(b.rows), 0.0F);
  for (const auto& s : b.segments)
    std::fill_n(bound.begin() + s.begin, s.length,
                static_cast<float>(alpha / std::sqrt(static_cast<double>(s.length * width))));
  const at::Tensor bound_N = at::tensor(bound).to(device_);
  AFINA_CHECK(x_ND.is_contiguous(), "[model.cuda] the embedding's output is contiguous");
  cuda::add_noise(to(x_ND), from(bound_N), counter_stream(key, kNoisePlace), b.rows, width, stream());
}

}  // namespace cuda

std::unique_ptr<Compute> make_cuda_compute(const ModelConfig& config, at::Device device) {
  return std::make_unique<cuda::CudaCompute>(config, device);
}

}  // namespace afina::model
