// SPDX-License-Identifier: Apache-2.0
// What the optimisers share: their state as named buffers, and the flat buffer cut into ranges of one rate.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "finetune/optim/optimiser.h"

namespace afina::finetune {

/// Elements [begin, end) of the flat buffer, with state from state_begin on, that share one rate.
struct RateRange {
  int64_t begin = 0, end = 0, state_begin = 0;
  double rate_factor = 1.0;
};

/// The blocks as the fewest ranges; state lies packed in their order.
std::vector<RateRange> rate_ranges(std::span<const ParameterBlock> blocks);

/// Keeps the state as named buffers, which is all that checkpoints ask for.
class BufferedOptimiser : public Optimiser {
 public:
  OptimiserState state() const final { return state_; }
  void restore(const OptimiserState& state) final;
  int64_t bytes() const final;

 protected:
  /// Zeros; the number of the buffer.
  size_t add_floats(std::string name, int64_t n);
  size_t add_bytes(std::string name, int64_t n);
  float* floats(size_t buffer) { return std::get<std::vector<float>>(state_.buffers[buffer].values).data(); }
  uint8_t* codes(size_t buffer) { return std::get<std::vector<uint8_t>>(state_.buffers[buffer].values).data(); }
  /// Counts the update and returns its number, from 1. Throws InternalError where the spans are not P long.
  int64_t begin_step(std::span<const float> parameters, std::span<const float> gradient);
  explicit BufferedOptimiser(int64_t parameters) : parameters_(parameters) {}

 private:
  int64_t parameters_;
  OptimiserState state_;
};

/// Elements a thread takes at least in an elementwise pass.
inline constexpr int64_t kElementGrain = 16384;

}  // namespace afina::finetune
