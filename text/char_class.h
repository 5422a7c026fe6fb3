// SPDX-License-Identifier: Apache-2.0
// The four classes that byte-level BPE's patterns distinguish, looked up in constant time.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

namespace afina::text {

/// \p{L}, \p{N}, White_Space (`\s`), everything else.
enum class CharClass : uint8_t { other, letter, number, space };

/// Two-stage table over all code points (about 60 KB), built once. Immutable: any thread may read it.
class CharClasses {
 public:
  /// The one instance; it holds facts of Unicode, no state.
  static const CharClasses& get();

  CharClass of(char32_t code_point) const {
    return static_cast<CharClass>(blocks_[stages_[code_point >> kShift]][code_point & kMask] & 3);
  }
  /// Rust's char::is_numeric.
  bool is_numeric(char32_t code_point) const {
    return (blocks_[stages_[code_point >> kShift]][code_point & kMask] & kNumericBit) != 0;
  }

 private:
  static constexpr int kShift = 8;
  static constexpr char32_t kMask = 0xff;
  static constexpr uint8_t kNumericBit = 4;
  using Block = std::array<uint8_t, 256>;

  CharClasses();
  std::array<uint16_t, (0x110000 >> kShift)> stages_;
  std::vector<Block> blocks_;
};

}  // namespace afina::text
