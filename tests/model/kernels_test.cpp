// SPDX-License-Identifier: Apache-2.0
// Every kernel of every instruction set this processor has, against its plain twin.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "model/kernels/cpu/gemm.h"
#include "model/kernels/cpu/reference.h"

namespace afina::model::kernels {
namespace {

std::vector<float> noise(int64_t n, unsigned seed, float scale = 1.0F) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> out(static_cast<size_t>(n));
  for (float& x : out)
    x = normal(generator);
  return out;
}

void expect_near(const std::vector<float>& got, const std::vector<float>& want, double tolerance, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], tolerance * (1.0 + std::abs(want[i]))) << what << " at " << i;
}

class EveryIsa : public ::testing::TestWithParam<Isa> {
 protected:
  const KernelTable& isa() const { return table(GetParam()); }
};

struct Shape {
  int64_t m, n, k;
};

TEST_P(EveryIsa, GemmEqualsItsTwinForEveryShapeAndTail) {
  for (const Shape s :
       {Shape{1, 1, 1}, {1, 70, 33}, {3, 32, 64}, {13, 31, 7}, {14, 33, 600}, {29, 65, 1200}, {200, 40, 17}}) {
    const auto a = noise(s.m * s.k, 1), b = noise(s.k * s.n, 2);
    for (const bool accumulate : {false, true}) {
      auto want = noise(s.m * s.n, 3), got = want;
      reference::gemm(s.m, s.n, s.k, a.data(), b.data(), want.data(), accumulate);
      std::vector<float> packed(static_cast<size_t>(packed_floats(s.k, s.n)), NAN);
      pack_b(b.data(), s.n, 1, s.k, s.n, packed.data(), 0, panels(s.n));
      Gemm g{
          .m = s.m, .n = s.n, .k = s.k, .a = a.data(), .a_row = s.k, .b = packed.data(), .c = got.data(), .ldc = s.n};
      g.accumulate = accumulate;
      gemm(g, isa());
      expect_near(got, want, 2e-5 * std::sqrt(static_cast<double>(s.k)), "gemm");
    }
  }
}

TEST_P(EveryIsa, GemmReadsTransposedOperands) {
  const Shape s{45, 37, 51};
  const auto a = noise(s.m * s.k, 1), b = noise(s.k * s.n, 2);
  std::vector<float> at(a.size()), bt(b.size()), want(static_cast<size_t>(s.m * s.n)), got(want);
  for (int64_t i = 0; i < s.m; ++i)
    for (int64_t j = 0; j < s.k; ++j)
      at[j * s.m + i] = a[i * s.k + j];
  for (int64_t i = 0; i < s.k; ++i)
    for (int64_t j = 0; j < s.n; ++j)
      bt[j * s.k + i] = b[i * s.n + j];
  reference::gemm(s.m, s.n, s.k, a.data(), b.data(), want.data(), false);
  std::vector<float> packed(static_cast<size_t>(packed_floats(s.k, s.n)));
  pack_b(bt.data(), 1, s.k, s.k, s.n, packed.data(), 0, panels(s.n));
  gemm({.m = s.m,
        .n = s.n,
        .k = s.k,
        .a = at.data(),
        .a_row = 1,
        .a_col = s.m,
        .b = packed.data(),
        .c = got.data(),
        .ldc = s.n},
       isa());
  expect_near(got, want, 1e-4, "transposed gemm");
}

TEST_P(EveryIsa, ARowOfAProductDoesNotDependOnTheOtherRowsOrOnTheSplit) {
  const Shape s{205, 100, 1300};
  const auto a = noise(s.m * s.k, 1), b = noise(s.k * s.n, 2);
  std::vector<float> packed(static_cast<size_t>(packed_floats(s.k, s.n))), whole(static_cast<size_t>(s.m * s.n)),
      split(whole);
  pack_b(b.data(), s.n, 1, s.k, s.n, packed.data(), 0, panels(s.n));
  const Gemm g{
      .m = s.m, .n = s.n, .k = s.k, .a = a.data(), .a_row = s.k, .b = packed.data(), .c = whole.data(), .ldc = s.n};
  gemm(g, isa());
  Gemm parts = g;
  parts.c = split.data();
  for (int64_t unit = gemm_units(parts, isa()); unit-- > 0;)
    gemm(parts, unit, unit + 1, isa());
  EXPECT_EQ(split, whole);
  for (int64_t row = 0; row < s.m; row += 17) {
    std::vector<float> alone(static_cast<size_t>(s.n));
    gemm({.m = 1,
          .n = s.n,
          .k = s.k,
          .a = a.data() + row * s.k,
          .a_row = s.k,
          .b = packed.data(),
          .c = alone.data(),
          .ldc = s.n},
         isa());
    EXPECT_EQ(alone, std::vector<float>(whole.begin() + row * s.n, whole.begin() + (row + 1) * s.n)) << "row " << row;
  }
}

TEST_P(EveryIsa, PackedPanelsGiveTheirRowsAndColumnsBack) {
  const int64_t k = 21, n = 45;
  const auto b = noise(k * n, 5);
  std::vector<float> packed(static_cast<size_t>(packed_floats(k, n))), row(n), column(k);
  pack_b(b.data(), n, 1, k, n, packed.data(), 0, panels(n));
  unpack_row(packed.data(), k, n, 20, row.data());
  EXPECT_EQ(row, std::vector<float>(b.end() - n, b.end()));
  unpack_column(packed.data(), k, 44, column.data());
  for (int64_t i = 0; i < k; ++i)
    EXPECT_EQ(column[i], b[i * n + 44]);
}

TEST_P(EveryIsa, RmsNormAndItsGradientEqualTheirTwins) {
  for (const int64_t n : {1, 15, 64, 577}) {
    const auto x = noise(n, 1, 3), w = noise(n, 2), dy = noise(n, 3);
    std::vector<float> y(n), y_want(n);
    const float rstd = isa().rms_forward(x.data(), w.data(), y.data(), n, 1e-5F);
    EXPECT_NEAR(rstd, reference::rms_forward(x.data(), w.data(), y_want.data(), n, 1e-5F), 1e-6 * rstd);
    expect_near(y, y_want, 1e-6, "rms_forward");
    std::vector<float> again(n);
    isa().rms_apply(x.data(), w.data(), rstd, again.data(), n);
    EXPECT_EQ(again, y);
    auto dx = noise(n, 4), dx_want = dx;
    isa().rms_backward(dy.data(), x.data(), w.data(), rstd, dx.data(), n);
    reference::rms_backward(dy.data(), x.data(), w.data(), rstd, dx_want.data(), n);
    expect_near(dx, dx_want, 3e-6, "rms_backward");
  }
}

TEST_P(EveryIsa, RopeTurnsAndTurnsBack) {
  for (const int64_t half : {3, 8, 32, 50}) {
    const auto x = noise(2 * half, 1), angle = noise(half, 2, 10);
    std::vector<float> c(half), s(half);
    for (int64_t i = 0; i < half; ++i)
      c[i] = std::cos(angle[i]), s[i] = std::sin(angle[i]);
    auto got = x, want = x;
    isa().rope(got.data(), c.data(), s.data(), half);
    reference::rope(want.data(), c.data(), s.data(), half, false);
    expect_near(got, want, 1e-6, "rope");
    isa().rope_inverse(got.data(), c.data(), s.data(), half);
    expect_near(got, x, 2e-6, "rope there and back");
  }
}

TEST_P(EveryIsa, SwigluAndItsGradientEqualTheirTwins) {
  for (const int64_t n : {1, 17, 96, 1000}) {
    const auto gate = noise(n, 1, 8), up = noise(n, 2), dh = noise(n, 3);
    std::vector<float> h(n), hw(n), dg(n), dgw(n), du(n), duw(n);
    isa().swiglu_forward(gate.data(), up.data(), h.data(), n);
    reference::swiglu_forward(gate.data(), up.data(), hw.data(), n);
    expect_near(h, hw, 2e-6, "swiglu_forward");
    isa().swiglu_backward(gate.data(), up.data(), dh.data(), dg.data(), du.data(), n);
    reference::swiglu_backward(gate.data(), up.data(), dh.data(), dgw.data(), duw.data(), n);
    expect_near(dg, dgw, 4e-6, "d_gate");
    expect_near(du, duw, 2e-6, "d_up");
  }
}

TEST_P(EveryIsa, ExponentialsKeepSixDigitsAndSaturate) {
  std::vector<float> x;
  for (float v = -90.0F; v < 88.0F; v += 0.137F)
    x.push_back(v);
  auto got = x;
  isa().exp_sum(got.data(), static_cast<int64_t>(got.size()), 1.0F, 0.0F);
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = x[i] < -87.336 ? 0.0 : std::exp(static_cast<double>(x[i]));
    ASSERT_NEAR(got[i], want, 3e-7 * want) << x[i];
  }
  std::vector<float> far(40, -1e30F);
  EXPECT_EQ(isa().exp_sum(far.data(), 40, 1.0F, 0.0F), 0.0F);
}

TEST_P(EveryIsa, SumsOfExponentialsAreWide) {
  const auto x = noise(49152, 7, 4);
  const int64_t n = 49151;
  const double want = reference::sum_exp(x.data(), n, 20.0F);
  EXPECT_NEAR(isa().sum_exp(x.data(), n, 20.0F) / want, 1.0, 1e-7);
  auto in_place = x;
  EXPECT_NEAR(isa().exp_sum_wide(in_place.data(), n, 20.0F) / want, 1.0, 1e-7);
  EXPECT_NEAR(in_place[n - 1], std::exp(x[n - 1] - 20.0), 1e-14);
  EXPECT_EQ(in_place[n], x[n]);
  double weighted = 0;
  for (int64_t i = 0; i < n; ++i)
    weighted += std::exp(x[i] - 20.0) * (x[i] - 20.0);
  EXPECT_NEAR(isa().sum_exp_weighted(x.data(), n, 20.0F) / weighted, 1.0, 1e-6);
}

TEST_P(EveryIsa, SmallLoopsDoWhatTheySay) {
  for (const int64_t n : {1, 16, 37}) {
    const auto a = noise(n, 1), b = noise(n, 2);
    double dot = 0;
    float top = a[0];
    for (int64_t i = 0; i < n; ++i)
      dot += static_cast<double>(a[i]) * b[i], top = std::max(top, a[i]);
    EXPECT_NEAR(isa().dot(a.data(), b.data(), n), dot, 1e-5);
    EXPECT_EQ(isa().max(a.data(), n), top);
    auto y = b;
    isa().axpy(y.data(), a.data(), 0.5F, n);
    isa().scale(y.data(), 2.0F, n);
    for (int64_t i = 0; i < n; ++i)
      EXPECT_NEAR(y[i], 2.0F * b[i] + a[i], 1e-6);
    auto ds = b;
    isa().softmax_backward(a.data(), ds.data(), 0.25F, 0.125F, n);
    for (int64_t i = 0; i < n; ++i)
      EXPECT_NEAR(ds[i], a[i] * (b[i] - 0.25F) * 0.125F, 1e-6);
  }
}

std::vector<Isa> of_this_processor() {
  std::vector<Isa> all;
  for (const Isa isa : {Isa::generic, Isa::avx2, Isa::avx512})
    if (has(isa)) all.push_back(isa);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Kernels, EveryIsa, ::testing::ValuesIn(of_this_processor()), [](const auto& info) {
  return info.param == Isa::generic ? "generic" : info.param == Isa::avx2 ? "avx2" : "avx512";
});

}  // namespace
}  // namespace afina::model::kernels
