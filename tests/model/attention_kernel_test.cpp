// SPDX-License-Identifier: Apache-2.0
// Segment attention against its plain twin: ragged packs, shared prefixes, grouped heads, odd head sizes.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "model/kernels/cpu/reference.h"

namespace afina::model::kernels {
namespace {

struct Case {
  int64_t heads, kv_heads, head_dim;
  std::vector<AttentionSegment> segments;
};

struct Buffers {
  int64_t rows, width, qkv_width;
  std::vector<float> qkv, o, lse, d_o, d_qkv, d_k, d_v;
  Attention a;
  AttentionGradient g;

  explicit Buffers(const Case& c) {
    rows = c.segments.back().begin + c.segments.back().length;
    width = c.heads * c.head_dim;
    qkv_width = width + 2 * c.kv_heads * c.head_dim;
    std::mt19937 generator(11);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<float>& v, int64_t n, bool random) {
      v.assign(static_cast<size_t>(n), 0.0F);
      if (random)
        for (float& x : v)
          x = normal(generator);
    };
    fill(qkv, rows * qkv_width, true);
    fill(d_o, rows * width, true);
    fill(o, rows * width, false);
    fill(lse, rows * c.heads, false);
    fill(d_qkv, rows * qkv_width, false);
    fill(d_k, rows * width, false);
    fill(d_v, rows * width, false);
    a = {c.heads,
         c.kv_heads,
         c.head_dim,
         1.0F / std::sqrt(static_cast<float>(c.head_dim)),
         qkv.data(),
         qkv.data() + width,
         qkv.data() + width + c.kv_heads * c.head_dim,
         qkv_width,
         o.data(),
         width,
         lse.data(),
         rows,
         c.segments.data(),
         static_cast<int64_t>(c.segments.size())};
    g = {d_o.data(), d_qkv.data(), qkv_width, d_k.data(), d_v.data()};
  }
};

void expect_near(const std::vector<float>& got, const std::vector<float>& want, double tolerance, const char* what) {
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], tolerance) << what << " at " << i;
}

class SegmentAttention : public ::testing::TestWithParam<Case> {};

TEST_P(SegmentAttention, ForwardAndBackwardEqualTheTwin) {
  Buffers got(GetParam()), want(GetParam());
  attention_forward(got.a, 0, attention_forward_units(got.a));
  reference::attention_forward(want.a);
  expect_near(got.o, want.o, 3e-6, "o");
  expect_near(got.lse, want.lse, 3e-6, "lse");
  const Families families = attention_families(got.a.segments, got.a.n_segments);
  std::fill(got.d_k.begin(), got.d_k.end(), NAN);  // written, not added to
  std::fill(got.d_v.begin(), got.d_v.end(), NAN);
  attention_backward(got.a, families, got.g, 0, attention_backward_units(got.a, families));
  reference::attention_backward(want.a, want.g);
  expect_near(got.d_qkv, want.d_qkv, 2e-5, "dq");
  expect_near(got.d_k, want.d_k, 2e-5, "dk");
  expect_near(got.d_v, want.d_v, 2e-5, "dv");
}

TEST_P(SegmentAttention, TheSplitIntoUnitsChangesNoBit) {
  Buffers whole(GetParam()), split(GetParam());
  attention_forward(whole.a, 0, attention_forward_units(whole.a));
  for (int64_t u = attention_forward_units(split.a); u-- > 0;)
    attention_forward(split.a, u, u + 1);
  EXPECT_EQ(whole.o, split.o);
  const Families families = attention_families(whole.a.segments, whole.a.n_segments);
  const int64_t units = attention_backward_units(whole.a, families);
  attention_backward(whole.a, families, whole.g, 0, units);
  for (int64_t u = units; u-- > 0;)
    attention_backward(split.a, families, split.g, u, u + 1);
  EXPECT_EQ(whole.d_qkv, split.d_qkv);
  EXPECT_EQ(whole.d_k, split.d_k);
  EXPECT_EQ(whole.d_v, split.d_v);
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, SegmentAttention,
    ::testing::Values(Case{1, 1, 8, {{0, 1, 0, 0}}}, Case{4, 2, 16, {{0, 5, 0, 0}, {5, 33, 0, 0}, {38, 1, 0, 0}}},
                      Case{3, 1, 64, {{0, 131, 0, 0}}},
                      Case{6, 2, 40, {{0, 37, 0, 0}, {37, 70, 0, 37}, {107, 3, 0, 37}, {110, 20, 0, 0}}},
                      Case{2, 2, 32, {{0, 32, 0, 0}, {32, 10, 0, 32}, {42, 9, 0, 0}, {51, 60, 42, 9}}}));

TEST(AttendOne, EqualsTheLastRowOfTheSegment) {
  const Case one{2, 1, 24, {{0, 61, 0, 0}}};
  Buffers b(one);
  attention_forward(b.a, 0, attention_forward_units(b.a));
  std::vector<float> weights(61), o(24);
  for (int64_t h = 0; h < 2; ++h) {
    attend_one(b.a.q + 60 * b.qkv_width + h * 24, b.a.k, b.a.v, b.qkv_width, 61, 24, b.a.scale, weights.data(),
               o.data());
    for (int64_t i = 0; i < 24; ++i)
      EXPECT_NEAR(o[i], b.o[60 * b.width + h * 24 + i], 2e-6);
  }
}

}  // namespace
}  // namespace afina::model::kernels
