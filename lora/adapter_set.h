// SPDX-License-Identifier: Apache-2.0
// A LoRA adapter over a whole decoder: one flat fp32 buffer of parameters with a view for each A and B, so that the
// optimiser, the checkpoint and the norm see one tensor. Implements model::Adapter.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <string>
#include <vector>

#include "lora/config.h"
#include "model/adapter.h"

namespace afina::lora {

/// Where one module of one layer lies in the flat buffer. A is [r, in] and B is [out, r], both row-major.
struct ModuleSlot {
  int layer = 0;
  Module module = Module::q_proj;
  int64_t a_begin = 0, b_begin = 0;  ///< first element in the flat buffer
  int64_t in = 0, out = 0, r = 0;
  int64_t saved_begin = 0;  ///< first column within the site's saved xA
};

/// Forward, backward and evaluation are const and may run from any thread; writing to flat_parameters() meanwhile is
/// not allowed.
class AdapterSet final : public model::Adapter {
 public:
  /// All zeros: call initialise() or load. Throws UsageError for a config that resolve_targets refuses.
  AdapterSet(const DecoderShape& shape, LoraConfig config);

  /// PEFT's default: A ~ U(−1/√in, 1/√in) (Kaiming, a = √5), B = 0. The same seed gives the same adapter on every
  /// machine.
  void initialise(uint64_t seed);

  const LoraConfig& config() const { return config_; }
  const DecoderShape& shape() const { return shape_; }
  const std::vector<ModuleSlot>& slots() const { return slots_; }
  /// fp32 [P], contiguous.
  at::Tensor& flat_parameters() { return flat_P_; }
  const at::Tensor& flat_parameters() const { return flat_P_; }
  int64_t parameter_count() const { return parameter_count_; }
  at::Tensor a_view(const ModuleSlot& slot) const;  ///< [r, in], shares memory
  at::Tensor b_view(const ModuleSlot& slot) const;  ///< [out, r], shares memory

  int64_t saved_width(int layer, model::Site site) const override;
  void add_forward(int layer, model::Site site, const at::Tensor& x_NI, at::Tensor& y_NO, at::Tensor* saved_NS,
                   const model::DropoutKey& dropout, const at::Tensor* base_NO) const override;
  void backward(int layer, model::Site site, const at::Tensor& x_NI, const at::Tensor& dy_NO,
                const at::Tensor& saved_NS, at::Tensor* dx_NI, at::Tensor& flat_grad_P,
                const model::DropoutKey& dropout, const at::Tensor* base_NO) const override;
  int first_layer() const override { return 0; }

 private:
  // The modules of one site share one A block [S, in], so that one thin product serves them when there is no dropout.
  struct SiteSlots {
    std::vector<ModuleSlot> modules;
    int64_t width = 0, a_begin = 0, in = 0;
  };
  const SiteSlots& site(int layer, model::Site site) const;
  at::Tensor site_a(const at::Tensor& flat, const SiteSlots& site) const;
  bool drops(const model::DropoutKey& dropout) const { return dropout.enabled && config_.lora_dropout > 0.0; }

  DecoderShape shape_;
  LoraConfig config_;
  std::vector<ModuleSlot> slots_;
  std::vector<std::array<SiteSlots, model::kSites>> sites_;
  int64_t parameter_count_ = 0;
  at::Tensor flat_P_;
};

}  // namespace afina::lora
