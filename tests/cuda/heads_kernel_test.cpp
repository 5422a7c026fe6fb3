// SPDX-License-Identifier: Apache-2.0
// Head norms and rotary positions against the CPU's twins.
#include <gtest/gtest.h>

#include <optional>

#include "model/kernels/cpu/reference.h"
#include "tests/cuda/device_array.h"

namespace afina::model::cuda {
namespace {

namespace twin = kernels::reference;

constexpr float kEps = 1e-6F;

struct Case {
  int64_t n, heads, kv_heads, head_dim;
  bool rotates, norms;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << "head_dim " << c.head_dim << (c.rotates ? " rotates" : "") << (c.norms ? " norms" : "");
}

class Placing : public ::testing::TestWithParam<Case> {
 protected:
  Case c = GetParam();
  int64_t all = c.heads + c.kv_heads, stride = all * c.head_dim + 6, half = c.head_dim / 2;
  std::vector<int> positions = {4, 0, 9};
  std::vector<float> cosines = noise(10 * half, 11), sines = noise(10 * half, 12), q_norm = noise(c.head_dim, 13),
                     k_norm = noise(c.head_dim, 14);

  /// f(first element of the head, row, head)
  template <typename F>
  void for_heads(F f) const {
    for (int64_t i = 0; i < c.n; ++i)
      for (int64_t h = 0; h < all; ++h)
        f(i * stride + h * c.head_dim, i, h);
  }
  void rotate(float* head, int64_t row, bool inverse) const {
    const int64_t at = positions[static_cast<size_t>(row)] * half;
    if (c.rotates) twin::rope(head, cosines.data() + at, sines.data() + at, half, inverse);
  }
  const float* weight(int64_t head) const { return head < c.heads ? q_norm.data() : k_norm.data(); }

  template <typename T>
  void check() {
    const auto x = rounded<T>(noise(c.n * stride, 1)), d = rounded<T>(noise(c.n * stride, 2));
    std::vector<float> placed = x, gradient = d, rstds(static_cast<size_t>(c.n * all), 0.0F);
    for_heads([&](int64_t at, int64_t row, int64_t h) {
      float& rstd = rstds[static_cast<size_t>(row * all + h)];
      if (c.norms) rstd = twin::rms_forward(x.data() + at, weight(h), placed.data() + at, c.head_dim, kEps);
      rotate(placed.data() + at, row, false);
      rotate(gradient.data() + at, row, true);
      if (!c.norms) return;
      std::vector<float> dx(static_cast<size_t>(c.head_dim), 0.0F);
      twin::rms_backward(gradient.data() + at, x.data() + at, weight(h), rstd, dx.data(), c.head_dim);
      std::copy(dx.begin(), dx.end(), gradient.begin() + at);
    });

    DeviceArray<float> cos(cosines), sin(sines), q(q_norm), k(k_norm);
    DeviceArray<int> where(positions);
    const auto run = [&](bool backward) {
      DeviceArray<T> qk(backward ? d : x), raw(backward ? x : std::vector<float>(x.size()));
      DeviceArray<float> rstd(rstds);
      Heads<T> heads{qk.data(), stride, c.n, c.heads, c.kv_heads, c.head_dim, where.data()};
      if (c.rotates) heads.cosines = cos.data(), heads.sines = sin.data();
      if (c.norms) heads.q_norm = q.data(), heads.k_norm = k.data();
      if (backward) {
        unplace_heads(heads, raw.data(), stride, rstd.data(), nullptr);
      } else {
        place_heads(heads, kEps, raw.data(), stride, rstd.data(), nullptr);
        expect_near(rstd.values(), rstds, 1e-5, "rstd");
        const auto kept = raw.values();
        if (c.norms) for_heads([&](int64_t at, int64_t, int64_t) { ASSERT_EQ(kept[at], x[at]); });
      }
      return qk.values();
    };
    expect_near(in_every_order([&] { return run(false); }), placed, 4 * tolerance<T>(), "placed");
    expect_near(in_every_order([&] { return run(true); }), gradient, 4 * tolerance<T>(c.head_dim), "unplaced");
  }
};

TEST_P(Placing, EqualsItsTwinInFp32) {
  check<float>();
}
TEST_P(Placing, EqualsItsTwinInBf16) {
  check<Bf16>();
}

INSTANTIATE_TEST_SUITE_P(Heads, Placing,
                         ::testing::Values(Case{3, 4, 2, 64, true, false}, Case{3, 2, 1, 128, true, true},
                                           Case{2, 3, 3, 10, true, true}, Case{1, 1, 1, 2, true, false},
                                           Case{2, 2, 1, 80, false, true}, Case{3, 2, 2, 16, false, false}));

TEST(PlacingWithoutBackward, KeepsNothing) {
  const auto x = noise(64, 1), w = noise(32, 2);
  DeviceArray<float> qk(x), weight(w);
  DeviceArray<int> where(std::vector<int>{0});
  Heads<float> heads{qk.data(), 64, 1, 1, 1, 32, where.data()};
  heads.q_norm = heads.k_norm = weight.data();
  place_heads<float>(heads, kEps, nullptr, 0, nullptr, nullptr);
  std::vector<float> want = x;
  for (const int64_t h : {0, 1})
    twin::rms_forward(x.data() + h * 32, w.data(), want.data() + h * 32, 32, kEps);
  expect_near(qk.values(), want, 1e-6, "placed");
}

}  // namespace
}  // namespace afina::model::cuda
