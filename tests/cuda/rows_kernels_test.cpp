// SPDX-License-Identifier: Apache-2.0
// Row-wise and element-wise CUDA kernels against the plain twins of the CPU's, in fp32 and bf16, aligned and not.
#include <gtest/gtest.h>

#include "model/kernels/cpu/reference.h"
#include "tests/cuda/device_array.h"

namespace afina::model::cuda {
namespace {

namespace twin = kernels::reference;

template <typename T>
class RowKernels : public ::testing::Test {};
using Types = ::testing::Types<float, Bf16>;
TYPED_TEST_SUITE(RowKernels, Types);

constexpr float kEps = 1e-5F;

struct RmsCase {
  int64_t n, width;
  size_t offset;
};
const RmsCase kRmsCases[] = {{3, 576, 0}, {2, 64, 1}, {4, 37, 0}, {1, 1, 0}, {2, 2056, 0}};

TYPED_TEST(RowKernels, RmsNormForwardAndAgainFromItsRstdEqualTheirTwin) {
  using T = TypeParam;
  for (const auto& c : kRmsCases) {
    const auto x = rounded<T>(noise(c.n * c.width, 1, 3)), w = noise(c.width, 2);
    std::vector<float> want(x.size()), want_rstd;
    for (int64_t i = 0; i < c.n; ++i)
      want_rstd.push_back(
          twin::rms_forward(x.data() + i * c.width, w.data(), want.data() + i * c.width, c.width, kEps));
    for (const bool again : {false, true}) {
      const auto got = in_every_order([&] {
        DeviceArray<T> in(x, c.offset), y(x.size(), c.offset);
        DeviceArray<float> weight(w), rstd(want_rstd);
        const RmsNorm<T> norm{in.data(), c.width, weight.data(), c.n, c.width};
        if (again) {
          rms_apply(norm, rstd.data(), y.data(), c.width, nullptr);
        } else {
          rms_forward(norm, kEps, y.data(), c.width, rstd.data(), nullptr);
          expect_near(rstd.values(), want_rstd, 1e-6, "rstd");
        }
        return y.values();
      });
      expect_near(got, want, tolerance<T>(c.width), "y");
    }
  }
}

TYPED_TEST(RowKernels, RmsNormBackwardAddsToItsTarget) {
  using T = TypeParam;
  for (const auto& c : kRmsCases) {
    const auto x = rounded<T>(noise(c.n * c.width, 1)), dy = rounded<T>(noise(c.n * c.width, 2)), w = noise(c.width, 3);
    const auto before = rounded<T>(noise(c.n * c.width, 4));
    std::vector<float> want = before, rstds;
    for (int64_t i = 0; i < c.n; ++i) {
      std::vector<float> y(static_cast<size_t>(c.width));
      rstds.push_back(twin::rms_forward(x.data() + i * c.width, w.data(), y.data(), c.width, kEps));
      twin::rms_backward(dy.data() + i * c.width, x.data() + i * c.width, w.data(), rstds.back(),
                         want.data() + i * c.width, c.width);
    }
    const auto got = in_every_order([&] {
      DeviceArray<T> in(x, c.offset), gradient(dy, c.offset), dx(before, c.offset);
      DeviceArray<float> weight(w), rstd(rstds);
      rms_backward(RmsNorm<T>{in.data(), c.width, weight.data(), c.n, c.width}, rstd.data(), gradient.data(), c.width,
                   dx.data(), c.width, nullptr);
      return dx.values();
    });
    expect_near(got, want, 2 * tolerance<T>(c.width), "dx");
  }
}

TEST(RowKernelsOfARowMap, RmsNormGathersRowsAndBackwardReturnsThere) {
  const int64_t width = 40;
  const auto x = noise(5 * width, 1), w = noise(width, 2), dy = noise(2 * width, 3);
  const std::vector<int> map = {4, 1};
  DeviceArray<float> in(x), weight(w), y(2 * width), rstd(2), gradient(dy), dx(std::vector<float>(5 * width, 0.0F));
  DeviceArray<int> rows(map);
  const RmsNorm<float> norm{in.data(), width, weight.data(), 2, width, rows.data()};
  rms_forward(norm, kEps, y.data(), width, rstd.data(), nullptr);
  rms_backward(norm, rstd.data(), gradient.data(), width, dx.data(), width, nullptr);
  std::vector<float> want_y(2 * width), want_dx(5 * width, 0.0F);
  for (size_t i = 0; i < 2; ++i) {
    const float* row = x.data() + map[i] * width;
    const float r = twin::rms_forward(row, w.data(), want_y.data() + i * width, width, kEps);
    twin::rms_backward(dy.data() + i * width, row, w.data(), r, want_dx.data() + map[i] * width, width);
  }
  expect_near(y.values(), want_y, 1e-5, "y");
  expect_near(dx.values(), want_dx, 1e-5, "dx");
}

TYPED_TEST(RowKernels, SwigluForwardAndBackwardEqualTheirTwin) {
  using T = TypeParam;
  for (const auto& [n, width] : {std::pair<int64_t, int64_t>{3, 1536}, {2, 33}, {5, 8}, {1, 1}}) {
    const int64_t stride = 2 * width;
    const auto gate_up = rounded<T>(noise(n * stride, 1, 3)), dh = rounded<T>(noise(n * width, 2));
    std::vector<float> want_h(static_cast<size_t>(n * width)), want = gate_up;
    for (int64_t i = 0; i < n; ++i) {
      const float* gate = gate_up.data() + i * stride;
      twin::swiglu_forward(gate, gate + width, want_h.data() + i * width, width);
      twin::swiglu_backward(gate, gate + width, dh.data() + i * width, want.data() + i * stride,
                            want.data() + i * stride + width, width);
    }
    DeviceArray<T> in(gate_up), h(want_h.size()), h_again(want_h.size()), gradient(dh);
    swiglu_forward(in.data(), stride, h.data(), width, n, width, nullptr);
    expect_near(h.values(), want_h, tolerance<T>(), "h");
    swiglu_backward(in.data(), stride, gradient.data(), width, h_again.data(), width, n, width, nullptr);
    expect_near(in.values(), want, 2 * tolerance<T>(), "d_gate, d_up");
    EXPECT_EQ(h_again.values(), h.values());
  }
}

TYPED_TEST(RowKernels, SwigluBackwardNeedsNoPlaceForH) {
  DeviceArray<TypeParam> in(noise(16, 1)), gradient(noise(8, 2));
  swiglu_backward<TypeParam>(in.data(), 16, gradient.data(), 8, nullptr, 0, 1, 8, nullptr);
  EXPECT_NE(in.values(), rounded<TypeParam>(noise(16, 1)));
}

TYPED_TEST(RowKernels, BiasesSumsAndFactorsGoToTheirRows) {
  using T = TypeParam;
  const int64_t n = 3, width = 17, stride = 20;
  const auto y = rounded<T>(noise(n * stride, 1)), x = rounded<T>(noise(n * stride, 2)), bias = noise(width, 3),
             factors = noise(n, 4);
  std::vector<float> biased = y, summed = y, scaled = y;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < stride; ++j) {
      const auto at = static_cast<size_t>(i * stride + j);
      if (j < width) biased[at] += bias[static_cast<size_t>(j)];
      summed[at] += 0.5F * x[at];
      scaled[at] *= 2.0F * factors[static_cast<size_t>(i)];
    }
  DeviceArray<T> a(y), b(y), c(y), other(x);
  DeviceArray<float> bias_(bias), factors_(factors);
  add_bias(a.data(), stride, bias_.data(), n, width, nullptr);
  axpy(b.data(), other.data(), 0.5F, n * stride, nullptr);
  scale_rows(c.data(), factors_.data(), 2.0F, n, stride, nullptr);
  expect_near(a.values(), biased, tolerance<T>(), "add_bias");
  expect_near(b.values(), summed, tolerance<T>(), "axpy");
  expect_near(c.values(), scaled, tolerance<T>(), "scale_rows");
}

TYPED_TEST(RowKernels, RowsAreCopiedOutAndTheirGradientsAddedBack) {
  using T = TypeParam;
  const int64_t width = 6;
  const auto in = rounded<T>(noise(5 * 8, 1));
  const std::vector<int> map = {3, 0, 4};
  DeviceArray<T> source(in), out(3 * width), back(std::vector<float>(40, 1.0F));
  DeviceArray<int> rows(map), from(std::vector<int>{0, 1, 2});
  copy_rows(source.data(), 8, rows.data(), out.data(), width, 3, width, nullptr);
  add_to_rows(out.data(), width, from.data(), rows.data(), back.data(), 8, 3, width, nullptr);
  std::vector<float> want(40, 1.0F);
  for (size_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < width; ++j) {
      const auto at = static_cast<size_t>(map[i] * 8 + j);
      ASSERT_EQ(out.values()[i * width + static_cast<size_t>(j)], in[at]);
      want[at] += in[at];
    }
  expect_near(back.values(), want, tolerance<T>(), "add_to_rows");
}

TYPED_TEST(RowKernels, HeadsOfAGroupAreSummed) {
  using T = TypeParam;
  const int64_t n = 2, groups = 3, share = 4, head_dim = 5, stride = groups * share * head_dim;
  const auto in = rounded<T>(noise(n * stride, 1));
  DeviceArray<T> source(in), out(static_cast<size_t>(n * groups * head_dim));
  sum_groups(source.data(), stride, out.data(), groups * head_dim, n, groups, share, head_dim, nullptr);
  std::vector<float> want(static_cast<size_t>(n * groups * head_dim), 0.0F);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t h = 0; h < groups * share; ++h)
      for (int64_t d = 0; d < head_dim; ++d)
        want[static_cast<size_t>((i * groups + h / share) * head_dim + d)] +=
            in[static_cast<size_t>(i * stride + h * head_dim + d)];
  expect_near(out.values(), want, tolerance<T>(share), "sum_groups");
}

TEST(RowKernelsOfConversion, Bf16IsTheNearestWithTiesToEvenAndComesBackWhole) {
  // 1 + 2^-8 lies between 1 and 1 + 2^-7: even is 1. 1 + 3*2^-8 goes up.
  const std::vector<float> in = {1.0F, 1.00390625F, 1.01171875F, -3.1415927F, 0.0F, 1e38F};
  DeviceArray<float> x(in), back(in.size());
  DeviceArray<Bf16> narrowed(in.size());
  to_bf16(x.data(), narrowed.data(), static_cast<int64_t>(in.size()), nullptr);
  to_float(narrowed.data(), back.data(), static_cast<int64_t>(in.size()), nullptr);
  EXPECT_EQ(back.values()[0], 1.0F);
  EXPECT_EQ(back.values()[1], 1.0F);
  EXPECT_EQ(back.values()[2], 1.015625F);
  EXPECT_EQ(back.values(), rounded<Bf16>(in));
}

TYPED_TEST(RowKernels, EmbeddingRowsAreGathered) {
  using T = TypeParam;
  for (const int64_t width : {64, 7}) {
    const auto table = rounded<T>(noise(9 * width, 1));
    const std::vector<int> ids = {8, 0, 3, 3};
    DeviceArray<T> weights(table), out(static_cast<size_t>(4 * width));
    DeviceArray<int> tokens(ids);
    gather_rows(weights.data(), tokens.data(), out.data(), 4, width, nullptr);
    for (size_t i = 0; i < ids.size(); ++i)
      for (int64_t j = 0; j < width; ++j)
        ASSERT_EQ(out.values()[i * static_cast<size_t>(width) + static_cast<size_t>(j)],
                  table[static_cast<size_t>(ids[i] * width + j)]);
  }
}

}  // namespace
}  // namespace afina::model::cuda
