// SPDX-License-Identifier: Apache-2.0
#include "finetune/optim/elementwise.h"

#include <ATen/Parallel.h>

#include <cmath>

namespace afina::finetune {
namespace {

int64_t state_size(const std::vector<RateRange>& ranges) {
  return ranges.empty() ? 0 : ranges.back().state_begin + ranges.back().end - ranges.back().begin;
}

}  // namespace

AdamW::AdamW(std::span<const ParameterBlock> blocks, int64_t parameters, AdamWOptions options)
    : BufferedOptimiser(parameters),
      options_(options),
      ranges_(rate_ranges(blocks)),
      first_moment_(add_floats("exp_avg", state_size(ranges_))),
      second_moment_(add_floats("exp_avg_sq", state_size(ranges_))) {}

void AdamW::step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) {
  const int64_t t = begin_step(parameters, gradient);
  for (const auto& range : ranges_)
    update(range, parameters.data() + range.begin, gradient.data() + range.begin, t, learning_rate * range.rate_factor);
}

void AdamW::update(const RateRange& range, float* p, const float* g, int64_t t, double learning_rate) {
  const double correction1 = 1.0 - std::pow(options_.beta1, static_cast<double>(t));
  const double correction2_root = std::sqrt(1.0 - std::pow(options_.beta2, static_cast<double>(t)));
  // Scalars are rounded to fp32 once, where torch does, so that an update equals torch's bit for bit.
  const auto decay = static_cast<float>(1.0 - learning_rate * options_.weight_decay);
  const auto weight1 = static_cast<float>(1.0 - options_.beta1);
  const auto beta2 = static_cast<float>(options_.beta2);
  const auto weight2 = static_cast<float>(1.0 - options_.beta2);
  const auto root = static_cast<float>(correction2_root);
  const auto epsilon = static_cast<float>(options_.epsilon);
  const auto minus_rate = static_cast<float>(-(learning_rate / correction1));
  float* m = floats(first_moment_) + range.state_begin;
  float* v = floats(second_moment_) + range.state_begin;
  at::parallel_for(0, range.end - range.begin, kElementGrain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      p[i] *= decay;
      m[i] += weight1 * (g[i] - m[i]);
      v[i] = v[i] * beta2 + weight2 * g[i] * g[i];
      p[i] += minus_rate * m[i] / (std::sqrt(v[i]) / root + epsilon);
    }
  });
}

Lion::Lion(std::span<const ParameterBlock> blocks, int64_t parameters, LionOptions options)
    : BufferedOptimiser(parameters),
      options_(options),
      ranges_(rate_ranges(blocks)),
      momentum_(add_floats("momentum", state_size(ranges_))) {}

void Lion::step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) {
  begin_step(parameters, gradient);
  const auto beta1 = static_cast<float>(options_.beta1), weight1 = static_cast<float>(1.0 - options_.beta1);
  const auto beta2 = static_cast<float>(options_.beta2), weight2 = static_cast<float>(1.0 - options_.beta2);
  for (const auto& range : ranges_) {
    const double own_rate = learning_rate * range.rate_factor;
    const auto decay = static_cast<float>(1.0 - own_rate * options_.weight_decay);
    const auto rate = static_cast<float>(own_rate);
    float* p = parameters.data() + range.begin;
    const float* g = gradient.data() + range.begin;
    float* m = floats(momentum_) + range.state_begin;
    at::parallel_for(0, range.end - range.begin, kElementGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float direction = m[i] * beta1 + weight1 * g[i];
        p[i] = p[i] * decay - (direction > 0.0F ? rate : direction < 0.0F ? -rate : 0.0F);
        m[i] = m[i] * beta2 + weight2 * g[i];
      }
    });
  }
}

Sgd::Sgd(std::span<const ParameterBlock> blocks, int64_t parameters, SgdOptions options)
    : BufferedOptimiser(parameters), options_(options), ranges_(rate_ranges(blocks)) {
  if (options_.momentum > 0.0) momentum_ = add_floats("momentum_buffer", state_size(ranges_));
}

void Sgd::step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) {
  begin_step(parameters, gradient);
  const auto decay = static_cast<float>(options_.weight_decay), keep = static_cast<float>(options_.momentum);
  for (const auto& range : ranges_) {
    const auto rate = static_cast<float>(learning_rate * range.rate_factor);
    float* p = parameters.data() + range.begin;
    const float* g = gradient.data() + range.begin;
    float* v = options_.momentum > 0.0 ? floats(momentum_) + range.state_begin : nullptr;
    at::parallel_for(0, range.end - range.begin, kElementGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        float move = g[i] + decay * p[i];
        if (v != nullptr) move = v[i] = v[i] * keep + move;
        p[i] -= rate * move;
      }
    });
  }
}

}  // namespace afina::finetune
