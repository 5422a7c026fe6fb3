// SPDX-License-Identifier: Apache-2.0
// Text that a normaliser or pre-tokenizer changed, with the bytes of the original that each of its bytes stands for.
// Unchanged text costs no table. Value type, used within one encode call.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace afina::text {

class MappedText {
 public:
  /// Text as it stands in the original from byte `base` on; kept by reference, which must outlive this object.
  MappedText(std::string_view original, size_t base) : view_(original), base_(base) {}
  MappedText() = default;
  MappedText(const MappedText&) = delete;
  MappedText& operator=(const MappedText&) = delete;
  MappedText(MappedText&& other) noexcept { *this = std::move(other); }
  MappedText& operator=(MappedText&& other) noexcept;

  std::string_view text() const { return view_; }
  /// Bytes of the original behind bytes [begin, end) of text(), begin < end.
  TextRange origin(size_t begin, size_t end) const;
  /// Whether byte i stands for byte i of the original (plus a base).
  bool is_unchanged() const { return origins_.empty(); }

 private:
  friend class MappedBuilder;
  std::string owned_;
  std::string_view view_;
  std::vector<TextRange> origins_;  // a byte of owned_ each; empty for unchanged text
  size_t base_ = 0;
};

/// Writes the changed text from left to right.
class MappedBuilder {
 public:
  explicit MappedBuilder(size_t expected_bytes);
  void append(std::string_view text, TextRange origin);
  void append(char32_t c, TextRange origin);
  /// Bytes [begin, end) of `from`, with their origins.
  void copy(const MappedText& from, size_t begin, size_t end);
  size_t size() const { return text_.size(); }
  MappedText finish();

 private:
  std::string text_;
  std::vector<TextRange> origins_;
};

}  // namespace afina::text
