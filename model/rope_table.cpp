// SPDX-License-Identifier: Apache-2.0
#include "model/rope_table.h"

#include <cmath>

namespace afina::model {
namespace {

constexpr int64_t kStep = 256;  // positions

int64_t rounded_up(int64_t positions) {
  return (positions + kStep - 1) / kStep * kStep;
}

}  // namespace

RopeTable::RopeTable(const ModelConfig& config)
    : inverse_(rope_inverse_frequencies(config)), half_(config.head_dim / 2) {}

void RopeTable::reserve(int64_t count) {
  const auto have = static_cast<int64_t>(cos_.size()) / half_;
  if (count <= have) return;
  const int64_t rounded = rounded_up(count);
  cos_.reserve(static_cast<size_t>(rounded * half_));
  sin_.reserve(cos_.capacity());
  cos_.resize(static_cast<size_t>(rounded * half_));
  sin_.resize(cos_.size());
  for (int64_t position = have; position < rounded; ++position)
    for (int64_t j = 0; j < half_; ++j) {
      const float angle = static_cast<float>(position) * inverse_[static_cast<size_t>(j)];
      cos_[static_cast<size_t>(position * half_ + j)] = std::cos(angle);
      sin_[static_cast<size_t>(position * half_ + j)] = std::sin(angle);
    }
}

int64_t RopeTable::bytes_for(int64_t head_dim, int64_t positions) {
  return rounded_up(positions) * (head_dim / 2) * 2 * static_cast<int64_t>(sizeof(float));
}

}  // namespace afina::model
