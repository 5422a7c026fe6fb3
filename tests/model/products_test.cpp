// SPDX-License-Identifier: Apache-2.0
// Frozen layers in bf16, backward panels made while they are used, and LoRA's thin products: against doubles.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "model/frozen_bf16.h"
#include "model/thin_products.h"

namespace afina::model {
namespace {

RowReader rows_of(const at::Tensor& w_OI) {
  return [w_OI](int64_t first, at::Tensor& out_RI) { out_RI.copy_(w_OI.narrow(0, first, out_RI.size(0))); };
}

at::Tensor in_bf16(const at::Tensor& x) {
  return x.to(at::kBFloat16).to(at::kDouble);
}

void expect_close(const at::Tensor& got, const at::Tensor& want, double tolerance, const char* what) {
  const double error = (got.to(at::kDouble) - want).abs().max().item<double>();
  EXPECT_LE(error, tolerance * (1.0 + want.abs().max().item<double>())) << what;
}

TEST(FrozenBf16, IsTheProductOfRoundedOperands) {
  at::manual_seed(1);
  for (const auto& [out, in] : {std::pair{70, 33}, {96, 64}, {1, 1}, {31, 1301}}) {
    const at::Tensor w = at::randn({out, in}), x = at::randn({37, in}), dy = at::randn({37, out});
    const auto bf16 = make_frozen_bf16(out, in, rows_of(w));
    EXPECT_LE(bf16->bytes(), 2 * ((out + 31) / 32 * 32) * (in + 1));
    at::Tensor y = at::ones({37, out}), dx = at::ones({37, in}), all = at::empty({out, in});
    bf16->forward(x, y, 1.0F);
    expect_close(y, at::mm(in_bf16(x), in_bf16(w).t()) + 1, 1e-5, "forward");
    bf16->backward_input(dy, dx, 0.0F);
    expect_close(dx, at::mm(in_bf16(dy), in_bf16(w)), 1e-5, "backward");
    bf16->dequantize_rows(0, all);
    EXPECT_TRUE(at::equal(all, w.to(at::kBFloat16).to(at::kFloat)));
    at::Tensor one = at::ones({1, out});
    bf16->forward(x.narrow(0, 5, 1), one, 1.0F);
    EXPECT_TRUE(at::equal(one, y.narrow(0, 5, 1))) << "a row depends on its batch mates";
  }
}

TEST(PackedStorage, AKeptTransposedCopyGivesTheBitsOfPanelsMadeOnTheFlyAndCostsItsMemory) {
  at::manual_seed(2);
  const at::Tensor w = at::randn({1333, 70}), dy = at::randn({600, 1333});
  const auto both = [&](const std::unique_ptr<FrozenLinear>& made, const std::unique_ptr<FrozenLinear>& kept) {
    EXPECT_THROW(
        {
          at::Tensor dx = at::empty({600, 70});
          kept->backward_input(dy, dx, 0.0F);
        },
        InternalError);
    made->prepare_backward();
    const int64_t before = kept->bytes();
    kept->prepare_backward();
    EXPECT_EQ(made->bytes(), before);
    EXPECT_GT(kept->bytes(), before * 19 / 10);
    at::Tensor dx1 = at::ones({600, 70}), dx2 = at::ones({600, 70});
    made->backward_input(dy, dx1, 1.0F);
    kept->backward_input(dy, dx2, 1.0F);
    EXPECT_TRUE(at::equal(dx1, dx2));
  };
  both(make_frozen_f32(w, GemmBackend::packed, Transposed::on_the_fly),
       make_frozen_f32(w, GemmBackend::packed, Transposed::kept));
  both(make_frozen_bf16(1333, 70, rows_of(w), Transposed::on_the_fly),
       make_frozen_bf16(1333, 70, rows_of(w), Transposed::kept));
}

TEST(ThinProducts, EqualDoublesForEveryShapeAndForStridedRows) {
  at::manual_seed(3);
  struct Case {
    int64_t rows, in, out, r;
  };
  for (const Case& c : {Case{16, 8, 9, 1}, {700, 96, 130, 16}, {2000, 33, 31, 48}, {61, 576, 64, 8}}) {
    const at::Tensor wide_x = at::randn({c.rows, c.in + 5}), wide_dy = at::randn({c.rows, c.out + 7});
    const at::Tensor x = wide_x.narrow(1, 3, c.in), dy = wide_dy.narrow(1, 2, c.out);
    const at::Tensor a = at::randn({c.r, c.in}), b = at::randn({c.out, c.r});
    ASSERT_TRUE(thin_products_pay(x));
    const at::Tensor xd = x.to(at::kDouble), dyd = dy.to(at::kDouble), ad = a.to(at::kDouble), bd = b.to(at::kDouble);
    at::Tensor wide_xa = at::empty({c.rows, c.r + 2}), xa = wide_xa.narrow(1, 1, c.r);
    thin_project(x, a, xa);
    expect_close(xa, at::mm(xd, ad.t()), 1e-5, "project");
    const at::Tensor xad = xa.to(at::kDouble);
    at::Tensor y = at::ones({c.rows, c.out});
    thin_expand(xa, b, 0.5, y);
    expect_close(y, 1 + 0.5 * at::mm(xad, bd.t()), 1e-5, "expand");
    at::Tensor g = at::empty({c.rows, c.r});
    thin_contract(dy, b, 2.0, g);
    expect_close(g, 2 * at::mm(dyd, bd), 1e-5, "contract");
    const at::Tensor gd = g.to(at::kDouble);
    at::Tensor dx = at::ones({c.rows, c.in}), da = at::ones({c.r, c.in}), db = at::ones({c.out, c.r});
    thin_spread(g, a, dx);
    expect_close(dx, 1 + at::mm(gd, ad), 1e-5, "spread");
    thin_gradient_a(g, x, da);
    expect_close(da, 1 + at::mm(gd.t(), xd), 1e-5, "gradient of A");
    thin_gradient_b(dy, xa, 0.25, db);
    expect_close(db, 1 + 0.25 * at::mm(dyd.t(), xad), 1e-5, "gradient of B");
  }
}

}  // namespace
}  // namespace afina::model
