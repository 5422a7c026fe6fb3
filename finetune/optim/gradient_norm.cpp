// SPDX-License-Identifier: Apache-2.0
#include "finetune/optim/gradient_norm.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace afina::finetune {
namespace {

constexpr int64_t kBlock = 16384;  // the order of summation: not a tuning knob

}  // namespace

double global_norm(std::span<const float> gradient) {
  const auto n = static_cast<int64_t>(gradient.size());
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  std::vector<double> sums(static_cast<size_t>(blocks), 0.0);
  at::parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      double sum = 0.0;
      const int64_t end = std::min(n, (block + 1) * kBlock);
      for (int64_t i = block * kBlock; i < end; ++i) {
        const double g = gradient[static_cast<size_t>(i)];
        sum += g * g;
      }
      sums[static_cast<size_t>(block)] = sum;
    }
  });
  double total = 0.0;
  for (const double sum : sums)
    total += sum;
  return std::sqrt(total);
}

void clip_gradient(std::span<float> gradient, double norm, double max_norm) {
  if (max_norm <= 0.0) return;
  const auto factor = static_cast<float>(std::min(1.0, max_norm / (norm + 1e-6)));
  if (factor == 1.0F) return;
  for (float& g : gradient)
    g *= factor;
}

}  // namespace afina::finetune
