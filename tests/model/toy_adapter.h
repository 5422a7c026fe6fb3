// SPDX-License-Identifier: Apache-2.0
// The smallest adapter: y += x A' B' at chosen sites, without dropout. For tests of the decoder; lora/ has the real
// one.
#pragma once
#include <ATen/ATen.h>

#include <set>
#include <vector>

#include "model/adapter.h"
#include "model/config.h"

namespace afina::model {

class ToyAdapter final : public Adapter {
 public:
  /// sites: (layer, site) pairs that are adapted.
  ToyAdapter(const ModelConfig& config, int rank, std::set<std::pair<int, Site>> sites, uint64_t seed)
      : config_(config), rank_(rank) {
    int64_t size = 0;
    for (const auto& key : sites) {
      begins_.emplace_back(key, size);
      size += rank * (config.site_in(key.second) + config.site_out(key.second));
    }
    at::manual_seed(static_cast<int64_t>(seed));
    flat_P = at::randn({size}) * 0.15;
  }
  static std::set<std::pair<int, Site>> everywhere(const ModelConfig& config) {
    std::set<std::pair<int, Site>> out;
    for (int l = 0; l < config.layers; ++l)
      for (const Site site : {Site::qkv, Site::o, Site::gate_up, Site::down})
        out.insert({l, site});
    return out;
  }

  /// A [rank, in] and B [out, rank] as views of any flat tensor with this layout; undefined where the site is not
  /// adapted.
  std::pair<at::Tensor, at::Tensor> views(const at::Tensor& flat, int layer, Site site) const {
    for (const auto& [key, begin] : begins_) {
      if (key != std::pair{layer, site}) continue;
      const int64_t in = config_.site_in(site), out = config_.site_out(site);
      return {flat.narrow(0, begin, rank_ * in).view({rank_, in}),
              flat.narrow(0, begin + rank_ * in, rank_ * out).view({out, rank_})};
    }
    return {};
  }

  int64_t saved_width(int layer, Site site) const override {
    return views(flat_P, layer, site).first.defined() ? rank_ : 0;
  }
  void add_forward(int layer, Site site, const at::Tensor& x, at::Tensor& y, at::Tensor* saved, const DropoutKey&,
                   const at::Tensor*) const override {
    const auto [a, b] = views(flat_P, layer, site);
    const at::Tensor xa = at::mm(x, a.t());
    if (saved != nullptr) saved->copy_(xa);
    y.addmm_(xa, b.t());
  }
  void backward(int layer, Site site, const at::Tensor& x, const at::Tensor& dy, const at::Tensor& saved,
                at::Tensor* dx, at::Tensor& grad, const DropoutKey&, const at::Tensor*) const override {
    const auto [a, b] = views(flat_P, layer, site);
    auto [da, db] = views(grad, layer, site);
    const at::Tensor g = at::mm(dy, b);
    da.addmm_(g.t(), x);
    db.addmm_(dy.t(), saved);
    if (dx != nullptr) dx->addmm_(g, a);
  }
  int first_layer() const override { return begins_.empty() ? 0 : begins_.front().first.first; }

  at::Tensor flat_P;

 private:
  ModelConfig config_;
  int64_t rank_;
  std::vector<std::pair<std::pair<int, Site>, int64_t>> begins_;
};

}  // namespace afina::model
