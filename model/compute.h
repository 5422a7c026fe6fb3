// SPDX-License-Identifier: Apache-2.0
// Everything that the decoder and the loss head do to whole matrices besides products with frozen weights
// (FrozenLinear) and adapters (Adapter): the row loops, attention and the loss over a chunk of logits, for one device.
// cpu_compute.h is the processor's. All tensors are fp32 on that device with unit stride in their last dimension; they
// may be views with a row stride. Shapes by the legend in shapes.h. No call allocates memory that grows with the batch,
// but allocate() and prepare().
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <span>

#include "model/adapter.h"
#include "model/target_index.h"
#include "model/training_model.h"

namespace afina::model {

struct ModelConfig;

/// Where one forward pass stands: what prepare() is given. Segments as datasets::Segment describes them; rows outside
/// all segments are left alone by attention (generation: rows that look into a cache). targets may be empty.
struct BatchLayout {
  std::span<const int> positions;  ///< one a row
  std::span<const datasets::Segment> segments;
  std::span<const datasets::Target> targets;
};

/// One batch as the device wants it (positions, segments, target rows and the results of the loss), made once a forward
/// pass. It owns what it needs: the layout it was made from may die.
class PreparedBatch {
 public:
  PreparedBatch() = default;
  PreparedBatch(const PreparedBatch&) = delete;
  PreparedBatch& operator=(const PreparedBatch&) = delete;
  virtual ~PreparedBatch() = default;
  int64_t rows = 0;
  TargetIndex index;  ///< on the host
};

/// RMSNorm over each head of q and k: both defined, or neither.
struct HeadNorms {
  at::Tensor q_norm_K, k_norm_K;
};

/// What head_statistics() is to find besides log-probabilities and argmax.
struct HeadWork {
  HeadSum sum = HeadSum::wide;
  bool keep = false;  ///< leave exp(z − max z) in the logits and 1 / Σ exp(z − max z) in scale_R, for the gradient
  bool entropy = false;
  bool sum_p2 = false;
};

/// Buffers of attention_backward(), of which a device uses what it needs: gradients of keys and values, one a *query*
/// head.
struct AttentionWork {
  at::Tensor d_k_NQ, d_v_NQ;
};

/// Not thread-safe: one object a decoder. On a device with a queue, calls return before the work is done; read_stats()
/// waits for it.
class Compute {
 public:
  Compute() = default;
  Compute(const Compute&) = delete;
  Compute& operator=(const Compute&) = delete;
  virtual ~Compute() = default;

  /// Floats on the device, undefined, at least 64-byte aligned. Freed with the tensor.
  virtual at::Tensor allocate(int64_t floats) = 0;
  /// Bytes of tables that live as long as this object (rotary positions).
  virtual int64_t table_bytes() const = 0;
  virtual std::unique_ptr<PreparedBatch> prepare(const BatchLayout& layout) = 0;

  /// to = from.
  virtual void copy(const at::Tensor& from_ND, at::Tensor& to_ND) = 0;
  /// y += bias, each row.
  virtual void add_bias(const at::Tensor& bias_O, at::Tensor& y_NO) = 0;
  /// y = x · rstd · w with rstd = 1/√(mean x² + rms_eps), which is filled. y may be x.
  virtual void rms_norm(const at::Tensor& x_ND, const at::Tensor& w_D, at::Tensor& y_ND, at::Tensor& rstd_N) = 0;
  /// The same y again from a known rstd.
  virtual void rms_apply(const at::Tensor& x_ND, const at::Tensor& w_D, const at::Tensor& rstd_N, at::Tensor& y_ND) = 0;
  /// dx += rstd · (w·dy − x · rstd² · mean(w·dy·x)).
  virtual void rms_backward(const at::Tensor& dy_ND, const at::Tensor& x_ND, const at::Tensor& w_D,
                            const at::Tensor& rstd_N, at::Tensor& dx_ND) = 0;
  /// h = silu(gate) · up.
  virtual void swiglu(const at::Tensor& gate_up_NF2, at::Tensor& h_NF) = 0;
  /// gate and up are overwritten with their gradients.
  virtual void swiglu_backward(const at::Tensor& d_h_NF, at::Tensor& gate_up_NF2) = 0;
  /// q and k of every row, in place: normalised where norms are defined, then rotated to the row's position where the
  /// layer rotates. raw_NC [N, (H + G)·K] and rstd_NH [N, H + G] keep q, k and 1/rms from before the norms where they
  /// are defined.
  virtual void place_heads(const PreparedBatch& batch, const HeadNorms& norms, bool rotates, at::Tensor& qkv_NC,
                           at::Tensor& raw_NC, at::Tensor& rstd_NH) = 0;
  /// The gradient of placed q and k, in place, to that of what the projection gave.
  virtual void unplace_heads(const PreparedBatch& batch, const HeadNorms& norms, bool rotates, const at::Tensor& raw_NC,
                             const at::Tensor& rstd_NH, at::Tensor& d_qkv_NC) = 0;
  /// o = softmax(q kᵀ / √K) v over the batch's segments and their prefixes; lse [H, N]: log of the sum of exp of the
  /// scaled scores.
  virtual void attention(const PreparedBatch& batch, const at::Tensor& qkv_NC, at::Tensor& o_NQ,
                         at::Tensor& lse_HN) = 0;
  /// d_qkv is written whole: d_q, and d_k and d_v summed over the query heads of each group.
  virtual void attention_backward(const PreparedBatch& batch, const at::Tensor& qkv_NC, const at::Tensor& o_NQ,
                                  const at::Tensor& lse_HN, const at::Tensor& d_o_NQ, AttentionWork& work,
                                  at::Tensor& d_qkv_NC) = 0;
  /// NEFTune (arXiv:2310.05914): x += U(−1, 1) · alpha / √(length · D) with the length of the row's segment. Element d
  /// of row i is a function of the key and i·D + d only (counter_random.h).
  virtual void add_noise(const PreparedBatch& batch, double alpha, const DropoutKey& key, at::Tensor& x_ND) = 0;

  /// The loss head works on distinct target rows [first, first + m) of batch.index, m = rows of the matrices given.
  /// y = norm(x) at those rows; entries [first, first + m) of rstd_R are filled.
  virtual void norm_target_rows(const PreparedBatch& batch, int64_t first, const at::Tensor& x_ND,
                                const at::Tensor& w_D, at::Tensor& y_MD, at::Tensor& rstd_R) = 0;
  /// Log-probability of every target of those rows, and what `work` asks for, into the batch's results.
  virtual void head_statistics(PreparedBatch& batch, int64_t first, const HeadWork& work, at::Tensor& logits_MV,
                               at::Tensor& scale_R) = 0;
  /// y[i] *= factor[i], each row.
  virtual void scale_rows(const at::Tensor& factor_M, at::Tensor& y_MD) = 0;
  /// Results of all chunks, in the order of PackedBatch::targets.
  virtual TokenStats read_stats(PreparedBatch& batch, const HeadWork& work) = 0;
  /// The loss's derivatives, one a target in the order of PackedBatch::targets, for head_gradient().
  virtual void set_derivatives(PreparedBatch& batch, std::span<const double> dloss_dlogp) = 0;
  /// Of those rows: with d_y = Σ over the row's targets of dloss_dlogp · (w_y − kept), adds the gradient through the
  /// final norm to dx at the row. w_y: W[token] of the rows' targets, in the order of batch.index, overwritten; kept:
  /// softmax · W.
  virtual void head_gradient(const PreparedBatch& batch, int64_t first, at::Tensor& w_y_TD, const at::Tensor& kept_MD,
                             const at::Tensor& x_ND, const at::Tensor& w_D, const at::Tensor& rstd_R,
                             at::Tensor& dx_ND) = 0;
  /// Reward head: s = score · y for each of those rows; every target of a row gets it as its result.
  virtual void score_rows(PreparedBatch& batch, int64_t first, const at::Tensor& score_D, const at::Tensor& y_MD) = 0;
  /// d_score += Σ d · y over the rows, dx += gradient of d · score through the final norm, where d is the sum of the
  /// row's derivatives. y_MD is overwritten.
  virtual void score_gradient(const PreparedBatch& batch, int64_t first, const at::Tensor& score_D, at::Tensor& y_MD,
                              const at::Tensor& x_ND, const at::Tensor& w_D, const at::Tensor& rstd_R,
                              at::Tensor& d_score_D, at::Tensor& dx_ND) = 0;
};

/// For the device that the model's weights lie on.
std::unique_ptr<Compute> make_compute(const ModelConfig& config, at::Device device);

}  // namespace afina::model
