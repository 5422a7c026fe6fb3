// SPDX-License-Identifier: Apache-2.0
#include "lora/pissa.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "lora/dropout.h"

namespace afina::lora {
namespace {

struct Svd {
  at::Tensor u, s, vh;
};

Svd exact(const at::Tensor& w_OI) {
  const auto [u, s, vh] = at::linalg_svd(w_OI, false);
  return {u, s, vh};
}

/// Halko, Martinsson and Tropp 2011, algorithm 4.4, with as many extra columns as directions.
Svd subspace(const at::Tensor& w_OI, int64_t r, int iterations) {
  const int64_t columns = std::min({2 * r, w_OI.size(0), w_OI.size(1)});
  at::Tensor start = at::empty({w_OI.size(1), columns}, at::kFloat);
  float* values = start.data_ptr<float>();
  for (int64_t i = 0; i < start.numel(); ++i)
    values[i] = 2.0F * counter_uniform(0x5050, static_cast<uint64_t>(i)) - 1.0F;
  at::Tensor q = std::get<0>(at::linalg_qr(at::mm(w_OI, start)));
  for (int i = 0; i < iterations; ++i) {
    q = std::get<0>(at::linalg_qr(at::mm(w_OI.t(), q)));
    q = std::get<0>(at::linalg_qr(at::mm(w_OI, q)));
  }
  Svd small = exact(at::mm(q.t(), w_OI));
  small.u = at::mm(q, small.u);
  return small;
}

}  // namespace

std::pair<at::Tensor, at::Tensor> pissa_directions(const at::Tensor& w_OI, int64_t r, double scale, int iterations) {
  const int64_t most = std::min(w_OI.size(0), w_OI.size(1));
  if (r > most)
    throw UsageError(
        cat("[lora.config] r must not exceed the ", most, " singular values of a weight with PiSSA, but is ", r, "."));
  const Svd svd = iterations > 0 ? subspace(w_OI, r, iterations) : exact(w_OI);
  const at::Tensor root = (svd.s.narrow(0, 0, r) / scale).sqrt();
  return {root.unsqueeze(1) * svd.vh.narrow(0, 0, r), svd.u.narrow(1, 0, r) * root};
}

}  // namespace afina::lora
