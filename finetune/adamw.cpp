// SPDX-License-Identifier: Apache-2.0
#include "finetune/adamw.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace afina::finetune {
namespace {

constexpr int64_t kGrain = 16384;

}  // namespace

AdamW::AdamW(int64_t parameters, AdamWOptions options) : options_(options) {
  state_.first_moment.assign(static_cast<size_t>(parameters), 0.0F);
  state_.second_moment.assign(static_cast<size_t>(parameters), 0.0F);
}

void AdamW::restore(AdamWState state) {
  AFINA_CHECK(state.first_moment.size() == state_.first_moment.size() &&
                  state.second_moment.size() == state_.second_moment.size(),
              "moments as long as the parameters");
  state_ = std::move(state);
}

void AdamW::step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) {
  AFINA_CHECK(parameters.size() == state_.first_moment.size() && gradient.size() == parameters.size(),
              "parameters, gradient and moments of one length");
  ++state_.step;
  const auto t = static_cast<double>(state_.step);
  const double correction1 = 1.0 - std::pow(options_.beta1, t);
  const double correction2_root = std::sqrt(1.0 - std::pow(options_.beta2, t));
  // Scalars are rounded to fp32 once, where torch does, so that an update equals torch's bit for bit.
  const auto decay = static_cast<float>(1.0 - learning_rate * options_.weight_decay);
  const auto weight1 = static_cast<float>(1.0 - options_.beta1);
  const auto beta2 = static_cast<float>(options_.beta2);
  const auto weight2 = static_cast<float>(1.0 - options_.beta2);
  const auto root = static_cast<float>(correction2_root);
  const auto epsilon = static_cast<float>(options_.epsilon);
  const auto minus_rate = static_cast<float>(-(learning_rate / correction1));
  float* p = parameters.data();
  const float* g = gradient.data();
  float* m = state_.first_moment.data();
  float* v = state_.second_moment.data();
  at::parallel_for(0, static_cast<int64_t>(parameters.size()), kGrain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      p[i] *= decay;
      m[i] += weight1 * (g[i] - m[i]);
      v[i] = v[i] * beta2 + weight2 * g[i] * g[i];
      p[i] += minus_rate * m[i] / (std::sqrt(v[i]) / root + epsilon);
    }
  });
}

double global_norm(std::span<const float> gradient) {
  const auto n = static_cast<int64_t>(gradient.size());
  const int64_t blocks = (n + kGrain - 1) / kGrain;
  std::vector<double> sums(static_cast<size_t>(blocks), 0.0);
  at::parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      double sum = 0.0;
      const int64_t end = std::min(n, (block + 1) * kGrain);
      for (int64_t i = block * kGrain; i < end; ++i) {
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
