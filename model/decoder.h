// SPDX-License-Identifier: Apache-2.0
// One decoder layer, written out: forward into given buffers, backward out of them. Used by training (packed segments)
// and by generation (KV caches), which differ only in the attention they plug in. The step is that of the Llama block:
//   x_mid = x_in + o(attention(rope(qkv(norm1(x_in))))),  x_out = x_mid + down(silu(gate) * up), gate|up =
//   gate_up(norm2(x_mid))
// with what families add: biases, an RMSNorm over each head of q and k before rope, layers without rope.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <span>

#include "model/adapter.h"
#include "model/compute.h"
#include "model/model.h"

namespace afina::model {

/// What one layer leaves for its backward pass (or, in evaluation, buffers that every layer reuses).
struct LayerBuffers {
  at::Tensor x_in_ND, x_mid_ND, x_out_ND;
  at::Tensor qkv_NC;  ///< q and k after rotary positions
  at::Tensor o_NQ, lse_HN;
  at::Tensor gate_up_NF2;
  at::Tensor rstd1_N, rstd2_N;
  at::Tensor qk_raw_NC,
      qk_rstd_NH;                 ///< q and k before their norms; only where the family has them and backward follows
  at::Tensor adapter_NS[kSites];  ///< undefined where the adapter saves nothing
};

/// Reused by all layers. norm2 may lie over h and d_norm2 over d_h, norm1 over d_o and d_norm1 over d_k: each is filled
/// only when the other was read for the last time.
struct WorkBuffers {
  at::Tensor norm1_ND, norm2_ND, h_NF;
  // backward only
  at::Tensor d_norm1_ND, d_norm2_ND, d_h_NF, d_qkv_NC, d_o_NQ;
  AttentionWork attention;
  // of sites whose frozen output an adapter rescales; grown on demand where the plan has no place for them
  at::Tensor base, scaled;
};

/// Rows [begin, end) use this adapter (null: none).
struct AdapterRun {
  int64_t begin = 0, end = 0;
  const Adapter* adapter = nullptr;
};

struct ForwardContext {
  std::span<const AdapterRun> runs;
  const PreparedBatch* batch = nullptr;
  bool keep = false;  ///< fill adapter_NS for backward
  DropoutKey dropout;
  /// Fills o_NQ (and lse_HN where it is kept) from qkv_NC; empty: Compute::attention over the batch's segments.
  std::function<void(int64_t layer, LayerBuffers& buffers)> attend;
};

/// What backward() needs besides buffers.
struct BackwardContext {
  const PreparedBatch& batch;
  const Adapter& adapter;
  DropoutKey dropout;
  at::Tensor& flat_grad_P;
};

/// Not thread-safe: it has one Compute.
class Decoder {
 public:
  explicit Decoder(const Model& model);

  Compute& compute() { return *compute_; }
  const ModelConfig& config() const { return config_; }
  /// x_in_ND -> x_out_ND.
  void forward(int64_t layer, LayerBuffers& b, WorkBuffers& w, const ForwardContext& context) const;
  /// Fills again what `what` did not keep, from the same inputs by the same operations, so to the same bits: gate_up
  /// from x_mid_ND, or everything but x_out_ND from x_in_ND.
  void recompute(Recompute what, int64_t layer, LayerBuffers& b, WorkBuffers& w, const ForwardContext& context) const;
  /// dx_ND: gradient of x_out on entry, of x_in on return (unspecified in the adapter's lowest layer, where nothing
  /// below needs it). gate_up_NF2 is overwritten.
  void backward(int64_t layer, LayerBuffers& b, WorkBuffers& w, at::Tensor& dx_ND,
                const BackwardContext& context) const;

 private:
  struct Gradient;  // what every site of one backward pass shares
  void attention_block(int64_t layer, LayerBuffers& b, WorkBuffers& w, const ForwardContext& context) const;
  void project(int64_t layer, Site site, const at::Tensor& x, at::Tensor& y, float beta, LayerBuffers& b,
               WorkBuffers& w, const ForwardContext& context) const;
  void backward_mlp(int64_t layer, LayerBuffers& b, WorkBuffers& w, at::Tensor& dx_ND, const Gradient& g) const;
  void backward_attention(int64_t layer, LayerBuffers& b, WorkBuffers& w, at::Tensor& dx_ND, const Gradient& g) const;

  const Model& model_;
  const ModelConfig& config_;
  std::unique_ptr<Compute> compute_;
};

}  // namespace afina::model
