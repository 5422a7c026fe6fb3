// SPDX-License-Identifier: Apache-2.0
#include "model/kernels/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/kernels/cpu/gemm.h"
#include "model/kernels/cpu/scratch.h"

namespace afina::model::kernels {
namespace {

constexpr int64_t kQueryBlock = 56;

int64_t round_up(int64_t n, int64_t step) {
  return (n + step - 1) / step * step;
}

/// The keys one segment sees, side by side: [prefix | zeros up to a whole panel | own rows].
struct Keys {
  AttentionSegment segment;
  int64_t own;    // column where own rows begin
  int64_t total;  // columns
  explicit Keys(const AttentionSegment& s)
      : segment(s), own(round_up(s.prefix_length, kPanel)), total(own + s.length) {}
};

/// Columns = keys: B[d, key], for scores.
void pack_transposed(const Keys& keys, const float* rows, int64_t stride, int64_t head_dim, float* packed) {
  const AttentionSegment& s = keys.segment;
  if (s.prefix_length > 0)
    pack_b(rows + s.prefix_begin * stride, 1, stride, head_dim, s.prefix_length, packed, 0, panels(s.prefix_length));
  pack_b(rows + s.begin * stride, 1, stride, head_dim, s.length, packed + keys.own * head_dim, 0, panels(s.length));
}

/// Rows = keys: B[key, d], for sums over keys.
void pack_plain(const Keys& keys, const float* rows, int64_t stride, int64_t head_dim, float* packed) {
  const AttentionSegment& s = keys.segment;
  for (int64_t p = 0; p < panels(head_dim); ++p) {
    float* panel = packed + p * keys.total * kPanel;
    const auto columns = static_cast<size_t>(std::min<int64_t>(kPanel, head_dim - p * kPanel));
    if (columns < kPanel || keys.own > s.prefix_length)
      std::memset(panel, 0, static_cast<size_t>(keys.total) * kPanel * sizeof(float));
    const auto copy = [&](int64_t first, int64_t row, int64_t count) {
      for (int64_t i = 0; i < count; ++i)
        std::memcpy(panel + (first + i) * kPanel, rows + (row + i) * stride + p * kPanel, columns * sizeof(float));
    };
    copy(0, s.prefix_begin, s.prefix_length);
    copy(keys.own, s.begin, s.length);
  }
}

/// Scores become probabilities (times `sum` when lse is not known yet); everything a row must not see becomes 0.
void clear_invisible(const Keys& keys, float* row, int64_t visible_end, int64_t n) {
  std::fill(row + keys.segment.prefix_length, row + keys.own, 0.0F);
  std::fill(row + visible_end, row + n, 0.0F);
}

class SegmentPass {
 public:
  SegmentPass(const Attention& a, int64_t head, const AttentionSegment& segment)
      : a_(a), head_(head), group_(head / (a.heads / a.kv_heads)), keys_(segment), ld_(round_up(keys_.total, kPanel)) {}

  void forward();
  void backward(const AttentionGradient& g);

 private:
  /// Rows of the segment that go through the register tile together.
  struct RowTile {
    int64_t first;
    int rows;
    int64_t n;  ///< columns that the last of them sees
  };
  RowTile row_tile(int64_t first, int64_t end) const {
    const int64_t rows = std::min<int64_t>(t_.tile_rows, end - first);
    return {first, static_cast<int>(rows), visible_end(first + rows - 1)};
  }
  /// out[rows, columns] = (A of `rows` rows and `depth`) * panels of `b`, of b_depth rows each.
  void multiply(int rows, int64_t depth, const float* a, int64_t a_stride, const float* b, int64_t b_depth,
                int64_t columns, float* out, int64_t out_stride) const;
  const float* q(int64_t row) const { return a_.q + (keys_.segment.begin + row) * a_.qkv_stride + head_ * a_.head_dim; }
  const float* k() const { return a_.k + group_ * a_.head_dim; }
  const float* v() const { return a_.v + group_ * a_.head_dim; }
  float* o(int64_t row) const { return a_.o + (keys_.segment.begin + row) * a_.o_stride + head_ * a_.head_dim; }
  float* lse(int64_t row) const { return a_.lse + head_ * a_.lse_stride + keys_.segment.begin + row; }
  int64_t visible_end(int64_t row) const { return keys_.own + row + 1; }
  int64_t packed_size() const { return kMaxTile * (std::max(keys_.total, a_.head_dim) + 1); }

  void forward_tile(const RowTile& tile, const float* kt, const float* vp, float* scores);
  void scores_gradient(const AttentionGradient& g, const RowTile& tile, float* p, float* ds, int64_t n);
  void backward_block(const AttentionGradient& g, int64_t first, int64_t m, float* work);
  void add_key_gradient(const float* gradient, float* out) const;

  const Attention& a_;
  int64_t head_, group_;
  Keys keys_;
  int64_t ld_;
  const KernelTable& t_ = table();
  // backward's packed operands and sums, inside one thread-local buffer
  float *kt_ = nullptr, *vt_ = nullptr, *kp_ = nullptr, *dk_ = nullptr, *dv_ = nullptr, *packed_ = nullptr;
};

void SegmentPass::multiply(int rows, int64_t depth, const float* a, int64_t a_stride, const float* b, int64_t b_depth,
                           int64_t columns, float* out, int64_t out_stride) const {
  t_.pack_a(a, a_stride, 1, rows, depth, packed_);
  for (int64_t p = 0; p < panels(columns); ++p)
    t_.tile(rows, {depth, packed_, b + p * b_depth * kPanel, out + p * kPanel, out_stride,
                   static_cast<int>(std::min<int64_t>(kPanel, columns - p * kPanel)), false});
}

void SegmentPass::forward() {
  thread_local Scratch scratch;
  const int64_t hd = a_.head_dim, width = panels(hd) * kPanel;
  float* kt = scratch.get(ld_ * hd + keys_.total * width + kMaxTile * ld_ + packed_size());
  float* vp = kt + ld_ * hd;
  float* scores = vp + keys_.total * width;
  packed_ = scores + kMaxTile * ld_;
  pack_transposed(keys_, k(), a_.qkv_stride, hd, kt);
  pack_plain(keys_, v(), a_.qkv_stride, hd, vp);
  for (int64_t first = 0; first < keys_.segment.length; first += t_.tile_rows)
    forward_tile(row_tile(first, keys_.segment.length), kt, vp, scores);
}

void SegmentPass::forward_tile(const RowTile& tile, const float* kt, const float* vp, float* scores) {
  const int64_t hd = a_.head_dim, prefix = keys_.segment.prefix_length;
  multiply(tile.rows, hd, q(tile.first), a_.qkv_stride, kt, hd, tile.n, scores, ld_);
  float inverse[kMaxTile];
  for (int i = 0; i < tile.rows; ++i) {
    float* row = scores + i * ld_;
    const int64_t own = tile.first + i + 1;
    float top = t_.max(row + keys_.own, own);
    if (prefix > 0) top = std::max(top, t_.max(row, prefix));
    const float shift = top * a_.scale;
    float sum = t_.exp_sum(row + keys_.own, own, a_.scale, shift);
    if (prefix > 0) sum += t_.exp_sum(row, prefix, a_.scale, shift);
    clear_invisible(keys_, row, keys_.own + own, tile.n);
    inverse[i] = 1.0F / sum;
    *lse(tile.first + i) = shift + std::log(sum);
  }
  multiply(tile.rows, tile.n, scores, ld_, vp, keys_.total, hd, o(tile.first), a_.o_stride);
  for (int i = 0; i < tile.rows; ++i)
    t_.scale(o(tile.first + i), inverse[i], hd);
}

void SegmentPass::backward(const AttentionGradient& g) {
  thread_local Scratch scratch;
  const int64_t hd = a_.head_dim, width = panels(hd) * kPanel;
  const int64_t block = 2 * kQueryBlock * ld_ + 2 * kQueryBlock * width + packed_size();
  kt_ = scratch.get(2 * ld_ * hd + keys_.total * width + 2 * keys_.total * hd + block);
  vt_ = kt_ + ld_ * hd;
  kp_ = vt_ + ld_ * hd;
  dk_ = kp_ + keys_.total * width;
  dv_ = dk_ + keys_.total * hd;
  std::fill(dk_, dk_ + 2 * keys_.total * hd, 0.0F);
  pack_transposed(keys_, k(), a_.qkv_stride, hd, kt_);
  pack_transposed(keys_, v(), a_.qkv_stride, hd, vt_);
  pack_plain(keys_, k(), a_.qkv_stride, hd, kp_);
  for (int64_t first = 0; first < keys_.segment.length; first += kQueryBlock)
    backward_block(g, first, std::min(kQueryBlock, keys_.segment.length - first), dv_ + keys_.total * hd);
  add_key_gradient(dk_, g.d_k);
  add_key_gradient(dv_, g.d_v);
}

/// Probabilities p and the gradient ds of scores before their scale's product, for rows of one tile; zeros up to n.
void SegmentPass::scores_gradient(const AttentionGradient& g, const RowTile& tile, float* p, float* ds, int64_t n) {
  const int64_t hd = a_.head_dim;
  const float* d_o = g.d_o + (keys_.segment.begin + tile.first) * a_.o_stride + head_ * hd;
  multiply(tile.rows, hd, q(tile.first), a_.qkv_stride, kt_, hd, tile.n, p, ld_);
  multiply(tile.rows, hd, d_o, a_.o_stride, vt_, hd, tile.n, ds, ld_);
  for (int i = 0; i < tile.rows; ++i) {
    float* row = p + i * ld_;
    const int64_t own = tile.first + i + 1;
    const float shift = *lse(tile.first + i);
    if (keys_.segment.prefix_length > 0) t_.exp_sum(row, keys_.segment.prefix_length, a_.scale, shift);
    t_.exp_sum(row + keys_.own, own, a_.scale, shift);
    clear_invisible(keys_, row, keys_.own + own, n);
    std::fill(ds + i * ld_ + tile.n, ds + i * ld_ + n, 0.0F);
    t_.softmax_backward(row, ds + i * ld_, t_.dot(d_o + i * a_.o_stride, o(tile.first + i), hd), a_.scale, tile.n);
  }
}

void SegmentPass::backward_block(const AttentionGradient& g, int64_t first, int64_t m, float* work) {
  const int64_t hd = a_.head_dim, n = visible_end(first + m - 1), row0 = keys_.segment.begin + first;
  float *p = work, *ds = p + kQueryBlock * ld_, *d_o_packed = ds + kQueryBlock * ld_;
  float* q_packed = d_o_packed + kQueryBlock * panels(hd) * kPanel;
  packed_ = q_packed + kQueryBlock * panels(hd) * kPanel;
  const float* d_o = g.d_o + row0 * a_.o_stride + head_ * hd;
  for (int64_t row = first; row < first + m; row += t_.tile_rows) {
    const RowTile tile = row_tile(row, first + m);
    float* ds_tile = ds + (row - first) * ld_;
    scores_gradient(g, tile, p + (row - first) * ld_, ds_tile, n);
    multiply(tile.rows, tile.n, ds_tile, ld_, kp_, keys_.total, hd,
             g.d_q + (keys_.segment.begin + row) * g.d_q_stride + head_ * hd, g.d_q_stride);
  }
  pack_b(d_o, a_.o_stride, 1, m, hd, d_o_packed, 0, panels(hd));
  pack_b(q(first), a_.qkv_stride, 1, m, hd, q_packed, 0, panels(hd));
  gemm({.m = n,
        .n = hd,
        .k = m,
        .a = p,
        .a_row = 1,
        .a_col = ld_,
        .b = d_o_packed,
        .c = dv_,
        .ldc = hd,
        .accumulate = true},
       t_);
  gemm({.m = n,
        .n = hd,
        .k = m,
        .a = ds,
        .a_row = 1,
        .a_col = ld_,
        .b = q_packed,
        .c = dk_,
        .ldc = hd,
        .accumulate = true},
       t_);
}

/// Own rows are written (each row has one segment), rows of the prefix get theirs added: its own pass came first.
void SegmentPass::add_key_gradient(const float* gradient, float* out) const {
  const int64_t hd = a_.head_dim, stride = a_.heads * hd;
  const AttentionSegment& s = keys_.segment;
  for (int64_t i = 0; i < s.length; ++i)
    std::memcpy(out + (s.begin + i) * stride + head_ * hd, gradient + (keys_.own + i) * hd,
                static_cast<size_t>(hd) * sizeof(float));
  for (int64_t i = 0; i < s.prefix_length; ++i)
    t_.axpy(out + (s.prefix_begin + i) * stride + head_ * hd, gradient + i * hd, 1.0F, hd);
}

}  // namespace

int64_t attention_forward_units(const Attention& a) {
  return a.n_segments * a.heads;
}

void attention_forward(const Attention& a, int64_t begin, int64_t end) {
  for (int64_t unit = begin; unit < end; ++unit)
    SegmentPass(a, unit / a.n_segments, a.segments[unit % a.n_segments]).forward();
}

Families attention_families(const AttentionSegment* segments, int64_t n) {
  Families families;
  std::vector<size_t> family_of(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    size_t family = families.size();
    for (int64_t j = 0; j < i && segments[i].prefix_length > 0; ++j) {
      const int64_t offset = segments[i].prefix_begin - segments[j].begin;
      if (offset >= 0 && offset < segments[j].length) family = family_of[static_cast<size_t>(j)];
    }
    if (family == families.size()) families.emplace_back();
    families[family].push_back(i);
    family_of[static_cast<size_t>(i)] = family;
  }
  return families;
}

int64_t attention_backward_units(const Attention& a, const Families& families) {
  return static_cast<int64_t>(families.size()) * a.heads;
}

void attention_backward(const Attention& a, const Families& families, const AttentionGradient& g, int64_t begin,
                        int64_t end) {
  const auto n = static_cast<int64_t>(families.size());
  for (int64_t unit = begin; unit < end; ++unit)
    for (const int64_t segment : families[static_cast<size_t>(unit % n)])
      SegmentPass(a, unit / n, a.segments[segment]).backward(g);
}

void sum_groups(const Attention& a, const float* per_head, float* d_kv, int64_t d_kv_stride, int64_t begin,
                int64_t end) {
  const KernelTable& t = table();
  const int64_t hd = a.head_dim, share = a.heads / a.kv_heads;
  for (int64_t row = begin; row < end; ++row)
    for (int64_t group = 0; group < a.kv_heads; ++group) {
      const float* from = per_head + (row * a.heads + group * share) * hd;
      float* to = d_kv + row * d_kv_stride + group * hd;
      std::memcpy(to, from, static_cast<size_t>(hd) * sizeof(float));
      for (int64_t i = 1; i < share; ++i)
        t.axpy(to, from + i * hd, 1.0F, hd);
    }
}

void attend_one(const float* q, const float* k, const float* v, int64_t kv_stride, int64_t n, int64_t head_dim,
                float scale, float* weights, float* o) {
  const KernelTable& t = table();
  for (int64_t i = 0; i < n; ++i)
    weights[i] = t.dot(q, k + i * kv_stride, head_dim);
  const float sum = t.exp_sum(weights, n, scale, t.max(weights, n) * scale);
  std::fill(o, o + head_dim, 0.0F);
  for (int64_t i = 0; i < n; ++i)
    t.axpy(o, v + i * kv_stride, weights[i], head_dim);
  t.scale(o, 1.0F / sum, head_dim);
}

}  // namespace afina::model::kernels
