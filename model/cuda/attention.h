// SPDX-License-Identifier: Apache-2.0
// Attention over packed segments on the GPU, the only file pair that calls ATen's attention. Queries stay as they are
// packed; keys and values are gathered so that each segment's prefix stands before its own rows ([P, C][P, R]), and one
// variable-length call with causal masks aligned at the bottom right gives each row its prefix whole and its own past.
// Two ways: FlashAttention 2 (arXiv:2307.08691) in bf16, and plain products in fp32 for parity.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "datasets/batch/packed_batch.h"
#include "model/config.h"

namespace afina::model::cuda {

/// Of one batch, on the device.
struct AttentionPlan {
  std::vector<datasets::Segment> segments;
  at::Tensor q_rows, kv_rows;  ///< int32: rows of the batch in the order of the calls
  at::Tensor cu_q, cu_k;       ///< int32 [segments + 1]
  int64_t longest_q = 0, longest_k = 0;
  /// Places in kv_rows and the rows they came from, in rounds in which no row occurs twice: gradients of a prefix that
  /// several segments use are added in one order.
  struct Round {
    at::Tensor from, to;
    int64_t n = 0;
  };
  std::vector<Round> rounds;
};

AttentionPlan plan_attention(std::span<const datasets::Segment> segments, at::Device device);

enum class AttentionWay { flash_bf16, exact_f32 };

/// o [N, Q] and lse [H, N] of the rows in segments; qkv fp32 [N, C].
void attention_forward(const AttentionPlan& plan, const ModelConfig& config, AttentionWay way, const at::Tensor& qkv_NC,
                       at::Tensor& o_NQ, at::Tensor& lse_HN);
/// d_qkv is written whole.
void attention_backward(const AttentionPlan& plan, const ModelConfig& config, AttentionWay way,
                        const at::Tensor& qkv_NC, const at::Tensor& o_NQ, const at::Tensor& lse_HN,
                        const at::Tensor& d_o_NQ, at::Tensor& d_qkv_NC);

}  // namespace afina::model::cuda
