// SPDX-License-Identifier: Apache-2.0
#include "model/decoder.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace afina::model {
namespace {

/// A matrix in memory that is kept from call to call.
at::Tensor matrix_in(at::Tensor& memory, const at::Tensor& like, int64_t rows, int64_t columns) {
  if (!memory.defined() || memory.numel() < rows * columns) memory = at::empty({rows * columns}, like.options());
  return memory.narrow(0, 0, rows * columns).view({rows, columns});
}

HeadNorms head_norms(const LayerWeights& weights) {
  return {weights.q_norm_K, weights.k_norm_K};
}

}  // namespace

Decoder::Decoder(const Model& model)
    : model_(model), config_(model.config()), compute_(make_compute(config_, model.final_norm().device())) {}

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
    base = matrix_in(w.base, x, x.size(0), linear.out_features());
    linear.forward(x, base, 0.0F);
    if (beta == 0.0F) {
      compute_->copy(base, y);
    } else {
      y.add_(base);
    }
  }
  if (const at::Tensor& bias = model_.layer(layer).bias_O[s]; bias.defined()) compute_->add_bias(bias, y);
  for (const AdapterRun& run : context.runs) {
    if (run.adapter == nullptr || run.adapter->saved_width(l, site) == 0) continue;
    at::Tensor* saved = context.keep && b.adapter_NS[s].defined() ? &b.adapter_NS[s] : nullptr;
    const int64_t rows = run.end - run.begin;
    at::Tensor y_run = y.narrow(0, run.begin, rows), base_run;
    if (run.adapter->rescales_base(l, site)) base_run = base.narrow(0, run.begin, rows);
    run.adapter->add_forward(l, site, x.narrow(0, run.begin, rows), y_run, saved, context.dropout,
                             base_run.defined() ? &base_run : nullptr);
  }
}

void Decoder::attention_block(int64_t layer, LayerBuffers& b, WorkBuffers& w, const ForwardContext& context) const {
  const LayerWeights& weights = model_.layer(layer);
  compute_->rms_norm(b.x_in_ND, weights.norm1_D, w.norm1_ND, b.rstd1_N);
  project(layer, Site::qkv, w.norm1_ND, b.qkv_NC, 0.0F, b, w, context);
  compute_->place_heads(*context.batch, head_norms(weights), config_.rotates(layer), b.qkv_NC, b.qk_raw_NC,
                        b.qk_rstd_NH);
  if (context.attend)
    context.attend(layer, b);
  else
    compute_->attention(*context.batch, b.qkv_NC, b.o_NQ, b.lse_HN);
  compute_->copy(b.x_in_ND, b.x_mid_ND);
  project(layer, Site::o, b.o_NQ, b.x_mid_ND, 1.0F, b, w, context);
}

void Decoder::forward(int64_t layer, LayerBuffers& b, WorkBuffers& w, const ForwardContext& context) const {
  attention_block(layer, b, w, context);
  compute_->rms_norm(b.x_mid_ND, model_.layer(layer).norm2_D, w.norm2_ND, b.rstd2_N);
  project(layer, Site::gate_up, w.norm2_ND, b.gate_up_NF2, 0.0F, b, w, context);
  compute_->swiglu(b.gate_up_NF2, w.h_NF);
  compute_->copy(b.x_mid_ND, b.x_out_ND);
  project(layer, Site::down, w.h_NF, b.x_out_ND, 1.0F, b, w, context);
}

void Decoder::recompute(Recompute what, int64_t layer, LayerBuffers& b, WorkBuffers& w,
                        const ForwardContext& context) const {
  if (what == Recompute::none) return;
  if (what == Recompute::layer) attention_block(layer, b, w, context);
  compute_->rms_norm(b.x_mid_ND, model_.layer(layer).norm2_D, w.norm2_ND, b.rstd2_N);
  project(layer, Site::gate_up, w.norm2_ND, b.gate_up_NF2, 0.0F, b, w, context);
}

struct Decoder::Gradient {
  const Model& model;
  const BackwardContext& context;
  WorkBuffers& work;
  int64_t layer;

  bool adapts(Site site) const { return context.adapter.saved_width(static_cast<int>(layer), site) > 0; }
  /// Does anything before this site, in this layer or below, have parameters?
  bool needed_before(Site site) const {
    if (layer > context.adapter.first_layer()) return true;
    for (int s = 0; s < static_cast<int>(site); ++s)
      if (adapts(static_cast<Site>(s))) return true;
    return false;
  }
  /// dx = dy W + what the adapter adds; dx null: parameter gradients only. x is read only where the site is adapted.
  void site(Site site, const at::Tensor& x, const at::Tensor& dy, const at::Tensor& saved, at::Tensor* dx) const {
    const Adapter& adapter = context.adapter;
    const int l = static_cast<int>(layer);
    if (adapts(site) && adapter.rescales_base(l, site)) return rescaled_site(site, x, dy, saved, dx);
    if (dx != nullptr) model.linear(layer, site).backward_input(dy, *dx, 0.0F);
    if (adapts(site)) adapter.backward(l, site, x, dy, saved, dx, context.flat_grad_P, context.dropout, nullptr);
  }
  /// The frozen output is computed again rather than kept.
  void rescaled_site(Site site, const at::Tensor& x, const at::Tensor& dy, const at::Tensor& saved,
                     at::Tensor* dx) const {
    const int l = static_cast<int>(layer);
    const FrozenLinear& linear = model.linear(layer, site);
    at::Tensor base_NO = matrix_in(work.base, x, x.size(0), linear.out_features());
    linear.forward(x, base_NO, 0.0F);
    if (dx != nullptr) {
      at::Tensor scaled_NO = matrix_in(work.scaled, x, x.size(0), linear.out_features());
      at::mul_out(scaled_NO, dy, context.adapter.base_scale(l, site));
      linear.backward_input(scaled_NO, *dx, 0.0F);
    }
    context.adapter.backward(l, site, x, dy, saved, dx, context.flat_grad_P, context.dropout, &base_NO);
  }
};

void Decoder::backward(int64_t layer, LayerBuffers& b, WorkBuffers& w, at::Tensor& dx_ND,
                       const BackwardContext& context) const {
  const Gradient g{model_, context, w, layer};
  backward_mlp(layer, b, w, dx_ND, g);
  if (g.needed_before(Site::gate_up)) backward_attention(layer, b, w, dx_ND, g);
}

void Decoder::backward_mlp(int64_t layer, LayerBuffers& b, WorkBuffers& w, at::Tensor& dx_ND, const Gradient& g) const {
  const at::Tensor& norm2_D = model_.layer(layer).norm2_D;
  const bool below_down = g.needed_before(Site::down), below_gate_up = g.needed_before(Site::gate_up);
  if (g.adapts(Site::down)) compute_->swiglu(b.gate_up_NF2, w.h_NF);
  g.site(Site::down, w.h_NF, dx_ND, b.adapter_NS[static_cast<int>(Site::down)], below_down ? &w.d_h_NF : nullptr);
  if (!below_down) return;
  compute_->swiglu_backward(w.d_h_NF, b.gate_up_NF2);
  if (g.adapts(Site::gate_up)) compute_->rms_apply(b.x_mid_ND, norm2_D, b.rstd2_N, w.norm2_ND);
  g.site(Site::gate_up, w.norm2_ND, b.gate_up_NF2, b.adapter_NS[static_cast<int>(Site::gate_up)],
         below_gate_up ? &w.d_norm2_ND : nullptr);
  if (below_gate_up) compute_->rms_backward(w.d_norm2_ND, b.x_mid_ND, norm2_D, b.rstd2_N, dx_ND);
}

void Decoder::backward_attention(int64_t layer, LayerBuffers& b, WorkBuffers& w, at::Tensor& dx_ND,
                                 const Gradient& g) const {
  const LayerWeights& weights = model_.layer(layer);
  const PreparedBatch& batch = g.context.batch;
  const bool below_o = g.needed_before(Site::o), below_qkv = g.needed_before(Site::qkv);
  g.site(Site::o, b.o_NQ, dx_ND, b.adapter_NS[static_cast<int>(Site::o)], below_o ? &w.d_o_NQ : nullptr);
  if (!below_o) return;
  compute_->attention_backward(batch, b.qkv_NC, b.o_NQ, b.lse_HN, w.d_o_NQ, w.attention, w.d_qkv_NC);
  compute_->unplace_heads(batch, head_norms(weights), config_.rotates(layer), b.qk_raw_NC, b.qk_rstd_NH, w.d_qkv_NC);
  if (g.adapts(Site::qkv)) compute_->rms_apply(b.x_in_ND, weights.norm1_D, b.rstd1_N, w.norm1_ND);
  g.site(Site::qkv, w.norm1_ND, w.d_qkv_NC, b.adapter_NS[static_cast<int>(Site::qkv)],
         below_qkv ? &w.d_norm1_ND : nullptr);
  if (below_qkv) compute_->rms_backward(w.d_norm1_ND, b.x_in_ND, weights.norm1_D, b.rstd1_N, dx_ND);
}

}  // namespace afina::model
