// SPDX-License-Identifier: Apache-2.0
#include "lora/adapter_set.h"

#include <ATen/ATen.h>

#include <cmath>

#include "base/error.h"
#include "lora/dropout.h"
#include "lora/score_part.h"
#include "model/cuda/place.h"
#include "model/thin_products.h"

namespace afina::lora {
namespace {

at::Tensor matrix_view(const at::Tensor& flat, int64_t begin, int64_t rows, int64_t columns) {
  return flat.narrow(0, begin, rows * columns).view({rows, columns});
}

at::Tensor a_of(const at::Tensor& flat, const ModuleSlot& slot) {
  return matrix_view(flat, slot.a_begin, slot.r, slot.in);
}

at::Tensor b_of(const at::Tensor& flat, const ModuleSlot& slot) {
  return matrix_view(flat, slot.b_begin, slot.out, slot.r);
}

// The products of one module or site: our kernels, or ATen's for few rows and for tensors that are not on the CPU.

/// xa = x aᵀ
void project(const at::Tensor& x_NI, const at::Tensor& a_SI, at::Tensor& xa_NS) {
  if (model::thin_products_pay(x_NI)) return model::thin_project(x_NI, a_SI, xa_NS);
  at::mm_out(xa_NS, x_NI, a_SI.t());
}

/// y += scale * xa bᵀ
void expand(const at::Tensor& xa_NR, const at::Tensor& b_OR, double scale, at::Tensor& y_NO) {
  if (model::thin_products_pay(xa_NR)) return model::thin_expand(xa_NR, b_OR, scale, y_NO);
  y_NO.addmm_(xa_NR, b_OR.t(), 1, scale);
}

/// g = scale * dy b
void contract(const at::Tensor& dy_NO, const at::Tensor& b_OR, double scale, at::Tensor& g_NR) {
  if (model::thin_products_pay(dy_NO)) return model::thin_contract(dy_NO, b_OR, scale, g_NR);
  at::mm_out(g_NR, dy_NO, b_OR);
  g_NR.mul_(scale);
}

/// dx += g a
void spread(const at::Tensor& g_NS, const at::Tensor& a_SI, at::Tensor& dx_NI) {
  if (model::thin_products_pay(g_NS)) return model::thin_spread(g_NS, a_SI, dx_NI);
  dx_NI.addmm_(g_NS, a_SI);
}

/// da += gᵀ x
void add_gradient_a(const at::Tensor& g_NS, const at::Tensor& x_NI, at::Tensor& da_SI) {
  if (model::thin_products_pay(x_NI)) return model::thin_gradient_a(g_NS, x_NI, da_SI);
  da_SI.addmm_(g_NS.t(), x_NI);
}

/// db += scale * dyᵀ xa
void add_gradient_b(const at::Tensor& dy_NO, const at::Tensor& xa_NR, double scale, at::Tensor& db_OR) {
  if (model::thin_products_pay(dy_NO)) return model::thin_gradient_b(dy_NO, xa_NR, scale, db_OR);
  db_OR.addmm_(dy_NO.t(), xa_NR, 1, scale);
}

at::Tensor dropped(const at::Tensor& x_NI, double p, uint64_t stream) {
  const at::Tensor source = x_NI.contiguous();
  at::Tensor out = at::empty_like(source);
  if (!source.is_cpu()) {
    model::cuda_dropout(source, out, p, stream);
    return out;
  }
  const auto n = static_cast<size_t>(source.numel());
  apply_dropout({source.const_data_ptr<float>(), n}, {out.data_ptr<float>(), n}, p, stream);
  return out;
}

}  // namespace

AdapterSet::AdapterSet(const DecoderShape& shape, LoraConfig config, UnmatchedNames unmatched)
    : shape_(shape), config_(std::move(config)) {
  lay_out(find_targets(config_, shape_, unmatched).modules);
  if (config_.score_head) score_begin_ = std::exchange(parameter_count_, parameter_count_ + shape_.hidden);
  flat_P_ = at::zeros({parameter_count_}, at::kFloat);
}

AdapterSet::~AdapterSet() = default;

void AdapterSet::lay_out(const std::vector<Target>& targets) {
  sites_.resize(static_cast<size_t>(shape_.layers));
  size_t begin = 0;
  for (auto& layer : sites_) {
    for (size_t s = 0; s < layer.size(); ++s) {
      const auto belongs = [&](const Target& target) {
        return &sites_[static_cast<size_t>(target.layer)] == &layer && static_cast<size_t>(site_of(target.module)) == s;
      };
      size_t end = begin;
      while (end < targets.size() && belongs(targets[end]))
        ++end;
      lay_out_site(layer[s], targets, begin, end);
      begin = end;
    }
  }
  AFINA_CHECK(begin == targets.size(), "[lora] targets must come in the order of the layout");
}

void AdapterSet::lay_out_site(SiteSlots& site, const std::vector<Target>& targets, size_t begin, size_t end) {
  site.a_begin = parameter_count_;
  for (size_t i = begin; i < end; ++i) {
    const Target& target = targets[i];
    ModuleSlot slot;
    slot.layer = target.layer;
    slot.module = target.module;
    slot.a_begin = parameter_count_;
    slot.in = site.in = shape_.in_features(target.module);
    slot.out = shape_.out_features(target.module);
    slot.r = target.r;
    slot.alpha = target.alpha;
    slot.scale = target.scale;
    slot.saved_begin = site.width;
    site.width += slot.r;
    parameter_count_ += slot.r * slot.in;
    site.modules.push_back(slot);
  }
  const auto take = [this](int64_t n) { return std::exchange(parameter_count_, parameter_count_ + n); };
  for (auto& slot : site.modules) {
    slot.b_begin = take(slot.out * slot.r);
    if (config_.lora_bias) slot.bias_begin = take(slot.out);
    if (config_.use_dora) slot.magnitude_begin = take(slot.out);
    slots_.push_back(slot);
  }
}

std::vector<Module> AdapterSet::modules() const {
  std::array<bool, kModules> present{};
  for (const auto& slot : slots_)
    present[static_cast<size_t>(slot.module)] = true;
  std::vector<Module> out;
  for (int i = 0; i < kModules; ++i)
    if (present[static_cast<size_t>(i)]) out.push_back(static_cast<Module>(i));
  return out;
}

at::Tensor AdapterSet::a_view(const ModuleSlot& slot) const {
  return a_of(flat_P_, slot);
}

at::Tensor AdapterSet::b_view(const ModuleSlot& slot) const {
  return b_of(flat_P_, slot);
}

at::Tensor AdapterSet::bias_view(const ModuleSlot& slot) const {
  return slot.bias_begin < 0 ? at::Tensor() : flat_P_.narrow(0, slot.bias_begin, slot.out);
}

at::Tensor AdapterSet::magnitude_view(const ModuleSlot& slot) const {
  return slot.magnitude_begin < 0 ? at::Tensor() : flat_P_.narrow(0, slot.magnitude_begin, slot.out);
}

std::string AdapterSet::parameter_name(int64_t index) const {
  for (const auto& slot : slots_) {
    const auto within = [&](int64_t begin, int64_t n) { return begin >= 0 && index >= begin && index < begin + n; };
    const char* part = within(slot.a_begin, slot.r * slot.in)    ? "lora_A"
                       : within(slot.b_begin, slot.out * slot.r) ? "lora_B"
                       : within(slot.bias_begin, slot.out)       ? "lora_B.bias"
                       : within(slot.magnitude_begin, slot.out)  ? "lora_magnitude_vector"
                                                                 : nullptr;
    if (part != nullptr) return cat("layers.", slot.layer, ".", module_path(slot.module), ".", part);
  }
  if (score_begin_ >= 0 && index >= score_begin_ && index < parameter_count_) return std::string(kScorePath);
  return cat("parameter ", index);
}

void AdapterSet::place(at::Device device) {
  if (config_.use_dora || config_.init_lora_weights == LoraInit::pissa || head_part_ || embedding_part_) {
    throw ModelError(cat("[lora] an adapter on ", device.str(),
                         " must be plain LoRA, but has DoRA, PiSSA or a part of head or embedding."),
                     "use the CPU, or merge it into the base and train a fresh adapter on that");
  }
  placed_P_ = at::empty({parameter_count_}, at::TensorOptions(at::kFloat).device(device));
  upload();
}

void AdapterSet::upload() {
  if (placed_P_.defined()) placed_P_.copy_(flat_P_);
}

std::string AdapterSet::untrainable() const {
  if (head_part_ || embedding_part_)
    return "the adapter changes lm_head or embed_tokens, which stay fixed here; merge it into the base and train a "
           "fresh adapter on that";
  if (config_.use_dora && config_.lora_dropout > 0)
    return "use_dora needs lora_dropout 0: with dropout DoRA runs every frozen product twice";
  return "";
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

int AdapterSet::first_layer() const {
  return slots_.empty() ? static_cast<int>(shape_.layers) : slots_.front().layer;
}

bool AdapterSet::rescales_base(int layer, model::Site at_site) const {
  return config_.use_dora && !site(layer, at_site).modules.empty();
}

at::Tensor AdapterSet::base_scale(int layer, model::Site at_site) const {
  return site(layer, at_site).factor_O;
}

/// y += sign * (scale * (xA Bᵀ + bias)), under DoRA times m/n and with (m/n − 1) * base.
void AdapterSet::add_low_rank(const SiteSlots& slots, const at::Tensor& xa_NS, const at::Tensor& flat, double sign,
                              const at::Tensor* base_NO, at::Tensor& y_NO) const {
  for (const auto& slot : slots.modules) {
    const int64_t offset = shape_.output_offset(slot.module);
    at::Tensor y = y_NO.narrow(1, offset, slot.out);
    const at::Tensor xa = xa_NS.narrow(1, slot.saved_begin, slot.r);
    if (!config_.use_dora) {
      expand(xa, b_of(flat, slot), sign * slot.scale, y);
      if (slot.bias_begin >= 0) y.add_(flat.narrow(0, slot.bias_begin, slot.out), sign * slot.scale);
      continue;
    }
    AFINA_CHECK(base_NO != nullptr && slots.factor_O.defined(), "[lora] DoRA must be bound and be given base_NO");
    const at::Tensor factor = slots.factor_O.narrow(0, offset, slot.out);
    y.addcmul_(base_NO->narrow(1, offset, slot.out), factor - 1);
    y.addcmul_(at::mm(xa, b_of(flat, slot).t()), factor, slot.scale);
  }
}

void AdapterSet::add_forward(int layer, model::Site at_site, const at::Tensor& x_NI, at::Tensor& y_NO,
                             at::Tensor* saved_NS, const model::DropoutKey& dropout, const at::Tensor* base_NO) const {
  const auto& slots = site(layer, at_site);
  if (slots.modules.empty()) return;
  at::Tensor xa_NS = saved_NS != nullptr ? *saved_NS : at::empty({x_NI.size(0), slots.width}, x_NI.options());
  if (drops(dropout)) {
    for (const auto& slot : slots.modules) {
      const auto x_dropped_NI =
          dropped(x_NI, config_.lora_dropout, dropout_stream(dropout, layer, static_cast<int>(slot.module)));
      auto out = xa_NS.narrow(1, slot.saved_begin, slot.r);
      project(x_dropped_NI, a_of(working_P(), slot), out);
    }
  } else {
    project(x_NI, site_a(working_P(), slots), xa_NS);
  }
  add_low_rank(slots, xa_NS, working_P(), 1, base_NO, y_NO);
  if (start_P_.defined()) add_low_rank(slots, at::mm(x_NI, site_a(start_P_, slots).t()), start_P_, -1, nullptr, y_NO);
}

void AdapterSet::backward_magnitude(const SiteSlots& slots, const ModuleSlot& slot, const at::Tensor& dy,
                                    const at::Tensor& xa, const at::Tensor& base, at::Tensor& flat_grad_P) const {
  // y = (m/n) (base + s BA x) with n held fixed, as in section 4.3 of the paper and in PEFT.
  at::Tensor whole = at::addmm(base, xa, b_of(working_P(), slot).t(), 1, slot.scale);
  const at::Tensor norm = slots.norm_O.narrow(0, shape_.output_offset(slot.module), slot.out);
  flat_grad_P.narrow(0, slot.magnitude_begin, slot.out).addcdiv_(whole.mul_(dy).sum(0), norm);
}

void AdapterSet::backward(int layer, model::Site at_site, const at::Tensor& x_NI, const at::Tensor& dy_NO,
                          const at::Tensor& saved_NS, at::Tensor* dx_NI, at::Tensor& flat_grad_P,
                          const model::DropoutKey& dropout, const at::Tensor* base_NO) const {
  const auto& slots = site(layer, at_site);
  if (slots.modules.empty()) return;
  at::Tensor g_NS = at::empty({x_NI.size(0), slots.width}, x_NI.options());
  for (const auto& slot : slots.modules) {
    const int64_t offset = shape_.output_offset(slot.module);
    const auto xa = saved_NS.narrow(1, slot.saved_begin, slot.r);
    at::Tensor dy = dy_NO.narrow(1, offset, slot.out);
    if (slot.bias_begin >= 0) flat_grad_P.narrow(0, slot.bias_begin, slot.out).add_(dy.sum(0), slot.scale);
    if (config_.use_dora) {
      AFINA_CHECK(base_NO != nullptr, "[lora] DoRA must be given base_NO in backward");
      backward_magnitude(slots, slot, dy, xa, base_NO->narrow(1, offset, slot.out), flat_grad_P);
      dy = dy * slots.factor_O.narrow(0, offset, slot.out);
    }
    auto g = g_NS.narrow(1, slot.saved_begin, slot.r);
    contract(dy, b_of(working_P(), slot), slot.scale, g);
    auto grad_b = b_of(flat_grad_P, slot);
    add_gradient_b(dy, xa, slot.scale, grad_b);
    if (start_P_.defined() && dx_NI != nullptr)
      dx_NI->addmm_(at::mm(dy, b_of(start_P_, slot)), a_of(start_P_, slot), 1, -slot.scale);
  }
  if (!drops(dropout)) {
    auto grad_a = site_a(flat_grad_P, slots);
    add_gradient_a(g_NS, x_NI, grad_a);
    if (dx_NI != nullptr) spread(g_NS, site_a(working_P(), slots), *dx_NI);
    return;
  }
  for (const auto& slot : slots.modules) {
    const uint64_t stream = dropout_stream(dropout, layer, static_cast<int>(slot.module));
    const auto g = g_NS.narrow(1, slot.saved_begin, slot.r);
    auto grad_a = a_of(flat_grad_P, slot);
    add_gradient_a(g, dropped(x_NI, config_.lora_dropout, stream), grad_a);
    if (dx_NI != nullptr) dx_NI->add_(dropped(at::mm(g, a_of(working_P(), slot)), config_.lora_dropout, stream));
  }
}

std::unique_ptr<AdapterSet> AdapterSet::plain() const {
  if (config_.init_lora_weights != LoraInit::pissa) return nullptr;
  if (!start_P_.defined())
    throw ModelError("[lora] a PiSSA adapter must be loaded with its model before it is written, but has none.",
                     "save it with PEFT's path_initial_model_for_weight_conversion");
  LoraConfig config = config_;
  const double alpha_factor = config.use_rslora ? std::sqrt(2.0) : 2.0;  // keeps every module's scale
  config.init_lora_weights = LoraInit::kaiming;
  config.pissa_iterations = 0;
  config.r *= 2;
  config.lora_alpha *= alpha_factor;
  for (auto& [key, r] : config.rank_pattern)
    r *= 2;
  for (auto& [key, alpha] : config.alpha_pattern)
    alpha *= alpha_factor;
  auto out = std::make_unique<AdapterSet>(shape_, config, UnmatchedNames::allow);
  for (size_t i = 0; i < slots_.size(); ++i) {
    const ModuleSlot &from = slots_[i], &to = out->slots_[i];
    out->a_view(to).copy_(at::cat({a_view(from), a_of(start_P_, from)}, 0));
    out->b_view(to).copy_(at::cat({b_view(from), -b_of(start_P_, from)}, 1));
  }
  if (score_begin_ >= 0) out->score_weight().copy_(score_weight());
  out->head_part_ = head_part_;
  out->embedding_part_ = embedding_part_;
  return out;
}

}  // namespace afina::lora
