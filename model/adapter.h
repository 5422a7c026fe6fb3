// SPDX-License-Identifier: Apache-2.0
// What the decoder needs to know of an adapter. The model owns this interface and never includes lora/, which
// implements it. A decoder layer has four sites: fused frozen projections whose outputs lie side by side.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace afina::model {

class FrozenLinear;

/// qkv: x -> [q | k | v]; o: attention output -> hidden; gate_up: x -> [gate | up]; down: ffn -> hidden.
enum class Site { qkv = 0, o = 1, gate_up = 2, down = 3 };
inline constexpr int kSites = 4;

/// Identifies one forward pass for counter-based dropout masks: the same key gives the same mask in forward, in
/// backward and after a resume. enabled = false (evaluation, reference, generation): no dropout.
struct DropoutKey {
  bool enabled = false;
  uint64_t seed = 0;
  uint64_t step = 0;
  uint64_t micro_batch = 0;
};

/// Adds low-rank (or other) deltas to the outputs of frozen projections. Immutable during forward and backward, so any
/// number of threads may call forward at once; shapes: N rows, I input features, O output features of the whole site,
/// fp32.
class Adapter {
 public:
  Adapter() = default;
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;
  virtual ~Adapter() = default;

  /// Columns of the tensor that add_forward fills for backward at this site (Σ r of its adapted outputs); 0: nothing
  /// adapted here.
  virtual int64_t saved_width(int layer, Site site) const = 0;
  /// y_NO += delta(x_NI). y_NO holds the frozen output (and what it was added to) and may be a view with a row stride.
  /// saved_NS [N, saved_width], or null where no backward follows. base_NO: the frozen output alone, without bias; null
  /// unless rescales_base().
  virtual void add_forward(int layer, Site site, const at::Tensor& x_NI, at::Tensor& y_NO, at::Tensor* saved_NS,
                           const DropoutKey& dropout, const at::Tensor* base_NO) const = 0;
  /// Adds this site's parameter gradients to flat_grad_P (fp32, the layout of flat parameters) and, where dx_NI is not
  /// null, dx_NI += d delta / dx (of rescaled sites: of what base_scale() does not already carry). dy_NO is the
  /// gradient of the site's whole output; base_NO as in add_forward.
  virtual void backward(int layer, Site site, const at::Tensor& x_NI, const at::Tensor& dy_NO,
                        const at::Tensor& saved_NS, at::Tensor* dx_NI, at::Tensor& flat_grad_P,
                        const DropoutKey& dropout, const at::Tensor* base_NO) const = 0;
  /// The lowest layer with an adapted site; backward stops there.
  virtual int first_layer() const = 0;

  /// True where the delta depends on the frozen output itself (DoRA, arXiv:2402.09353): the decoder then gives base_NO.
  virtual bool rescales_base(int /*layer*/, Site /*site*/) const { return false; }
  /// Of a rescaled site: factors g_O with y = g_O * (frozen output without bias) + bias + low-rank part. The decoder
  /// sends g_O * dy_NO, not dy_NO, through the frozen weight.
  virtual at::Tensor base_scale(int /*layer*/, Site /*site*/) const { return {}; }
  /// Replaces the model's output head [V, D] or embedding [V, D] (modules_to_save, LoRA on them); null: the model's
  /// own.
  virtual const FrozenLinear* head() const { return nullptr; }
  virtual const FrozenLinear* embedding() const { return nullptr; }
  /// Of a reward model: its trained head [D] (transformers' `score`, without bias). The value of a target is then
  /// score · norm(x) at its row in place of a log-probability; undefined: a language model.
  virtual at::Tensor score_weight() const { return {}; }
  /// Adds the gradient [D] of score_weight() to its place in flat_grad_P.
  virtual void add_score_gradient(const at::Tensor& /*d_score_D*/, at::Tensor& /*flat_grad_P*/) const {}
};

}  // namespace afina::model
