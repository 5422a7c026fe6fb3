// SPDX-License-Identifier: Apache-2.0
// Cosines and sines of rotary positions, fp32 as the peers compute them: [positions, head_dim/2], grown on demand.
#pragma once
#include <cstdint>
#include <vector>

#include "model/config.h"

namespace afina::model {

/// reserve() must not run while others read.
class RopeTable {
 public:
  explicit RopeTable(const ModelConfig& config);
  /// Makes positions [0, count) available.
  void reserve(int64_t count);
  const float* cosines(int64_t position) const { return cos_.data() + position * half_; }
  const float* sines(int64_t position) const { return sin_.data() + position * half_; }
  int64_t half() const { return half_; }
  int64_t bytes() const { return static_cast<int64_t>(cos_.capacity() + sin_.capacity()) * 4; }
  /// What bytes() is once reserve(positions) was called.
  static int64_t bytes_for(int64_t head_dim, int64_t positions);

 private:
  std::vector<float> inverse_;
  int64_t half_;
  std::vector<float> cos_, sin_;
};

}  // namespace afina::model
