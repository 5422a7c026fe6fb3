// SPDX-License-Identifier: Apache-2.0
// The classes that pre-tokenizers distinguish, looked up in constant time.
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

  CharClass of(char32_t code_point) const { return static_cast<CharClass>(flags(code_point) & 3); }
  /// Rust's char::is_numeric.
  bool is_numeric(char32_t code_point) const { return (flags(code_point) & kNumericBit) != 0; }
  /// `\w` of Rust's regex crate.
  bool is_word(char32_t code_point) const { return (flags(code_point) & kWordBit) != 0; }
  /// As Hugging Face's Punctuation pre-tokenizer.
  bool is_punctuation(char32_t code_point) const { return (flags(code_point) & kPunctuationBit) != 0; }
  /// As Hugging Face's StripAccents.
  bool is_accent(char32_t code_point) const { return (flags(code_point) & kAccentBit) != 0; }

 private:
  static constexpr int kShift = 8;
  static constexpr char32_t kMask = 0xff;
  static constexpr uint8_t kNumericBit = 4;
  static constexpr uint8_t kWordBit = 8;
  static constexpr uint8_t kPunctuationBit = 16;
  static constexpr uint8_t kAccentBit = 32;
  using Block = std::array<uint8_t, 256>;

  CharClasses();
  uint8_t flags(char32_t code_point) const { return blocks_[stages_[code_point >> kShift]][code_point & kMask]; }
  std::array<uint16_t, (0x110000 >> kShift)> stages_;
  std::vector<Block> blocks_;
};

}  // namespace afina::text
