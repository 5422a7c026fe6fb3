// SPDX-License-Identifier: Apache-2.0
// Compute on the processor: rows split over the process's compute threads, each row by the kernels of kernels/cpu.
// Results do not depend on the number of threads.
#pragma once
#include <vector>

#include "model/compute.h"
#include "model/config.h"
#include "model/kernels/cpu/attention.h"
#include "model/rope_table.h"

namespace afina::model {

struct CpuBatch final : PreparedBatch {
  std::vector<int> positions;
  std::vector<kernels::AttentionSegment> segments;
  kernels::Families families;
  TokenStats stats;
  std::vector<double> derivatives;
};

class CpuCompute final : public Compute {
 public:
  explicit CpuCompute(const ModelConfig& config);

  at::Tensor allocate(int64_t floats) override;
  int64_t table_bytes() const override { return rope_.bytes(); }
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
  kernels::Attention view(const CpuBatch& batch, const at::Tensor& qkv_NC, const at::Tensor& o_NQ,
                          const at::Tensor& lse_HN) const;

  ModelConfig config_;
  float eps_;
  RopeTable rope_;
};

}  // namespace afina::model
