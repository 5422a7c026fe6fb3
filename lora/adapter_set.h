// SPDX-License-Identifier: Apache-2.0
// A LoRA adapter over a whole decoder: one flat fp32 buffer of parameters with a view for each A and B (and bias and
// DoRA magnitude), so that the optimiser, the checkpoint and the norm see one tensor. Implements model::Adapter.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lora/config.h"
#include "lora/vocab_part.h"
#include "model/adapter.h"
#include "model/model.h"

namespace afina::lora {

/// Where one module of one layer lies in the flat buffer. A is [r, in] and B is [out, r], both row-major.
struct ModuleSlot {
  int layer = 0;
  Module module = Module::q_proj;
  int64_t a_begin = 0, b_begin = 0;  ///< first element in the flat buffer
  int64_t in = 0, out = 0, r = 0;
  int64_t saved_begin = 0;       ///< first column within the site's saved xA
  double alpha = 0, scale = 0;   ///< its own, by the patterns
  int64_t bias_begin = -1;       ///< lora_bias: [out]; -1: none
  int64_t magnitude_begin = -1;  ///< DoRA: [out]; -1: none
};

/// Forward, backward and evaluation are const and may run from any thread; writing to flat_parameters(), bind() and
/// refresh() meanwhile are not allowed.
class AdapterSet final : public model::Adapter {
 public:
  /// All zeros: call initialise() or load. Throws UsageError for a config that find_targets refuses.
  AdapterSet(const DecoderShape& shape, LoraConfig config, UnmatchedNames unmatched = UnmatchedNames::refuse);
  ~AdapterSet() override;

  /// A fresh adapter by init_lora_weights (LoraInit). The same seed gives the same adapter on every machine. DoRA's
  /// magnitudes and PiSSA's directions come with bind(), which must follow where needs_model().
  void initialise(uint64_t seed);

  /// Whether bind() must come before forward: DoRA, PiSSA, parts of head or embedding.
  bool needs_model() const;
  /// Takes from the model what the numbers refer to: DoRA's row norms, PiSSA's starting point, the head and embedding
  /// to replace. Throws ModelError where shapes do not fit.
  void bind(std::shared_ptr<const model::Model> model);
  /// Recomputes what DoRA derives from the parameters (|W + scale BA| by rows, a product of rank r with W). Call after
  /// parameters changed, before forward; nothing to do for other adapters.
  void refresh();
  /// Keeps a copy of the numbers on `device`, where forward and backward then work; flat_parameters() stays on the
  /// host. The gradient given to backward() lies on that device. Throws ModelError for DoRA, PiSSA and parts of head or
  /// embedding, which work on the CPU only.
  void place(at::Device device);
  /// Brings the copy up to date with flat_parameters(); nothing to do where place() was not called.
  void upload();
  /// Why this adapter cannot be trained (with what to do), or "".
  std::string untrainable() const;
  /// The same adapter as plain LoRA on the unchanged base: PiSSA's BA − B₀A₀ becomes rank 2r, as PEFT converts it; null
  /// where it is plain already.
  std::unique_ptr<AdapterSet> plain() const;

  const LoraConfig& config() const { return config_; }
  const DecoderShape& shape() const { return shape_; }
  const std::vector<ModuleSlot>& slots() const { return slots_; }
  /// The adapted modules of the layers, each once, in Module's order.
  std::vector<Module> modules() const;
  /// fp32 [P], contiguous.
  at::Tensor& flat_parameters() { return flat_P_; }
  const at::Tensor& flat_parameters() const { return flat_P_; }
  int64_t parameter_count() const { return parameter_count_; }
  at::Tensor a_view(const ModuleSlot& slot) const;          ///< [r, in], shares memory
  at::Tensor b_view(const ModuleSlot& slot) const;          ///< [out, r], shares memory
  at::Tensor bias_view(const ModuleSlot& slot) const;       ///< [out], shares memory; undefined without lora_bias
  at::Tensor magnitude_view(const ModuleSlot& slot) const;  ///< [out], shares memory; undefined without DoRA
  /// "layers.3.mlp.up_proj.lora_A" or "score" of an entry of the flat buffer, for messages.
  std::string parameter_name(int64_t index) const;

  const std::optional<VocabPart>& head_part() const { return head_part_; }
  const std::optional<VocabPart>& embedding_part() const { return embedding_part_; }
  void set_head_part(VocabPart part) { head_part_ = std::move(part); }
  void set_embedding_part(VocabPart part) { embedding_part_ = std::move(part); }

  int64_t saved_width(int layer, model::Site site) const override;
  void add_forward(int layer, model::Site site, const at::Tensor& x_NI, at::Tensor& y_NO, at::Tensor* saved_NS,
                   const model::DropoutKey& dropout, const at::Tensor* base_NO) const override;
  void backward(int layer, model::Site site, const at::Tensor& x_NI, const at::Tensor& dy_NO,
                const at::Tensor& saved_NS, at::Tensor* dx_NI, at::Tensor& flat_grad_P,
                const model::DropoutKey& dropout, const at::Tensor* base_NO) const override;
  int first_layer() const override;
  bool rescales_base(int layer, model::Site site) const override;
  at::Tensor base_scale(int layer, model::Site site) const override;
  /// Shares memory with the end of flat_parameters(); undefined without score_head.
  at::Tensor score_weight() const override;
  void add_score_gradient(const at::Tensor& d_score_D, at::Tensor& flat_grad_P) const override;
  const model::FrozenLinear* head() const override { return head_.get(); }
  const model::FrozenLinear* embedding() const override { return embedding_.get(); }

 private:
  // The modules of one site share one A block [S, in], so that one thin product serves them when there is no dropout.
  struct SiteSlots {
    std::vector<ModuleSlot> modules;
    int64_t width = 0, a_begin = 0, in = 0;
    at::Tensor w_squared_O, norm_O, factor_O;  // DoRA, of the whole site: |W|² by rows, |W + sBA|, m/norm (1 elsewhere)
  };
  void lay_out(const std::vector<Target>& targets);
  void lay_out_site(SiteSlots& site, const std::vector<Target>& targets, size_t begin, size_t end);
  void initialise_slot(const ModuleSlot& slot, uint64_t seed);
  void bind_dora(bool fresh);
  void bind_pissa(bool fresh);
  void bind_vocabulary();
  void refresh_norms(int layer, model::Site site);
  const SiteSlots& site(int layer, model::Site site) const;
  at::Tensor site_a(const at::Tensor& flat, const SiteSlots& site) const;
  /// What forward and backward read: the copy on the device where there is one.
  const at::Tensor& working_P() const { return placed_P_.defined() ? placed_P_ : flat_P_; }
  bool drops(const model::DropoutKey& dropout) const { return dropout.enabled && config_.lora_dropout > 0.0; }
  void add_low_rank(const SiteSlots& slots, const at::Tensor& xa_NS, const at::Tensor& flat, double sign,
                    const at::Tensor* base_NO, at::Tensor& y_NO) const;
  void backward_magnitude(const SiteSlots& slots, const ModuleSlot& slot, const at::Tensor& dy, const at::Tensor& xa,
                          const at::Tensor& base, at::Tensor& flat_grad_P) const;

  DecoderShape shape_;
  LoraConfig config_;
  std::vector<ModuleSlot> slots_;
  std::vector<std::array<SiteSlots, model::kSites>> sites_;
  int64_t parameter_count_ = 0;
  int64_t score_begin_ = -1;  // score_head: [hidden], after all modules; -1: none
  at::Tensor flat_P_;
  at::Tensor placed_P_;  // place(): the same numbers where the work is done; else undefined
  at::Tensor start_P_;   // PiSSA: the point that training started from, subtracted; else undefined
  std::optional<VocabPart> head_part_, embedding_part_;
  std::unique_ptr<model::FrozenLinear> head_, embedding_;
  std::shared_ptr<const model::Model> model_;
  bool fresh_ = false, bound_ = false;
};

}  // namespace afina::lora
