// SPDX-License-Identifier: Apache-2.0
#include "finetune/optim/blocks.h"

#include "base/error.h"

namespace afina::finetune {
namespace {

int64_t bytes_of(const OptimiserBuffer& buffer) {
  return std::visit([](const auto& values) { return static_cast<int64_t>(values.size() * sizeof(values.front())); },
                    buffer.values);
}

}  // namespace

std::vector<RateRange> rate_ranges(std::span<const ParameterBlock> blocks) {
  std::vector<RateRange> ranges;
  int64_t state = 0;
  for (const auto& block : blocks) {
    const bool joins =
        !ranges.empty() && ranges.back().end == block.begin && ranges.back().rate_factor == block.rate_factor;
    if (joins) {
      ranges.back().end += block.size();
    } else {
      ranges.push_back({block.begin, block.begin + block.size(), state, block.rate_factor});
    }
    state += block.size();
  }
  return ranges;
}

void BufferedOptimiser::restore(const OptimiserState& state) {
  bool fits = state.step >= 0 && state.buffers.size() == state_.buffers.size();
  for (size_t i = 0; fits && i < state.buffers.size(); ++i) {
    const OptimiserBuffer &own = state_.buffers[i], &other = state.buffers[i];
    fits = own.name == other.name && own.values.index() == other.values.index() && bytes_of(own) == bytes_of(other);
  }
  if (!fits) {
    throw ModelError("[finetune.optim] must restore a state of the same optimiser and parameters, but got another.",
                     "resume with the optim the run began with");
  }
  state_ = state;
}

int64_t BufferedOptimiser::bytes() const {
  int64_t bytes = 0;
  for (const auto& buffer : state_.buffers)
    bytes += bytes_of(buffer);
  return bytes;
}

size_t BufferedOptimiser::add_floats(std::string name, int64_t n) {
  state_.buffers.push_back({std::move(name), std::vector<float>(static_cast<size_t>(n), 0.0F)});
  return state_.buffers.size() - 1;
}

size_t BufferedOptimiser::add_bytes(std::string name, int64_t n) {
  state_.buffers.push_back({std::move(name), std::vector<uint8_t>(static_cast<size_t>(n), 0)});
  return state_.buffers.size() - 1;
}

int64_t BufferedOptimiser::begin_step(std::span<const float> parameters, std::span<const float> gradient) {
  AFINA_CHECK(static_cast<int64_t>(parameters.size()) == parameters_ && gradient.size() == parameters.size(),
              "parameters and gradient as long as the blocks");
  return ++state_.step;
}

}  // namespace afina::finetune
