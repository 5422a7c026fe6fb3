// SPDX-License-Identifier: Apache-2.0
#include "lora/adapter_set.h"

#include <ATen/ATen.h>

#include <cmath>

#include "base/error.h"
#include "lora/dropout.h"

namespace afina::lora {
namespace {

at::Tensor matrix_view(const at::Tensor& flat, int64_t begin, int64_t rows, int64_t columns) {
  return flat.narrow(0, begin, rows * columns).view({rows, columns});
}

at::Tensor dropped(const at::Tensor& x_NI, double p, uint64_t stream) {
  const at::Tensor source = x_NI.contiguous();
  at::Tensor out = at::empty_like(source);
  const auto n = static_cast<size_t>(source.numel());
  apply_dropout({source.const_data_ptr<float>(), n}, {out.data_ptr<float>(), n}, p, stream);
  return out;
}

}  // namespace

AdapterSet::AdapterSet(const DecoderShape& shape, LoraConfig config) : shape_(shape), config_(std::move(config)) {
  const auto modules = resolve_targets(config_);
  sites_.resize(static_cast<size_t>(shape.layers));
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int s = 0; s < model::kSites; ++s) {
      auto& site = sites_[static_cast<size_t>(layer)][static_cast<size_t>(s)];
      site.a_begin = parameter_count_;
      for (const Module module : modules) {
        if (static_cast<int>(site_of(module)) != s) continue;
        ModuleSlot slot{
            layer,     module,    parameter_count_, 0, shape.in_features(module), shape.out_features(module),
            config_.r, site.width};
        site.in = slot.in;
        site.width += slot.r;
        parameter_count_ += slot.r * slot.in;
        site.modules.push_back(slot);
      }
      for (auto& slot : site.modules) {
        slot.b_begin = parameter_count_;
        parameter_count_ += slot.out * slot.r;
        slots_.push_back(slot);
      }
    }
  }
  flat_P_ = at::zeros({parameter_count_}, at::kFloat);
}

void AdapterSet::initialise(uint64_t seed) {
  flat_P_.zero_();
  for (const auto& slot : slots_) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(slot.in));
    const uint64_t stream = dropout_stream({true, seed, 0, 0}, slot.layer, static_cast<int>(slot.module));
    float* a = a_view(slot).data_ptr<float>();
    for (int64_t i = 0; i < slot.r * slot.in; ++i) {
      a[i] = static_cast<float>((2.0 * counter_uniform(stream, static_cast<uint64_t>(i)) - 1.0) * bound);
    }
  }
}

at::Tensor AdapterSet::a_view(const ModuleSlot& slot) const {
  return matrix_view(flat_P_, slot.a_begin, slot.r, slot.in);
}

at::Tensor AdapterSet::b_view(const ModuleSlot& slot) const {
  return matrix_view(flat_P_, slot.b_begin, slot.out, slot.r);
}

const AdapterSet::SiteSlots& AdapterSet::site(int layer, model::Site site) const {
  return sites_[static_cast<size_t>(layer)][static_cast<size_t>(site)];
}

at::Tensor AdapterSet::site_a(const at::Tensor& flat, const SiteSlots& site) const {
  return matrix_view(flat, site.a_begin, site.width, site.in);
}

int64_t AdapterSet::saved_width(int layer, model::Site at_site) const {
  return site(layer, at_site).width;
}

void AdapterSet::add_forward(int layer, model::Site at_site, const at::Tensor& x_NI, at::Tensor& y_NO,
                             at::Tensor* saved_NS, const model::DropoutKey& dropout,
                             const at::Tensor* /*base_NO*/) const {
  const auto& slots = site(layer, at_site);
  if (slots.modules.empty()) return;
  at::Tensor xa_NS = saved_NS != nullptr ? *saved_NS : at::empty({x_NI.size(0), slots.width}, x_NI.options());
  if (drops(dropout)) {
    for (const auto& slot : slots.modules) {
      const auto x_dropped_NI =
          dropped(x_NI, config_.lora_dropout, dropout_stream(dropout, layer, static_cast<int>(slot.module)));
      auto out = xa_NS.narrow(1, slot.saved_begin, slot.r);
      at::mm_out(out, x_dropped_NI, a_view(slot).t());
    }
  } else {
    at::mm_out(xa_NS, x_NI, site_a(flat_P_, slots).t());
  }
  for (const auto& slot : slots.modules) {
    at::Tensor y = y_NO.narrow(1, shape_.output_offset(slot.module), slot.out);
    y.addmm_(xa_NS.narrow(1, slot.saved_begin, slot.r), b_view(slot).t(), 1, config_.scale());
  }
}

void AdapterSet::backward(int layer, model::Site at_site, const at::Tensor& x_NI, const at::Tensor& dy_NO,
                          const at::Tensor& saved_NS, at::Tensor* dx_NI, at::Tensor& flat_grad_P,
                          const model::DropoutKey& dropout, const at::Tensor* /*base_NO*/) const {
  const auto& slots = site(layer, at_site);
  if (slots.modules.empty()) return;
  at::Tensor g_NS = at::empty({x_NI.size(0), slots.width}, x_NI.options());
  for (const auto& slot : slots.modules) {
    const auto dy = dy_NO.narrow(1, shape_.output_offset(slot.module), slot.out);
    auto g = g_NS.narrow(1, slot.saved_begin, slot.r);
    at::mm_out(g, dy, b_view(slot));
    auto grad_b = matrix_view(flat_grad_P, slot.b_begin, slot.out, slot.r);
    grad_b.addmm_(dy.t(), saved_NS.narrow(1, slot.saved_begin, slot.r), 1, config_.scale());
  }
  g_NS.mul_(config_.scale());
  if (!drops(dropout)) {
    auto grad_a = site_a(flat_grad_P, slots);
    grad_a.addmm_(g_NS.t(), x_NI);
    if (dx_NI != nullptr) dx_NI->addmm_(g_NS, site_a(flat_P_, slots));
    return;
  }
  for (const auto& slot : slots.modules) {
    const uint64_t stream = dropout_stream(dropout, layer, static_cast<int>(slot.module));
    const auto g = g_NS.narrow(1, slot.saved_begin, slot.r);
    auto grad_a = matrix_view(flat_grad_P, slot.a_begin, slot.r, slot.in);
    grad_a.addmm_(g.t(), dropped(x_NI, config_.lora_dropout, stream));
    if (dx_NI != nullptr) dx_NI->add_(dropped(at::mm(g, a_view(slot)), config_.lora_dropout, stream));
  }
}

}  // namespace afina::lora
