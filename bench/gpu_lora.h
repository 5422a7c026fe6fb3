// SPDX-License-Identifier: Apache-2.0
// LoRA on all seven projections with its parameters on the GPU, for bench_gpu: one A product a site, one B product a
// module, no dropout. The product's adapters are lora/'s.
#pragma once
#include <ATen/ATen.h>

#include <array>
#include <vector>

#include "model/adapter.h"
#include "model/config.h"

namespace afina::bench {

class GpuLora final : public model::Adapter {
 public:
  GpuLora(const model::ModelConfig& config, int64_t rank, at::Device device) : config_(config), rank_(rank) {
    using model::Site;
    const int64_t q = config.q_width(), kv = config.kv_width();
    outputs_ = {{{q, kv, kv}, {config.hidden}, {config.ffn, config.ffn}, {config.hidden}}};
    for (int s = 0; s < model::kSites; ++s) {
      begin_[static_cast<size_t>(s)] = per_layer_;
      per_layer_ += width(s) * config.site_in(static_cast<Site>(s)) + rank * config.site_out(static_cast<Site>(s));
    }
    flat_P = at::randn({per_layer_ * config.layers}, at::TensorOptions().device(device)) * 0.01;
  }

  int64_t saved_width(int /*layer*/, model::Site site) const override { return width(static_cast<int>(site)); }
  void add_forward(int layer, model::Site site, const at::Tensor& x_NI, at::Tensor& y_NO, at::Tensor* saved_NS,
                   const model::DropoutKey&, const at::Tensor*) const override {
    const at::Tensor xa_NS = at::mm(x_NI, a(flat_P, layer, site).t());
    if (saved_NS != nullptr) saved_NS->copy_(xa_NS);
    for_modules(layer, site, flat_P, [&](int64_t module, int64_t output, const at::Tensor& b_OR) {
      at::Tensor y = y_NO.narrow(1, output, b_OR.size(0));
      y.addmm_(xa_NS.narrow(1, module * rank_, rank_), b_OR.t());
    });
  }
  void backward(int layer, model::Site site, const at::Tensor& x_NI, const at::Tensor& dy_NO,
                const at::Tensor& saved_NS, at::Tensor* dx_NI, at::Tensor& flat_grad_P, const model::DropoutKey&,
                const at::Tensor*) const override {
    at::Tensor g_NS = at::empty_like(saved_NS);
    for_modules(layer, site, flat_P, [&](int64_t module, int64_t output, const at::Tensor& b_OR) {
      at::Tensor g = g_NS.narrow(1, module * rank_, rank_);
      at::mm_out(g, dy_NO.narrow(1, output, b_OR.size(0)), b_OR);
    });
    for_modules(layer, site, flat_grad_P, [&](int64_t module, int64_t output, at::Tensor d_b_OR) {
      d_b_OR.addmm_(dy_NO.narrow(1, output, d_b_OR.size(0)).t(), saved_NS.narrow(1, module * rank_, rank_));
    });
    a(flat_grad_P, layer, site).addmm_(g_NS.t(), x_NI);
    if (dx_NI != nullptr) dx_NI->addmm_(g_NS, a(flat_P, layer, site));
  }
  int first_layer() const override { return 0; }

  at::Tensor flat_P;

 private:
  int64_t width(int site) const { return rank_ * static_cast<int64_t>(outputs_[static_cast<size_t>(site)].size()); }
  int64_t begin(int layer, model::Site site) const {
    return layer * per_layer_ + begin_[static_cast<size_t>(static_cast<int>(site))];
  }
  at::Tensor a(const at::Tensor& flat, int layer, model::Site site) const {
    const int64_t rows = width(static_cast<int>(site)), in = config_.site_in(site);
    return flat.narrow(0, begin(layer, site), rows * in).view({rows, in});
  }
  /// f(module, first output, B [out, rank]) for the modules of a site.
  template <typename F>
  void for_modules(int layer, model::Site site, const at::Tensor& flat, F f) const {
    const auto s = static_cast<size_t>(static_cast<int>(site));
    int64_t at = begin(layer, site) + width(static_cast<int>(site)) * config_.site_in(site), output = 0, module = 0;
    for (const int64_t out : outputs_[s]) {
      f(module++, output, flat.narrow(0, at, out * rank_).view({out, rank_}));
      at += out * rank_;
      output += out;
    }
  }

  model::ModelConfig config_;
  int64_t rank_, per_layer_ = 0;
  std::array<std::vector<int64_t>, model::kSites> outputs_;
  std::array<int64_t, model::kSites> begin_{};
};

}  // namespace afina::bench
