// SPDX-License-Identifier: Apache-2.0
// AdamW with moments of 8 bits (Dettmers et al. 2022, arXiv:2110.02861), as bitsandbytes lays them out: a tensor of
// 4096 elements or more keeps each moment as one byte an element and one fp32 scale a block of 256; smaller ones stay
// fp32.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "finetune/optim/elementwise.h"

namespace afina::finetune {

/// 256 ascending numbers in [-1, 1] or [0, 1]: the dynamic tree of arXiv:1511.04561, where an exponent of up to seven
/// leading zeros leaves the rest of the byte to the fraction. Each value is the middle of its interval, but for 0 and
/// 1.
using DynamicCode = std::array<float, 256>;
DynamicCode dynamic_code(bool is_signed);

/// Rounds to the nearest code by a table over a number's sign, exponent and first six bits of fraction, which leaves at
/// most a few codes to try: a search of all 256 would take most of a step.
class CodeTable {
 public:
  explicit CodeTable(bool is_signed);
  const DynamicCode& code() const { return code_; }
  /// The lower one of two that are equally near; 0 for NaN.
  uint8_t nearest(float x) const {
    size_t at = first_[std::bit_cast<uint32_t>(x) >> kDropped];
    while (x > limit_[at])
      ++at;
    return static_cast<uint8_t>(at);
  }

 private:
  static constexpr int kDropped = 17;
  DynamicCode code_;
  std::array<float, 256> limit_;  // the largest number that is nearest to each code; of the last one infinity
  std::vector<uint8_t> first_;    // the code of the smallest number with these leading bits
};

/// State: "exp_avg_8bit", "exp_avg_sq_8bit" (bytes), their scales "exp_avg_absmax", "exp_avg_sq_absmax", and "exp_avg",
/// "exp_avg_sq" of the small tensors.
class AdamW8bit final : public BufferedOptimiser {
 public:
  AdamW8bit(std::span<const ParameterBlock> blocks, int64_t parameters, AdamWOptions options);
  void step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) override;

 private:
  struct Piece {  // up to 256 elements of one tensor: at most 256 in bytes, or any number in fp32
    int64_t begin, size, state_begin, scale;  // scale: index of its absmax; -1: fp32
    double rate_factor;
  };
  struct Numbers {
    float beta1, weight1, beta2, weight2, root, epsilon;
    double correction1;
  };
  void update(const Piece& piece, const Numbers& n, double learning_rate, float* p, const float* g);

  AdamWOptions options_;
  CodeTable signed_, unsigned_;
  std::vector<Piece> pieces_;
  size_t first_code_ = 0, second_code_ = 0, first_scale_ = 0, second_scale_ = 0, first_ = 0, second_ = 0;
};

}  // namespace afina::finetune
