// SPDX-License-Identifier: Apache-2.0
// Causal attention over packed segments, with an optional prefix segment that every row of a segment sees whole, and
// grouped key/value heads. A register tile of query rows against the keys that they see (exact softmax), five products
// in backward. No threads here: units are numbered, callers split the range. Results of a segment depend on its rows
// and its prefix only.
#pragma once
#include <cstdint>
#include <vector>

#include "model/kernels/cpu/table.h"

namespace afina::model::kernels {

struct AttentionSegment {
  int64_t begin = 0, length = 0, prefix_begin = 0, prefix_length = 0;
};

/// Rows of all pointers are rows of the packed batch; heads lie side by side, head_dim floats each; strides are in
/// floats.
struct Attention {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 1;                                       ///< of the scores: head_dim^-0.5
  const float *q = nullptr, *k = nullptr, *v = nullptr;  ///< after rotary positions
  int64_t qkv_stride = 0;
  float* o = nullptr;  ///< [N, heads*head_dim]
  int64_t o_stride = 0;
  float* lse = nullptr;  ///< [heads, lse_stride]: log of the sum of exp of scaled scores
  int64_t lse_stride = 0;
  const AttentionSegment* segments = nullptr;
  int64_t n_segments = 0;
};

struct AttentionGradient {
  const float* d_o = nullptr;  ///< strides as o
  float* d_q = nullptr;        ///< written; strides as q
  int64_t d_q_stride = 0;
  float *d_k = nullptr,
        *d_v = nullptr;  ///< written, one per *query* head: [N, heads*head_dim]; sum_groups() adds them up
};

/// Units go head by head over all segments, so that contiguous parts cost the same however lengths are mixed.
int64_t attention_forward_units(const Attention& a);
void attention_forward(const Attention& a, int64_t begin, int64_t end);

/// Segments that share keys: a root and the segments whose prefix it is.
using Families = std::vector<std::vector<int64_t>>;
Families attention_families(const AttentionSegment* segments, int64_t n);
int64_t attention_backward_units(const Attention& a, const Families& families);
void attention_backward(const Attention& a, const Families& families, const AttentionGradient& g, int64_t begin,
                        int64_t end);
/// d_kv[row, group] = sum over the group's query heads of per_head[row, head], rows [begin, end).
void sum_groups(const Attention& a, const float* per_head, float* d_kv, int64_t d_kv_stride, int64_t begin,
                int64_t end);

/// One query head against n cached keys and values (rows of kv_stride floats). weights: n floats of work space.
void attend_one(const float* q, const float* k, const float* v, int64_t kv_stride, int64_t n, int64_t head_dim,
                float scale, float* weights, float* o);

}  // namespace afina::model::kernels
