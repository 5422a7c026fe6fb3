// SPDX-License-Identifier: Apache-2.0
#include "model/cpu_compute.h"

#include <ATen/ATen.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>

#include "model/counter_random.h"
#include "model/cpu_rows.h"
#include "model/kernels/cpu/table.h"

namespace afina::model {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

const CpuBatch& of_cpu(const PreparedBatch& batch) {
  return static_cast<const CpuBatch&>(batch);
}

}  // namespace

CpuCompute::CpuCompute(const ModelConfig& config)
    : config_(config), eps_(static_cast<float>(config.rms_eps)), rope_(config) {}

/// Pages of its own rather than the heap's: what is given back leaves no hole there, and where the system allows it
/// they are 2 MiB each, so that the first touch costs a five-hundredth of the faults.
at::Tensor CpuCompute::allocate(int64_t floats) {
  const size_t bytes =
      (std::max<size_t>(1, static_cast<size_t>(floats)) * sizeof(float) + kHugePage - 1) / kHugePage * kHugePage;
  const size_t mapped = bytes + kHugePage;
  void* start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) throw std::bad_alloc();
  void* aligned = start;
  size_t room = mapped;
  std::align(kHugePage, bytes, aligned, room);
  madvise(aligned, bytes, MADV_HUGEPAGE);
  const auto unmap = [start, mapped](void*) { munmap(start, mapped); };
  return at::from_blob(aligned, {floats}, unmap, at::kFloat);
}

std::unique_ptr<PreparedBatch> CpuCompute::prepare(const BatchLayout& layout) {
  auto out = std::make_unique<CpuBatch>();
  out->rows = static_cast<int64_t>(layout.positions.size());
  out->index = index_targets(layout.targets);
  out->positions.assign(layout.positions.begin(), layout.positions.end());
  for (const auto& s : layout.segments)
    out->segments.push_back({s.begin, s.length, s.prefix_begin, s.prefix_length});
  out->families = kernels::attention_families(out->segments.data(), static_cast<int64_t>(out->segments.size()));
  if (!out->positions.empty()) rope_.reserve(*std::max_element(out->positions.begin(), out->positions.end()) + 1);
  return out;
}

void CpuCompute::copy(const at::Tensor& from_ND, at::Tensor& to_ND) {
  const auto bytes = static_cast<size_t>(from_ND.size(1)) * sizeof(float);
  for_rows(from_ND.size(0), from_ND.size(1), [&](int64_t i) { std::memcpy(row(to_ND, i), row(from_ND, i), bytes); });
}

void CpuCompute::add_bias(const at::Tensor& bias_O, at::Tensor& y_NO) {
  const auto& t = kernels::table();
  const float* bias = bias_O.const_data_ptr<float>();
  for_rows(y_NO.size(0), y_NO.size(1), [&](int64_t i) { t.axpy(row(y_NO, i), bias, 1.0F, y_NO.size(1)); });
}

void CpuCompute::rms_norm(const at::Tensor& x_ND, const at::Tensor& w_D, at::Tensor& y_ND, at::Tensor& rstd_N) {
  const auto& t = kernels::table();
  const float* w = w_D.const_data_ptr<float>();
  float* rstd = rstd_N.data_ptr<float>();
  for_rows(x_ND.size(0), x_ND.size(1),
           [&](int64_t i) { rstd[i] = t.rms_forward(row(x_ND, i), w, row(y_ND, i), x_ND.size(1), eps_); });
}

void CpuCompute::rms_apply(const at::Tensor& x_ND, const at::Tensor& w_D, const at::Tensor& rstd_N, at::Tensor& y_ND) {
  const auto& t = kernels::table();
  const float *w = w_D.const_data_ptr<float>(), *rstd = rstd_N.const_data_ptr<float>();
  for_rows(x_ND.size(0), x_ND.size(1),
           [&](int64_t i) { t.rms_apply(row(x_ND, i), w, rstd[i], row(y_ND, i), x_ND.size(1)); });
}

void CpuCompute::rms_backward(const at::Tensor& dy_ND, const at::Tensor& x_ND, const at::Tensor& w_D,
                              const at::Tensor& rstd_N, at::Tensor& dx_ND) {
  const auto& t = kernels::table();
  const float *w = w_D.const_data_ptr<float>(), *rstd = rstd_N.const_data_ptr<float>();
  for_rows(x_ND.size(0), x_ND.size(1),
           [&](int64_t i) { t.rms_backward(row(dy_ND, i), row(x_ND, i), w, rstd[i], row(dx_ND, i), x_ND.size(1)); });
}

void CpuCompute::swiglu(const at::Tensor& gate_up_NF2, at::Tensor& h_NF) {
  const auto& t = kernels::table();
  const int64_t ffn = h_NF.size(1);
  for_rows(h_NF.size(0), 4 * ffn, [&](int64_t i) {
    const float* gate = row(gate_up_NF2, i);
    t.swiglu_forward(gate, gate + ffn, row(h_NF, i), ffn);
  });
}

void CpuCompute::swiglu_backward(const at::Tensor& d_h_NF, at::Tensor& gate_up_NF2) {
  const auto& t = kernels::table();
  const int64_t ffn = d_h_NF.size(1);
  for_rows(d_h_NF.size(0), 4 * ffn, [&](int64_t i) {
    float* gate = row(gate_up_NF2, i);
    t.swiglu_backward(gate, gate + ffn, row(d_h_NF, i), gate, gate + ffn, ffn);
  });
}

void CpuCompute::place_heads(const PreparedBatch& batch, const HeadNorms& norms, bool rotates, at::Tensor& qkv_NC,
                             at::Tensor& raw_NC, at::Tensor& rstd_NH) {
  const auto& t = kernels::table();
  const auto& positions = of_cpu(batch).positions;
  const int64_t heads = config_.heads + config_.kv_heads, hd = config_.head_dim;
  const bool normed = norms.q_norm_K.defined(), keep = raw_NC.defined();
  if (!rotates && !normed) return;
  for_rows(qkv_NC.size(0), config_.qkv_width(), [&](int64_t i) {
    const int position = positions[static_cast<size_t>(i)];
    float* qk = row(qkv_NC, i);
    if (keep) std::memcpy(row(raw_NC, i), qk, static_cast<size_t>(heads * hd) * sizeof(float));
    for (int64_t h = 0; h < heads; ++h) {
      float* head = qk + h * hd;
      if (normed) {
        const at::Tensor& w_K = h < config_.heads ? norms.q_norm_K : norms.k_norm_K;
        const float rstd = t.rms_forward(head, w_K.const_data_ptr<float>(), head, hd, eps_);
        if (keep) row(rstd_NH, i)[h] = rstd;
      }
      if (rotates) t.rope(head, rope_.cosines(position), rope_.sines(position), hd / 2);
    }
  });
}

void CpuCompute::unplace_heads(const PreparedBatch& batch, const HeadNorms& norms, bool rotates,
                               const at::Tensor& raw_NC, const at::Tensor& rstd_NH, at::Tensor& d_qkv_NC) {
  const auto& t = kernels::table();
  const auto& positions = of_cpu(batch).positions;
  const int64_t hd = config_.head_dim;
  const bool normed = norms.q_norm_K.defined();
  if (!rotates && !normed) return;
  for_rows(d_qkv_NC.size(0), config_.qkv_width(), [&](int64_t i) {
    const int position = positions[static_cast<size_t>(i)];
    std::array<float, kMaxHeadDim> d_normed;
    for (int64_t h = 0; h < config_.heads + config_.kv_heads; ++h) {
      float* d = row(d_qkv_NC, i) + h * hd;
      if (rotates) t.rope_inverse(d, rope_.cosines(position), rope_.sines(position), hd / 2);
      if (!normed) continue;
      std::copy_n(d, hd, d_normed.data());
      std::fill_n(d, hd, 0.0F);
      const at::Tensor& w_K = h < config_.heads ? norms.q_norm_K : norms.k_norm_K;
      t.rms_backward(d_normed.data(), row(raw_NC, i) + h * hd, w_K.const_data_ptr<float>(), row(rstd_NH, i)[h], d, hd);
    }
  });
}

kernels::Attention CpuCompute::view(const CpuBatch& batch, const at::Tensor& qkv_NC, const at::Tensor& o_NQ,
                                    const at::Tensor& lse_HN) const {
  kernels::Attention a;
  a.heads = config_.heads;
  a.kv_heads = config_.kv_heads;
  a.head_dim = config_.head_dim;
  a.scale = 1.0F / std::sqrt(static_cast<float>(config_.head_dim));
  a.q = qkv_NC.const_data_ptr<float>();
  a.k = a.q + config_.q_width();
  a.v = a.k + config_.kv_width();
  a.qkv_stride = qkv_NC.stride(0);
  a.o = o_NQ.data_ptr<float>();
  a.o_stride = o_NQ.stride(0);
  a.lse = lse_HN.data_ptr<float>();
  a.lse_stride = lse_HN.stride(0);
  a.segments = batch.segments.data();
  a.n_segments = static_cast<int64_t>(batch.segments.size());
  return a;
}

void CpuCompute::attention(const PreparedBatch& batch, const at::Tensor& qkv_NC, at::Tensor& o_NQ, at::Tensor& lse_HN) {
  const kernels::Attention a = view(of_cpu(batch), qkv_NC, o_NQ, lse_HN);
  if (a.n_segments == 0) return;
  const int64_t rows_each = o_NQ.size(0) / a.n_segments;
  parallel(
      kernels::attention_forward_units(a),
      [&](int64_t begin, int64_t end) { kernels::attention_forward(a, begin, end); },
      worth_a_thread(rows_each * rows_each * a.head_dim));
}

void CpuCompute::attention_backward(const PreparedBatch& batch, const at::Tensor& qkv_NC, const at::Tensor& o_NQ,
                                    const at::Tensor& lse_HN, const at::Tensor& d_o_NQ, AttentionWork& work,
                                    at::Tensor& d_qkv_NC) {
  const CpuBatch& b = of_cpu(batch);
  const kernels::Attention a = view(b, qkv_NC, o_NQ, lse_HN);
  float* d_q = d_qkv_NC.data_ptr<float>();
  const int64_t n = o_NQ.size(0), stride = d_qkv_NC.stride(0), families = static_cast<int64_t>(b.families.size());
  if (families == 0) return;
  const kernels::AttentionGradient g{d_o_NQ.const_data_ptr<float>(), d_q, stride, work.d_k_NQ.data_ptr<float>(),
                                     work.d_v_NQ.data_ptr<float>()};
  parallel(
      kernels::attention_backward_units(a, b.families),
      [&](int64_t begin, int64_t end) { kernels::attention_backward(a, b.families, g, begin, end); },
      worth_a_thread(5 * n * n / families * config_.head_dim));
  float *d_k = d_q + config_.q_width(), *d_v = d_k + config_.kv_width();
  for_rows(n, config_.qkv_width(), [&](int64_t i) {
    kernels::sum_groups(a, g.d_k, d_k, stride, i, i + 1);
    kernels::sum_groups(a, g.d_v, d_v, stride, i, i + 1);
  });
}

void CpuCompute::add_noise(const PreparedBatch& batch, double alpha, const DropoutKey& key, at::Tensor& x_ND) {
  const uint64_t stream = counter_stream(key, kNoisePlace);
  const int64_t width = x_ND.size(1);
  for (const auto& segment : of_cpu(batch).segments) {
    const auto bound = static_cast<float>(alpha / std::sqrt(static_cast<double>(segment.length * width)));
    for_rows(segment.length, 8 * width, [&](int64_t in_segment) {
      const int64_t i = segment.begin + in_segment;
      float* x = row(x_ND, i);
      for (int64_t d = 0; d < width; ++d)
        x[d] += bound * counter_symmetric(stream, static_cast<uint64_t>(i * width + d));
    });
  }
}

}  // namespace afina::model
