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
  for (int64_t unit = gemm_units(parts); unit-- > 0;)
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

TEST_P(EveryIsa, Bf16ProductRoundsItsInputsAndAddsUpInFp32) {
  for (const Shape s :
       {Shape{1, 1, 1}, {1, 70, 33}, {3, 32, 64}, {13, 31, 7}, {14, 33, 2601}, {29, 65, 1201}, {300, 40, 17}}) {
    const auto a = noise(s.m * s.k, 1), b = noise(s.k * s.n, 2);
    for (const bool accumulate : {false, true}) {
      auto want = noise(s.m * s.n, 3), got = want;
      reference::gemm_bf16(s.m, s.n, s.k, a.data(), b.data(), want.data(), accumulate);
      std::vector<uint16_t> packed(static_cast<size_t>(packed_bf16(s.k, s.n)), 0x7FC0);
      pack_b_bf16(b.data(), s.n, 1, s.k, s.n, packed.data(), 0, panels(s.n));
      GemmBf16 g{
          .m = s.m, .n = s.n, .k = s.k, .a = a.data(), .a_row = s.k, .b = packed.data(), .c = got.data(), .ldc = s.n};
      g.accumulate = accumulate;
      gemm_bf16(g, isa());
      expect_near(got, want, 2e-5 * std::sqrt(static_cast<double>(s.k)), "gemm_bf16");
      auto fp32 = noise(s.m * s.n, 3);
      reference::gemm(s.m, s.n, s.k, a.data(), b.data(), fp32.data(), accumulate);
      if (s.k > 1000) {
        EXPECT_GT(std::abs(fp32[5] - want[5]), 1e-3) << "the twin must round";
      }
    }
  }
}

TEST_P(EveryIsa, Bf16TiesGoToEvenAndWhatIsNotFiniteSurvives) {
  const float tie_down = 1.0F + 1.0F / 256, tie_up = 1.0F + 3.0F / 256, inf = INFINITY, nan = NAN;
  const std::vector<float> a{
      tie_down, tie_up, std::nextafter(tie_down, 2.0F), -tie_up, 3.4e38F, std::nextafter(tie_up, 0.0F), inf, nan,
      -inf,     1e-41F};
  const std::vector<float> want{1.0F, 1.015625F, 1.0078125F, -1.015625F, inf, 1.0078125F, inf, nan, -inf, 0.0F};
  // A product with 1: as many rows as values, and once more in whole vectors.
  for (const int64_t k : {1, 64}) {
    const auto n = static_cast<int64_t>(a.size());
    std::vector<float> rows(static_cast<size_t>(n * k)), ones(static_cast<size_t>(k)), got(a.size());
    for (int64_t i = 0; i < n; ++i)
      rows[i * k] = a[i];
    ones[0] = 1.0F;
    std::vector<uint16_t> packed(static_cast<size_t>(packed_bf16(k, 1)));
    pack_b_bf16(ones.data(), 1, 1, k, 1, packed.data(), 0, 1);
    gemm_bf16({.m = n, .n = 1, .k = k, .a = rows.data(), .a_row = k, .b = packed.data(), .c = got.data(), .ldc = 1},
              isa());
    for (size_t i = 0; i < a.size(); ++i)
      EXPECT_TRUE(std::isnan(want[i]) ? std::isnan(got[i]) : got[i] == want[i])
          << "k " << k << ", value " << i << ": " << got[i] << " for " << want[i];
  }
}

TEST_P(EveryIsa, EmulatedBf16GivesTheBitsOfTheInstruction) {
  if (!has(Isa::avx512_bf16)) GTEST_SKIP() << "no VDPBF16PS here";
  if (GetParam() == Isa::generic) GTEST_SKIP() << "multiplies and adds in two roundings";
  const Shape s{61, 70, 333};
  const auto a = noise(s.m * s.k, 1), b = noise(s.k * s.n, 2);
  std::vector<uint16_t> packed(static_cast<size_t>(packed_bf16(s.k, s.n)));
  pack_b_bf16(b.data(), s.n, 1, s.k, s.n, packed.data(), 0, panels(s.n));
  std::vector<float> here(static_cast<size_t>(s.m * s.n)), native(here);
  GemmBf16 g{
      .m = s.m, .n = s.n, .k = s.k, .a = a.data(), .a_row = s.k, .b = packed.data(), .c = here.data(), .ldc = s.n};
  gemm_bf16(g, isa());
  g.c = native.data();
  gemm_bf16(g, table(Isa::avx512_bf16));
  EXPECT_EQ(here, native);
}

TEST_P(EveryIsa, ARowOfABf16ProductDoesNotDependOnTheOtherRowsOrOnTheSplit) {
  const Shape s{305, 100, 1401};
  const auto a = noise(s.m * s.k, 1), b = noise(s.k * s.n, 2);
  std::vector<uint16_t> packed(static_cast<size_t>(packed_bf16(s.k, s.n)));
  pack_b_bf16(b.data(), s.n, 1, s.k, s.n, packed.data(), 0, panels(s.n));
  std::vector<float> whole(static_cast<size_t>(s.m * s.n)), split(whole), alone(static_cast<size_t>(s.n));
  GemmBf16 g{
      .m = s.m, .n = s.n, .k = s.k, .a = a.data(), .a_row = s.k, .b = packed.data(), .c = whole.data(), .ldc = s.n};
  gemm_bf16(g, isa());
  g.c = split.data();
  for (int64_t unit = gemm_units_bf16(g); unit-- > 0;)
    gemm_bf16(g, unit, unit + 1, isa());
  EXPECT_EQ(split, whole);
  g.m = 1;
  g.c = alone.data();
  for (int64_t row = 0; row < s.m; row += 17) {
    g.a = a.data() + row * s.k;
    gemm_bf16(g, isa());
    EXPECT_EQ(alone, std::vector<float>(whole.begin() + row * s.n, whole.begin() + (row + 1) * s.n)) << "row " << row;
  }
}

TEST_P(EveryIsa, PanelsTransposedOnTheFlyGiveTheBitsOfStoredOnes) {
  for (const Shape s : {Shape{40, 96, 64}, {61, 100, 1333}, {5, 33, 31}, {300, 64, 2750}, {3, 1, 1}}) {
    // The frozen weight is W [k outputs, n inputs]: forward panels hold W^T, backward multiplies by W.
    const auto a = noise(s.m * s.k, 1), w = noise(s.k * s.n, 2);
    const auto size = static_cast<size_t>(s.m * s.n);
    std::vector<float> stored(size), made(size);
    std::vector<float> forward(static_cast<size_t>(packed_floats(s.n, s.k))),
        backward(static_cast<size_t>(packed_floats(s.k, s.n)));
    pack_b(w.data(), 1, s.n, s.n, s.k, forward.data(), 0, panels(s.k));
    pack_b(w.data(), s.n, 1, s.k, s.n, backward.data(), 0, panels(s.n));
    Gemm g{.m = s.m,
           .n = s.n,
           .k = s.k,
           .a = a.data(),
           .a_row = s.k,
           .b = backward.data(),
           .c = stored.data(),
           .ldc = s.n};
    gemm(g, isa());
    g.c = made.data();
    gemm_made(
        g,
        [&](int64_t panel, int64_t k0, int64_t count, float* to) {
          transpose_panel(forward.data(), s.n, s.k, panel, k0, count, to, isa());
        },
        0, panels(s.n), isa());
    EXPECT_EQ(made, stored) << s.k;

    std::vector<uint16_t> forward16(static_cast<size_t>(packed_bf16(s.n, s.k))),
        backward16(static_cast<size_t>(packed_bf16(s.k, s.n)));
    pack_b_bf16(w.data(), 1, s.n, s.n, s.k, forward16.data(), 0, panels(s.k));
    pack_b_bf16(w.data(), s.n, 1, s.k, s.n, backward16.data(), 0, panels(s.n));
    GemmBf16 h{.m = s.m,
               .n = s.n,
               .k = s.k,
               .a = a.data(),
               .a_row = s.k,
               .b = backward16.data(),
               .c = stored.data(),
               .ldc = s.n};
    gemm_bf16(h, isa());
    h.c = made.data();
    for (int64_t panel = panels(s.n); panel-- > 0;)
      gemm_made_bf16(
          h,
          [&](int64_t p, int64_t k0, int64_t count, uint16_t* to) {
            transpose_panel_bf16(forward16.data(), s.n, s.k, p, k0, count, to, isa());
          },
          panel, panel + 1, isa());
    EXPECT_EQ(made, stored) << s.k;
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
  for (const Isa isa : {Isa::generic, Isa::avx2, Isa::avx512, Isa::avx512_bf16})
    if (has(isa)) all.push_back(isa);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Kernels, EveryIsa, ::testing::ValuesIn(of_this_processor()),
                         [](const auto& info) { return std::string(table(info.param).name); });

}  // namespace
}  // namespace afina::model::kernels
