// SPDX-License-Identifier: Apache-2.0
#include "model/decoder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "model/parallel.h"

namespace afina::model {
namespace {

const float* row(const at::Tensor& t, int64_t i) {
  return t.const_data_ptr<float>() + i * t.stride(0);
}
float* row(at::Tensor& t, int64_t i) {
  return t.data_ptr<float>() + i * t.stride(0);
}

/// width: floats of a row that f touches.
template <typename F>
void for_rows(int64_t n, int64_t width, F f) {
  parallel(
      n,
      [&f](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          f(i);
      },
      worth_a_thread(4 * width));
}

void copy_rows(const at::Tensor& from, at::Tensor& to) {
  const auto bytes = static_cast<size_t>(from.size(1)) * sizeof(float);
  for_rows(from.size(0), from.size(1), [&](int64_t i) { std::memcpy(row(to, i), row(from, i), bytes); });
}

void add_to_rows(const at::Tensor& bias_O, at::Tensor& y_NO) {
  const auto& t = kernels::table();
  const float* bias = bias_O.const_data_ptr<float>();
  for_rows(y_NO.size(0), y_NO.size(1), [&](int64_t i) { t.axpy(row(y_NO, i), bias, 1.0F, y_NO.size(1)); });
}

/// A matrix in memory that is kept from call to call.
at::Tensor matrix_in(at::Tensor& memory, int64_t rows, int64_t columns) {
  if (!memory.defined() || memory.numel() < rows * columns) memory = at::empty({rows * columns}, at::kFloat);
  return memory.narrow(0, 0, rows * columns).view({rows, columns});
}

}  // namespace

void rms_norm(const at::Tensor& x_ND, const at::Tensor& w_D, float eps, at::Tensor& y_ND, at::Tensor& rstd_N) {
  const auto& t = kernels::table();
  const float* w = w_D.const_data_ptr<float>();
  float* rstd = rstd_N.data_ptr<float>();
  for_rows(x_ND.size(0), x_ND.size(1),
           [&](int64_t i) { rstd[i] = t.rms_forward(row(x_ND, i), w, row(y_ND, i), x_ND.size(1), eps); });
}

kernels::Attention Decoder::attention(LayerBuffers& b, std::span<const kernels::AttentionSegment> segments) const {
  const float* qkv = b.qkv_NC.const_data_ptr<float>();
  kernels::Attention a;
  a.heads = config_.heads;
  a.kv_heads = config_.kv_heads;
  a.head_dim = config_.head_dim;
  a.scale = 1.0F / std::sqrt(static_cast<float>(config_.head_dim));
  a.q = qkv;
  a.k = qkv + config_.q_width();
  a.v = a.k + config_.kv_width();
  a.qkv_stride = b.qkv_NC.stride(0);
  a.o = b.o_NQ.data_ptr<float>();
  a.o_stride = b.o_NQ.stride(0);
  a.lse = b.lse_HN.data_ptr<float>();
  a.lse_stride = b.lse_HN.stride(0);
  a.segments = segments.data();
  a.n_segments = static_cast<int64_t>(segments.size());
  return a;
}

void Decoder::project(int64_t layer, Site site, const at::Tensor& x, at::Tensor& y, float beta, LayerBuffers& b,
                      WorkBuffers& w, const ForwardContext& context) const {
  const FrozenLinear& linear = model_.linear(layer, site);
  const int l = static_cast<int>(layer), s = static_cast<int>(site);
  const bool rescaled = std::any_of(context.runs.begin(), context.runs.end(), [&](const AdapterRun& run) {
    return run.adapter != nullptr && run.adapter->rescales_base(l, site);
  });
  at::Tensor base;
  if (!rescaled) {
    linear.forward(x, y, beta);
  } else {
    base = matrix_in(w.base, x.size(0), linear.out_features());
    linear.forward(x, base, 0.0F);
    if (beta == 0.0F) {
      copy_rows(base, y);
    } else {
      y.add_(base);
    }
  }
  if (const at::Tensor& bias = model_.layer(layer).bias_O[s]; bias.defined()) add_to_rows(bias, y);
  for (const AdapterRun& run : context.runs) {
    if (run.adapter == nullptr || run.adapter->saved_width(l, site) == 0) continue;
    at::Tensor* saved = context.keep ? &b.adapter_NS[s] : nullptr;
    const int64_t rows = run.end - run.begin;
    at::Tensor y_run = y.narrow(0, run.begin, rows), base_run;
    if (run.adapter->rescales_base(l, site)) base_run = base.narrow(0, run.begin, rows);
    run.adapter->add_forward(l, site, x.narrow(0, run.begin, rows), y_run, saved, context.dropout,
                             base_run.defined() ? &base_run : nullptr);
  }
}

/// q and k of every row: normalised where the family does that, then rotated to their positions.
void Decoder::place_heads(int64_t layer, LayerBuffers& b, const ForwardContext& context) const {
  const LayerWeights& weights = model_.layer(layer);
  const auto& t = kernels::table();
  const int64_t heads = config_.heads + config_.kv_heads, hd = config_.head_dim;
  const auto eps = static_cast<float>(config_.rms_eps);
  const bool rotates = config_.rotates(layer), norms = config_.qk_norm, keep = norms && context.keep;
  if (!rotates && !norms) return;
  for_rows(b.qkv_NC.size(0), config_.qkv_width(), [&](int64_t i) {
    const int position = context.positions[static_cast<size_t>(i)];
    float* qk = row(b.qkv_NC, i);
    if (keep) std::memcpy(row(b.qk_raw_NC, i), qk, static_cast<size_t>(heads * hd) * sizeof(float));
    for (int64_t h = 0; h < heads; ++h) {
      float* head = qk + h * hd;
      if (norms) {
        const at::Tensor& w_K = h < config_.heads ? weights.q_norm_K : weights.k_norm_K;
        const float rstd = t.rms_forward(head, w_K.const_data_ptr<float>(), head, hd, eps);
        if (keep) row(b.qk_rstd_NH, i)[h] = rstd;
      }
      if (rotates) t.rope(head, rope_.cosines(position), rope_.sines(position), hd / 2);
    }
  });
}

/// The gradient of placed q and k of one row, in place, to that of what the projection gave.
void Decoder::unplace_heads(int64_t layer, int64_t i, const LayerBuffers& b, int position, float* d_qk) const {
  const LayerWeights& weights = model_.layer(layer);
  const auto& t = kernels::table();
  const int64_t hd = config_.head_dim;
  const bool rotates = config_.rotates(layer);
  std::array<float, kMaxHeadDim> d_normed;
  for (int64_t h = 0; h < config_.heads + config_.kv_heads; ++h) {
    float* d = d_qk + h * hd;
    if (rotates) t.rope_inverse(d, rope_.cosines(position), rope_.sines(position), hd / 2);
    if (!config_.qk_norm) continue;
    std::copy_n(d, hd, d_normed.data());
    std::fill_n(d, hd, 0.0F);
    const at::Tensor& w_K = h < config_.heads ? weights.q_norm_K : weights.k_norm_K;
    t.rms_backward(d_normed.data(), row(b.qk_raw_NC, i) + h * hd, w_K.const_data_ptr<float>(), row(b.qk_rstd_NH, i)[h],
                   d, hd);
  }
}

void Decoder::forward(int64_t layer, LayerBuffers& b, WorkBuffers& w, const ForwardContext& context) const {
  const LayerWeights& weights = model_.layer(layer);
  const auto& t = kernels::table();
  const auto eps = static_cast<float>(config_.rms_eps);
  const int64_t n = b.x_in_ND.size(0), ffn = config_.ffn;

  rms_norm(b.x_in_ND, weights.norm1_D, eps, w.norm_ND, b.rstd1_N);
  project(layer, Site::qkv, w.norm_ND, b.qkv_NC, 0.0F, b, w, context);
  place_heads(layer, b, context);
  context.attend(layer, b);
  copy_rows(b.x_in_ND, b.x_mid_ND);
  project(layer, Site::o, b.o_NQ, b.x_mid_ND, 1.0F, b, w, context);

  rms_norm(b.x_mid_ND, weights.norm2_D, eps, w.norm_ND, b.rstd2_N);
  project(layer, Site::gate_up, w.norm_ND, b.gate_up_NF2, 0.0F, b, w, context);
  for_rows(n, 4 * ffn, [&](int64_t i) {
    const float* gate = row(b.gate_up_NF2, i);
    t.swiglu_forward(gate, gate + ffn, row(w.h_NF, i), ffn);
  });
  copy_rows(b.x_mid_ND, b.x_out_ND);
  project(layer, Site::down, w.h_NF, b.x_out_ND, 1.0F, b, w, context);
}

struct Decoder::Gradient {
  const Model& model;
  const Adapter& adapter;
  const DropoutKey& dropout;
  at::Tensor& flat_grad_P;
  WorkBuffers& work;
  const kernels::Families& families;
  std::span<const kernels::AttentionSegment> segments;
  std::span<const int> positions;
  int64_t layer;

  bool adapts(Site site) const { return adapter.saved_width(static_cast<int>(layer), site) > 0; }
  /// Does anything before this site, in this layer or below, have parameters?
  bool needed_before(Site site) const {
    if (layer > adapter.first_layer()) return true;
    for (int s = 0; s < static_cast<int>(site); ++s)
      if (adapts(static_cast<Site>(s))) return true;
    return false;
  }
  /// dx = dy W + what the adapter adds; dx null: parameter gradients only. x is read only where the site is adapted.
  void site(Site site, const at::Tensor& x, const at::Tensor& dy, const at::Tensor& saved, at::Tensor* dx) const {
    const int l = static_cast<int>(layer);
    if (adapts(site) && adapter.rescales_base(l, site)) return rescaled_site(site, x, dy, saved, dx);
    if (dx != nullptr) model.linear(layer, site).backward_input(dy, *dx, 0.0F);
    if (adapts(site)) adapter.backward(l, site, x, dy, saved, dx, flat_grad_P, dropout, nullptr);
  }
  /// The frozen output is computed again rather than kept.
  void rescaled_site(Site site, const at::Tensor& x, const at::Tensor& dy, const at::Tensor& saved,
                     at::Tensor* dx) const {
    const int l = static_cast<int>(layer);
    const FrozenLinear& linear = model.linear(layer, site);
    at::Tensor base_NO = matrix_in(work.base, x.size(0), linear.out_features());
    linear.forward(x, base_NO, 0.0F);
    if (dx != nullptr) {
      at::Tensor scaled_NO = matrix_in(work.scaled, x.size(0), linear.out_features());
      at::mul_out(scaled_NO, dy, adapter.base_scale(l, site));
      linear.backward_input(scaled_NO, *dx, 0.0F);
    }
    adapter.backward(l, site, x, dy, saved, dx, flat_grad_P, dropout, &base_NO);
  }
};

void Decoder::backward(int64_t layer, LayerBuffers& b, WorkBuffers& w, at::Tensor& dx_ND,
                       const kernels::Families& families, std::span<const kernels::AttentionSegment> segments,
                       std::span<const int> positions, const Adapter& adapter, const DropoutKey& dropout,
                       at::Tensor& flat_grad_P) const {
  const Gradient g{model_, adapter, dropout, flat_grad_P, w, families, segments, positions, layer};
  backward_mlp(layer, b, w, dx_ND, g);
  if (g.needed_before(Site::gate_up)) backward_attention(layer, b, w, dx_ND, g);
}

void Decoder::backward_mlp(int64_t layer, LayerBuffers& b, WorkBuffers& w, at::Tensor& dx_ND, const Gradient& g) const {
  const auto& t = kernels::table();
  const LayerWeights& weights = model_.layer(layer);
  const int64_t n = dx_ND.size(0), ffn = config_.ffn, hidden = config_.hidden;
  if (g.adapts(Site::down))
    for_rows(n, 4 * ffn, [&](int64_t i) {
      t.swiglu_forward(row(b.gate_up_NF2, i), row(b.gate_up_NF2, i) + ffn, row(w.h_NF, i), ffn);
    });
  const bool below_down = g.needed_before(Site::down), below_gate_up = g.needed_before(Site::gate_up);
  g.site(Site::down, w.h_NF, dx_ND, b.adapter_NS[static_cast<int>(Site::down)], below_down ? &w.d_h_NF : nullptr);
  if (!below_down) return;
  const float* norm2 = weights.norm2_D.const_data_ptr<float>();
  const float* rstd2 = b.rstd2_N.const_data_ptr<float>();
  const bool recompute = g.adapts(Site::gate_up);
  for_rows(n, 4 * ffn, [&](int64_t i) {
    float* gate = row(b.gate_up_NF2, i);
    t.swiglu_backward(gate, gate + ffn, row(w.d_h_NF, i), gate, gate + ffn, ffn);
    if (recompute) t.rms_apply(row(b.x_mid_ND, i), norm2, rstd2[i], row(w.norm_ND, i), hidden);
  });
  g.site(Site::gate_up, w.norm_ND, b.gate_up_NF2, b.adapter_NS[static_cast<int>(Site::gate_up)],
         below_gate_up ? &w.d_norm_ND : nullptr);
  if (!below_gate_up) return;
  for_rows(n, hidden, [&](int64_t i) {
    t.rms_backward(row(w.d_norm_ND, i), row(b.x_mid_ND, i), norm2, rstd2[i], row(dx_ND, i), hidden);
  });
}

void Decoder::backward_attention(int64_t layer, LayerBuffers& b, WorkBuffers& w, at::Tensor& dx_ND,
                                 const Gradient& g) const {
  const auto& t = kernels::table();
  const LayerWeights& weights = model_.layer(layer);
  const int64_t n = dx_ND.size(0), hd = config_.head_dim, hidden = config_.hidden;
  const bool below_o = g.needed_before(Site::o), below_qkv = g.needed_before(Site::qkv);
  g.site(Site::o, b.o_NQ, dx_ND, b.adapter_NS[static_cast<int>(Site::o)], below_o ? &w.d_o_NQ : nullptr);
  if (!below_o) return;

  const kernels::Attention a = attention(b, g.segments);
  float* d_qkv = w.d_qkv_NC.data_ptr<float>();
  const int64_t stride = w.d_qkv_NC.stride(0);
  const kernels::AttentionGradient ag{w.d_o_NQ.const_data_ptr<float>(), d_qkv, stride, w.d_k_NQ.data_ptr<float>(),
                                      w.d_v_NQ.data_ptr<float>()};
  parallel(
      kernels::attention_backward_units(a, g.families),
      [&](int64_t begin, int64_t end) { kernels::attention_backward(a, g.families, ag, begin, end); },
      worth_a_thread(5 * n * n / static_cast<int64_t>(g.families.size()) * hd));
  const float* norm1 = weights.norm1_D.const_data_ptr<float>();
  const float* rstd1 = b.rstd1_N.const_data_ptr<float>();
  const bool recompute = g.adapts(Site::qkv);
  for_rows(n, 2 * config_.qkv_width(), [&](int64_t i) {
    kernels::sum_groups(a, ag.d_k, d_qkv + config_.q_width(), stride, i, i + 1);
    kernels::sum_groups(a, ag.d_v, d_qkv + config_.q_width() + config_.kv_width(), stride, i, i + 1);
    unplace_heads(layer, i, b, g.positions[static_cast<size_t>(i)], d_qkv + i * stride);
    if (recompute) t.rms_apply(row(b.x_in_ND, i), norm1, rstd1[i], row(w.norm_ND, i), hidden);
  });
  g.site(Site::qkv, w.norm_ND, w.d_qkv_NC, b.adapter_NS[static_cast<int>(Site::qkv)],
         below_qkv ? &w.d_norm_ND : nullptr);
  if (!below_qkv) return;
  for_rows(n, hidden, [&](int64_t i) {
    t.rms_backward(row(w.d_norm_ND, i), row(b.x_in_ND, i), norm1, rstd1[i], row(dx_ND, i), hidden);
  });
}

}  // namespace afina::model
