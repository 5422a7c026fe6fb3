// SPDX-License-Identifier: Apache-2.0
// Compute on an NVIDIA GPU: the kernels of model/kernels/cuda on fp32 activations, attention in attention.h. Everything
// is queued on the current stream; read_stats() is the one place that waits.
#pragma once
#include "model/compute.h"
#include "model/config.h"
#include "model/cuda/attention.h"
#include "model/kernels/cuda/kernels.h"
#include "model/rope_table.h"

namespace afina::model::cuda {

/// Targets are sorted by row, as in index; results and derivatives too, until read_stats() puts them in order.
struct CudaBatch final : PreparedBatch {
  std::vector<datasets::Segment> segments;
  AttentionPlan plan;
  at::Tensor positions_N;              ///< int32
  at::Tensor row_R, begin_R, token_M;  ///< int32, of index
  at::Tensor logp_M, entropy_M, p2_M;  ///< fp64
  at::Tensor correct_M;                ///< uint8
  at::Tensor derivative_M;             ///< fp64
};

class CudaCompute final : public Compute {
 public:
  CudaCompute(const ModelConfig& config, at::Device device);

  at::Tensor allocate(int64_t floats) override;
  int64_t table_bytes() const override;
  std::unique_ptr<PreparedBatch> prepare(const BatchLayout& layout) override;

  void copy(const at::Tensor& from_ND, at::Tensor& to_ND) override;
  void add_bias(const at::Tensor& bias_O, at::Tensor& y_NO) override;
  void rms_norm(const at::Tensor& x_ND, const at::Tensor& w_D, at::Tensor& y_ND, at::Tensor& rstd_N) override;
  void rms_apply(const at::Tensor& x_ND, const at::Tensor& w_D, const at::Tensor& rstd_N, at::Tensor& y_ND) override;
  void rms_backward(const at::Tensor& dy_ND, const at::Tensor& x_ND, const at::Tensor& w_D, const at::Tensor& rstd_N,
                    at::Tensor& dx_ND) override;
  void swiglu(const at::Tensor& gate_up_NF2, at::Tensor& h_NF) override;
  void swiglu_backward(const at::Tensor& d_h_NF, at::Tensor& gate_up_NF2) override;
  void place_heads(const PreparedBatch& batch, const HeadNorms& norms, bool rotates, at::Tensor& qkv_NC,
                   at::Tensor& raw_NC, at::Tensor& rstd_NH) override;
  void unplace_heads(const PreparedBatch& batch, const HeadNorms& norms, bool rotates, const at::Tensor& raw_NC,
                     const at::Tensor& rstd_NH, at::Tensor& d_qkv_NC) override;
  void attention(const PreparedBatch& batch, const at::Tensor& qkv_NC, at::Tensor& o_NQ, at::Tensor& lse_HN) override;
  void attention_backward(const PreparedBatch& batch, const at::Tensor& qkv_NC, const at::Tensor& o_NQ,
                          const at::Tensor& lse_HN, const at::Tensor& d_o_NQ, AttentionWork& work,
                          at::Tensor& d_qkv_NC) override;
  void add_noise(const PreparedBatch& batch, double alpha, const DropoutKey& key, at::Tensor& x_ND) override;

  void norm_target_rows(const PreparedBatch& batch, int64_t first, const at::Tensor& x_ND, const at::Tensor& w_D,
                        at::Tensor& y_MD, at::Tensor& rstd_R) override;
  void head_statistics(PreparedBatch& batch, int64_t first, const HeadWork& work, at::Tensor& logits_MV,
                       at::Tensor& scale_R) override;
  void scale_rows(const at::Tensor& factor_M, at::Tensor& y_MD) override;
  TokenStats read_stats(PreparedBatch& batch, const HeadWork& work) override;
  void set_derivatives(PreparedBatch& batch, std::span<const double> dloss_dlogp) override;
  void head_gradient(const PreparedBatch& batch, int64_t first, at::Tensor& w_y_TD, const at::Tensor& kept_MD,
                     const at::Tensor& x_ND, const at::Tensor& w_D, const at::Tensor& rstd_R,
                     at::Tensor& dx_ND) override;
  void score_rows(PreparedBatch& batch, int64_t first, const at::Tensor& score_D, const at::Tensor& y_MD) override;
  void score_gradient(const PreparedBatch& batch, int64_t first, const at::Tensor& score_D, at::Tensor& y_MD,
                      const at::Tensor& x_ND, const at::Tensor& w_D, const at::Tensor& rstd_R, at::Tensor& d_score_D,
                      at::Tensor& dx_ND) override;

 private:
  Heads<float> heads(const CudaBatch& batch, const HeadNorms& norms, bool rotates, const at::Tensor& qkv_NC) const;
  at::Tensor floats(at::IntArrayRef shape) const;
  /// Sum over each row's targets of its derivatives, fp32 [rows].
  at::Tensor row_derivatives(const CudaBatch& batch, int64_t first, int64_t rows) const;

  ModelConfig config_;
  at::Device device_;
  float eps_;
  AttentionWay way_;
  RopeTable rope_;
  int64_t rope_rows_ = 0;
  at::Tensor cosines_, sines_;
};

}  // namespace afina::model::cuda
