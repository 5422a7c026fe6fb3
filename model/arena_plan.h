// SPDX-License-Identifier: Apache-2.0
// Where every buffer of a forward and backward pass lies in the one block of activations, computed before anything is
// allocated: the memory plan of a run reads the same numbers that the engine then uses. No LibTorch in this header.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

namespace afina::model {

class Adapter;
struct ModelConfig;
enum class Recompute;

/// A matrix of floats in the block; at: its first float, −1: not there.
struct Extent {
  int64_t at = -1, rows = 0, columns = 0;
  bool there() const { return at >= 0; }
};

/// What decides the plan.
struct ArenaRequest {
  int64_t rows = 0;         ///< of the packed batch
  int64_t target_rows = 0;  ///< distinct rows with targets
  int64_t positions = 0;    ///< greatest position + 1: the longest example, tokens
  bool keep = true;         ///< backward follows; false: evaluation
  int64_t head_chunk_rows = 256;
  bool reward_head = false;  ///< a score in place of the vocabulary
  bool rescales = false;     ///< DoRA
  int64_t most_targets_of_a_row = 1;
  int64_t first_layer = 0;  ///< lowest layer with an adapter: nothing is kept below
  /// Columns that the adapter saves, a layer and site (Adapter::saved_width): empty = none.
  std::vector<std::array<int64_t, 4>> adapter_widths;
  Recompute recompute{};
  int64_t recompute_layers = -1;  ///< layers [0, this) are recomputed; -1: all

  bool operator==(const ArenaRequest&) const = default;
};

/// Buffers of one layer (LayerBuffers in decoder.h has what they hold).
struct LayerExtents {
  Extent x_in, x_mid, x_out, qkv, o, lse, gate_up, rstd1, rstd2, qk_raw, qk_rstd;
  std::array<Extent, 4> adapter;
};

/// Bytes by class. work and head are never needed at one time and share their place: the block holds the larger.
struct ArenaBytes {
  int64_t activations = 0;  ///< kept from forward to backward, and the gradient of the residual stream
  int64_t work = 0;         ///< buffers that layers reuse, and those of recomputed layers
  int64_t head_chunk = 0;   ///< logits and norms of one chunk of target rows
  int64_t head_kept = 0;    ///< softmax · W, one row a target row
  int64_t rope = 0;         ///< tables of rotary positions, beside the block
  int64_t total() const { return activations + (work > head() ? work : head()) + rope; }
  int64_t head() const { return head_chunk + head_kept; }
};

struct ArenaPlan {
  std::vector<LayerExtents> layers;
  Extent norm1, norm2, h, d_norm1, d_norm2, d_h, d_qkv, d_o, d_k, d_v, base, scaled, dx;
  Extent logits, head_norm, head_kept, head_rstd, head_scale, d_score;
  int64_t w_y = -1;  ///< floats for W[token] of targets in backward, from `logits` on
  int64_t floats = 0;
  ArenaBytes bytes;
};

/// Fills what the request says of the adapter: widths, lowest layer, DoRA, reward head.
void describe_adapter(const ModelConfig& config, const Adapter& adapter, ArenaRequest& request);
/// The mode of one layer under a request.
Recompute recompute_of(const ArenaRequest& request, int64_t layer);
ArenaPlan plan_arena(const ModelConfig& config, const ArenaRequest& request);

}  // namespace afina::model
