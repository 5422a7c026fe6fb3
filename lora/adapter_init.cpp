// SPDX-License-Identifier: Apache-2.0
// The part of AdapterSet that fills it: first values, and what it takes from the model it is bound to.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "lora/adapter_set.h"
#include "lora/dropout.h"
#include "lora/pissa.h"
#include "lora/score_part.h"

namespace afina::lora {
namespace {

constexpr int64_t kRowsAtOnce = 1024;

void fill_uniform(at::Tensor out, double bound, uint64_t stream) {
  float* values = out.data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i)
    values[i] = static_cast<float>((2.0 * counter_uniform(stream, static_cast<uint64_t>(i)) - 1.0) * bound);
}

/// Box and Muller, over pairs of counters.
void fill_normal(at::Tensor out, double deviation, uint64_t stream) {
  float* values = out.data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i) {
    const auto pair = static_cast<uint64_t>(i) * 2;
    const double radius = std::sqrt(-2.0 * std::log(1.0 - static_cast<double>(counter_uniform(stream, pair))));
    values[i] = static_cast<float>(
        deviation * radius * std::cos(2.0 * std::numbers::pi * static_cast<double>(counter_uniform(stream, pair + 1))));
  }
}

at::Tensor dense_rows(const model::FrozenLinear& linear, int64_t first, int64_t rows) {
  at::Tensor out = at::empty({rows, linear.in_features()}, at::kFloat);
  linear.dequantize_rows(first, out);
  return out;
}

at::Tensor rows_squared(const model::FrozenLinear& linear) {
  at::Tensor out = at::empty({linear.out_features()}, at::kFloat);
  for (int64_t first = 0; first < linear.out_features(); first += kRowsAtOnce) {
    const int64_t rows = std::min(kRowsAtOnce, linear.out_features() - first);
    out.narrow(0, first, rows).copy_(dense_rows(linear, first, rows).to(at::kDouble).square_().sum(1));
  }
  return out;
}

}  // namespace

void AdapterSet::initialise(uint64_t seed) {
  flat_P_.zero_();
  fresh_ = true;
  bound_ = false;
  if (config_.init_lora_weights == LoraInit::zero) return;
  for (const auto& slot : slots_)
    initialise_slot(slot, seed);
  if (score_begin_ >= 0) fill_normal(score_weight(), kScoreDeviation, dropout_stream({true, seed, 3, 0}, 0, 0));
}

void AdapterSet::initialise_slot(const ModuleSlot& slot, uint64_t seed) {
  const int module = static_cast<int>(slot.module);
  const uint64_t stream = dropout_stream({true, seed, 0, 0}, slot.layer, module);
  if (config_.init_lora_weights == LoraInit::gaussian) {
    fill_normal(a_view(slot), 1.0 / static_cast<double>(slot.r), stream);
    return;
  }
  fill_uniform(a_view(slot), 1.0 / std::sqrt(static_cast<double>(slot.in)), stream);
  if (config_.init_lora_weights != LoraInit::random) return;
  const double bound = 1.0 / std::sqrt(static_cast<double>(slot.r));
  fill_uniform(b_view(slot), bound, dropout_stream({true, seed, 1, 0}, slot.layer, module));
  if (slot.bias_begin >= 0)
    fill_uniform(bias_view(slot), bound, dropout_stream({true, seed, 2, 0}, slot.layer, module));
}

bool AdapterSet::needs_model() const {
  return config_.use_dora || config_.init_lora_weights == LoraInit::pissa || head_part_ || embedding_part_;
}

void AdapterSet::bind(std::shared_ptr<const model::Model> model) {
  const c10::NoGradGuard no_grad;
  model_ = std::move(model);
  const auto& theirs = model_->config();
  const DecoderShape other = shape_of(theirs);
  if (other.layers != shape_.layers || other.hidden != shape_.hidden || other.q_size != shape_.q_size ||
      other.kv_size != shape_.kv_size || other.ffn != shape_.ffn)
    throw ModelError("[lora] adapter must fit the model's layers, but was made for other sizes.",
                     "was this adapter trained on another base model?");
  if (config_.init_lora_weights == LoraInit::pissa) bind_pissa(fresh_);
  if (config_.use_dora) bind_dora(fresh_);
  bind_vocabulary();
  fresh_ = false;
  bound_ = true;
}

void AdapterSet::bind_pissa(bool fresh) {
  start_P_ = at::zeros_like(flat_P_);
  for (const auto& slot : slots_) {
    const auto& linear = model_->linear(slot.layer, site_of(slot.module));
    const at::Tensor w_OI = dense_rows(linear, shape_.output_offset(slot.module), slot.out);
    const auto [a, b] = pissa_directions(w_OI, slot.r, slot.scale, config_.pissa_iterations);
    start_P_.narrow(0, slot.a_begin, a.numel()).copy_(a.reshape({-1}));
    start_P_.narrow(0, slot.b_begin, b.numel()).copy_(b.reshape({-1}));
  }
  if (!fresh) return;
  const at::Tensor score_D = config_.score_head ? score_weight().clone() : at::Tensor();
  flat_P_.copy_(start_P_);
  if (score_D.defined()) score_weight().copy_(score_D);
}

void AdapterSet::bind_dora(bool fresh) {
  for (int layer = 0; layer < static_cast<int>(shape_.layers); ++layer) {
    for (int s = 0; s < model::kSites; ++s) {
      const auto at_site = static_cast<model::Site>(s);
      SiteSlots& slots = sites_[static_cast<size_t>(layer)][static_cast<size_t>(s)];
      if (slots.modules.empty()) continue;
      slots.w_squared_O = rows_squared(model_->linear(layer, at_site));
      refresh_norms(layer, at_site);
      if (!fresh) continue;
      for (const auto& slot : slots.modules)
        magnitude_view(slot).copy_(slots.norm_O.narrow(0, shape_.output_offset(slot.module), slot.out));
    }
  }
  bound_ = true;
  refresh();
}

void AdapterSet::bind_vocabulary() {
  const auto make = [](const std::optional<VocabPart>& part, const model::FrozenLinear& own) {
    const at::Tensor w_VD =
        part->replaced_VD.defined() ? part->replaced_VD : part->apply(dense_rows(own, 0, own.out_features()));
    if (w_VD.size(0) != own.out_features() || w_VD.size(1) != own.in_features())
      throw ModelError("[lora] head and embedding of the adapter must have the model's shape, but have another.",
                       "was this adapter trained on a base model with another vocabulary?");
    return model::make_frozen_f32(w_VD.contiguous(), model::GemmBackend::packed);
  };
  head_.reset();
  embedding_.reset();
  if (embedding_part_) embedding_ = make(embedding_part_, model_->embedding());
  if (head_part_) head_ = make(head_part_, model_->head());
}

void AdapterSet::refresh() {
  if (!config_.use_dora || !bound_) return;
  const c10::NoGradGuard no_grad;
  for (int layer = 0; layer < static_cast<int>(shape_.layers); ++layer)
    for (int s = 0; s < model::kSites; ++s)
      if (!site(layer, static_cast<model::Site>(s)).modules.empty()) refresh_norms(layer, static_cast<model::Site>(s));
}

/// |W + sBA|² = |W|² + 2s B·(W Aᵀ) + s² B (A Aᵀ) Bᵀ by rows: a product of rank r with W, no dense sum.
void AdapterSet::refresh_norms(int layer, model::Site at_site) {
  SiteSlots& slots = sites_[static_cast<size_t>(layer)][static_cast<size_t>(at_site)];
  const auto& linear = model_->linear(layer, at_site);
  at::Tensor wa_SO = at::empty({slots.width, linear.out_features()}, at::kFloat);
  linear.forward(site_a(flat_P_, slots), wa_SO, 0.0F);
  slots.norm_O = at::ones({linear.out_features()}, at::kFloat);
  slots.factor_O = at::ones({linear.out_features()}, at::kFloat);
  for (const auto& slot : slots.modules) {
    const int64_t offset = shape_.output_offset(slot.module);
    const at::Tensor a = a_view(slot).to(at::kDouble), b = b_view(slot).to(at::kDouble);
    const at::Tensor wa = wa_SO.narrow(0, slot.saved_begin, slot.r).narrow(1, offset, slot.out).to(at::kDouble);
    const at::Tensor squared = slots.w_squared_O.narrow(0, offset, slot.out).to(at::kDouble) +
                               (b * wa.t()).sum(1) * (2 * slot.scale) +
                               (at::mm(b, at::mm(a, a.t())) * b).sum(1) * (slot.scale * slot.scale);
    at::Tensor norm = slots.norm_O.narrow(0, offset, slot.out);
    norm.copy_(squared.clamp_min(0).sqrt());
    slots.factor_O.narrow(0, offset, slot.out).copy_(magnitude_view(slot) / norm);
  }
}

}  // namespace afina::lora
