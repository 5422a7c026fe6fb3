// SPDX-License-Identifier: Apache-2.0
#include "model/rope_table.h"

#include <cmath>

namespace afina::model {

RopeTable::RopeTable(const ModelConfig& config)
    : inverse_(rope_inverse_frequencies(config)), half_(config.head_dim / 2) {}

void RopeTable::reserve(int64_t count) {
  const auto have = static_cast<int64_t>(cos_.size()) / half_;
  if (count <= have) return;
  const int64_t rounded = (count + 255) / 256 * 256;
  cos_.resize(static_cast<size_t>(rounded * half_));
  sin_.resize(cos_.size());
  for (int64_t position = have; position < rounded; ++position)
    for (int64_t j = 0; j < half_; ++j) {
      const float angle = static_cast<float>(position) * inverse_[static_cast<size_t>(j)];
      cos_[static_cast<size_t>(position * half_ + j)] = std::cos(angle);
      sin_[static_cast<size_t>(position * half_ + j)] = std::sin(angle);
    }
}

}  // namespace afina::model
