// SPDX-License-Identifier: Apache-2.0
#include "dpo/sorted_losses.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "dpo/margin_losses.h"

namespace afina::dpo {
namespace {

std::vector<size_t> ascending(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) { return values[i] < values[j]; });
  return order;
}

}  // namespace

SortedLoss sorted_loss(std::span<const double> u, std::span<const double> v, double beta, double label_smoothing) {
  AFINA_CHECK(u.size() == v.size(), "two samples of one size");
  SortedLoss out{std::vector<double>(u.size()), std::vector<double>(u.size()), std::vector<double>(u.size())};
  const auto u_order = ascending(u), v_order = ascending(v);
  for (size_t rank = 0; rank < u.size(); ++rank) {
    const size_t i = u_order[rank], j = v_order[rank];
    const Derived loss = sigmoid_loss(beta * (u[i] - v[j]), 1.0 - label_smoothing);
    out.value[i] = loss.value;
    out.by_u[i] = beta * loss.slope;
    out.by_v[j] = -beta * loss.slope;
  }
  return out;
}

}  // namespace afina::dpo
