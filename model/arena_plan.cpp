// SPDX-License-Identifier: Apache-2.0
#include "model/arena_plan.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "model/adapter.h"
#include "model/config.h"
#include "model/rope_table.h"
#include "model/training_model.h"

namespace afina::model {
namespace {

/// Hands out places one after the other, each on a cache line.
class Places {
 public:
  explicit Places(int64_t begin) : at_(begin) {}
  Extent take(int64_t rows, int64_t columns) {
    const Extent out{at_, rows, columns};
    at_ += (rows * columns + 15) / 16 * 16;
    return out;
  }
  /// Two buffers of which the second is filled only after the first is no longer read.
  std::pair<Extent, Extent> take_in_turn(int64_t rows, int64_t columns, int64_t later_columns) {
    const Extent first = take(rows, std::max(columns, later_columns));
    return {{first.at, rows, columns}, {first.at, rows, later_columns}};
  }
  int64_t at() const { return at_; }

 private:
  int64_t at_;
};

int64_t width_of(const ArenaRequest& r, int64_t layer, int site) {
  if (!r.keep || r.adapter_widths.empty()) return 0;
  return r.adapter_widths[static_cast<size_t>(layer)][static_cast<size_t>(site)];
}

bool kept(const ArenaRequest& r, int64_t layer) {
  return r.keep && layer >= r.first_layer;
}

/// How many of a layer's buffers are its own, from the fewest: none below the lowest adapter and in evaluation.
enum class Own { nothing, input, all_but_gate_up, everything };
Own own_buffers(const ArenaRequest& r, int64_t layer) {
  if (!kept(r, layer)) return Own::nothing;
  switch (recompute_of(r, layer)) {
    case Recompute::layer:
      return Own::input;
    case Recompute::gate_up:
      return Own::all_but_gate_up;
    case Recompute::none:
      break;
  }
  return Own::everything;
}

/// What a layer leaves for its backward pass, but its input, its output and gate|up.
void take_inner(Places& places, const ModelConfig& c, int64_t n, bool raw, LayerExtents& b) {
  b.qkv = places.take(n, c.qkv_width());
  b.o = places.take(n, c.q_width());
  b.lse = places.take(c.heads, n);
  b.x_mid = places.take(n, c.hidden);
  b.rstd1 = places.take(n, 1);
  b.rstd2 = places.take(n, 1);
  if (!raw) return;
  b.qk_raw = places.take(n, c.q_width() + c.kv_width());
  b.qk_rstd = places.take(n, c.heads + c.kv_heads);
}

struct Needs {
  bool inner = false, gate_up = false, raw = false;
  std::array<int64_t, kSites> adapter{};  // columns
};

/// What layers without buffers of their own borrow.
Needs shared_needs(const ModelConfig& c, const ArenaRequest& r) {
  Needs needs;
  for (int64_t l = 0; l < c.layers; ++l) {
    const Own own = own_buffers(r, l);
    needs.inner = needs.inner || own <= Own::input;
    needs.gate_up = needs.gate_up || own <= Own::all_but_gate_up;
    if (own != Own::input) continue;
    needs.raw = needs.raw || c.qk_norm;
    for (int s = 0; s < static_cast<int>(Site::down); ++s)
      needs.adapter[static_cast<size_t>(s)] = std::max(needs.adapter[static_cast<size_t>(s)], width_of(r, l, s));
  }
  return needs;
}

LayerExtents take_shared(Places& places, const ModelConfig& c, const ArenaRequest& r) {
  const Needs needs = shared_needs(c, r);
  LayerExtents shared;
  if (needs.inner) take_inner(places, c, r.rows, needs.raw, shared);
  if (needs.gate_up) shared.gate_up = places.take(r.rows, 2 * c.ffn);
  for (size_t s = 0; s < kSites; ++s)
    if (needs.adapter[s] > 0) shared.adapter[s] = places.take(r.rows, needs.adapter[s]);
  return shared;
}

/// Activations that live from forward to backward.
void take_layers(Places& places, const ModelConfig& c, const ArenaRequest& r, ArenaPlan& plan) {
  plan.layers.resize(static_cast<size_t>(c.layers));
  Extent x = places.take(r.rows, c.hidden);
  for (int64_t l = 0; l < c.layers; ++l) {
    LayerExtents& b = plan.layers[static_cast<size_t>(l)];
    const Own own = own_buffers(r, l);
    b.x_in = x;
    if (own >= Own::all_but_gate_up) take_inner(places, c, r.rows, c.qk_norm, b);
    if (own == Own::everything) b.gate_up = places.take(r.rows, 2 * c.ffn);
    for (int s = 0; s < kSites; ++s) {
      // A recomputed layer stops before its down projection, so what that saved must stay.
      const bool stays = own >= Own::all_but_gate_up || (own == Own::input && s == static_cast<int>(Site::down));
      if (stays && width_of(r, l, s) > 0) b.adapter[static_cast<size_t>(s)] = places.take(r.rows, width_of(r, l, s));
    }
    // Where nothing is kept, each layer's output goes over its input: the residual stream is all that lives on.
    x = b.x_out = own == Own::nothing ? x : places.take(r.rows, c.hidden);
  }
  if (r.keep) plan.dx = places.take(r.rows, c.hidden);
}

void lend(const LayerExtents& shared, const ModelConfig& c, const ArenaRequest& r, ArenaPlan& plan) {
  for (int64_t l = 0; l < c.layers; ++l) {
    LayerExtents& b = plan.layers[static_cast<size_t>(l)];
    const Own own = own_buffers(r, l);
    if (own <= Own::input) {
      const LayerExtents mine = b;
      b = shared;
      b.x_in = mine.x_in;
      b.x_out = mine.x_out;
      b.adapter = mine.adapter;
      if (own == Own::nothing) b.qk_raw = b.qk_rstd = {};
    }
    if (own <= Own::all_but_gate_up) b.gate_up = shared.gate_up;
    for (int s = 0; own == Own::input && s < static_cast<int>(Site::down); ++s)
      if (width_of(r, l, s) > 0)
        b.adapter[static_cast<size_t>(s)] = {shared.adapter[static_cast<size_t>(s)].at, r.rows, width_of(r, l, s)};
  }
}

/// The MLP's buffers and attention's are never needed at one time. Within each, a norm's output takes the place of what
/// was used up before it.
int64_t take_work(int64_t begin, const ModelConfig& c, const ArenaRequest& r, ArenaPlan& plan) {
  const int64_t n = r.rows;
  Places mlp(begin), attention(begin);
  std::tie(plan.h, plan.norm2) = mlp.take_in_turn(n, c.ffn, c.hidden);
  if (!r.keep) {
    plan.norm1 = attention.take(n, c.hidden);
    return std::max(mlp.at(), attention.at());
  }
  std::tie(plan.d_h, plan.d_norm2) = mlp.take_in_turn(n, c.ffn, c.hidden);
  std::tie(plan.d_o, plan.norm1) = attention.take_in_turn(n, c.q_width(), c.hidden);
  std::tie(plan.d_k, plan.d_norm1) = attention.take_in_turn(n, c.q_width(), c.hidden);
  plan.d_v = attention.take(n, c.q_width());
  plan.d_qkv = attention.take(n, c.qkv_width());
  return std::max(mlp.at(), attention.at());
}

int64_t take_rescaled(int64_t begin, const ModelConfig& c, const ArenaRequest& r, ArenaPlan& plan) {
  if (!r.rescales) return begin;
  Places places(begin);
  int64_t widest = 0;
  for (int s = 0; s < kSites; ++s)
    widest = std::max(widest, c.site_out(static_cast<Site>(s)));
  plan.base = places.take(1, r.rows * widest);
  if (r.keep) plan.scaled = places.take(1, r.rows * widest);
  return places.at();
}

/// Returns where the chunk ends; head_kept follows it.
int64_t take_head(Places& places, const ModelConfig& c, const ArenaRequest& r, ArenaPlan& plan) {
  const int64_t rows = std::max<int64_t>(1, r.target_rows),
                chunk = std::min(std::max<int64_t>(1, r.head_chunk_rows), rows);
  if (!r.reward_head) {
    plan.logits = places.take(chunk, c.vocab_size);
    // In backward the chunk's place holds W[token] of as many targets as fit, of one row at least.
    plan.w_y = std::max(chunk * c.vocab_size, r.most_targets_of_a_row * c.hidden);
    if (plan.w_y > chunk * c.vocab_size) places.take(1, plan.w_y - chunk * c.vocab_size);
  }
  plan.head_norm = places.take(chunk, c.hidden);
  plan.head_rstd = places.take(rows, 1);
  plan.head_scale = places.take(rows, 1);
  if (r.reward_head && r.keep) plan.d_score = places.take(1, c.hidden);
  const int64_t end_of_chunk = places.at();
  if (r.keep && !r.reward_head) plan.head_kept = places.take(rows, c.hidden);
  return end_of_chunk;
}

int64_t rope_bytes(const ModelConfig& c, int64_t positions) {
  return RopeTable::bytes_for(c.head_dim, positions);
}

}  // namespace

Recompute recompute_of(const ArenaRequest& request, int64_t layer) {
  const bool chosen = request.recompute_layers < 0 || layer < request.recompute_layers;
  return request.keep && chosen ? request.recompute : Recompute::none;
}

void describe_adapter(const ModelConfig& c, const Adapter& adapter, ArenaRequest& request) {
  request.first_layer = std::clamp<int64_t>(adapter.first_layer(), 0, c.layers);
  request.reward_head = adapter.score_weight().defined();
  request.adapter_widths.resize(static_cast<size_t>(c.layers));
  for (int l = 0; l < static_cast<int>(c.layers); ++l)
    for (int s = 0; s < kSites; ++s) {
      const auto site = static_cast<Site>(s);
      request.adapter_widths[static_cast<size_t>(l)][static_cast<size_t>(s)] = adapter.saved_width(l, site);
      request.rescales = request.rescales || adapter.rescales_base(l, site);
    }
}

ArenaPlan plan_arena(const ModelConfig& config, const ArenaRequest& request) {
  ArenaPlan plan;
  Places activations(0);
  take_layers(activations, config, request, plan);
  const int64_t common = activations.at();
  Places shared(common), head(common);
  const LayerExtents borrowed = take_shared(shared, config, request);
  lend(borrowed, config, request, plan);
  const int64_t end_of_work = take_rescaled(take_work(shared.at(), config, request, plan), config, request, plan);
  const int64_t end_of_chunk = take_head(head, config, request, plan);
  plan.floats = std::max(end_of_work, head.at());
  plan.bytes = {.activations = 4 * common,
                .work = 4 * (end_of_work - common),
                .head_chunk = 4 * (end_of_chunk - common),
                .head_kept = 4 * (head.at() - end_of_chunk),
                .rope = rope_bytes(config, request.positions)};
  return plan;
}

}  // namespace afina::model
