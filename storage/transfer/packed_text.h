// SPDX-License-Identifier: Apache-2.0
// Lists of texts in one SQL cell, made by string_agg and read without a copy: entries "TAG LENGTH:TEXT" one after
// another. Lengths in bytes, so texts may hold anything. Cheaper than JSON on both sides.
#pragma once
#include <charconv>
#include <string>
#include <string_view>

#include "base/error.h"

namespace afina::storage {

/// SQL of one entry; tag and text are SQL expressions, the tag's value without blanks.
inline std::string packed_entry(std::string_view tag, std::string_view text) {
  return cat("(", tag, ") || ' ' || octet_length(", text, ") || ':' || ", text);
}

/// Reads the entries of a cell in order.
class PackedText {
 public:
  explicit PackedText(std::string_view cell) : rest_(cell) {}
  /// False at the end. Throws InternalError for a cell that is not of this form.
  bool next() {
    if (rest_.empty()) return false;
    const size_t blank = rest_.find(' ');
    const size_t colon = rest_.find(':', blank == std::string_view::npos ? 0 : blank);
    AFINA_CHECK(blank != std::string_view::npos && colon != std::string_view::npos, "a packed cell must have lengths");
    size_t bytes = 0;
    const auto [end, code] = std::from_chars(rest_.data() + blank + 1, rest_.data() + colon, bytes);
    AFINA_CHECK(code == std::errc() && end == rest_.data() + colon && bytes <= rest_.size() - colon - 1,
                "a packed cell must hold what its lengths say");
    tag_ = rest_.substr(0, blank);
    text_ = rest_.substr(colon + 1, bytes);
    rest_.remove_prefix(colon + 1 + bytes);
    return true;
  }
  std::string_view tag() const { return tag_; }
  std::string_view text() const { return text_; }

 private:
  std::string_view rest_, tag_, text_;
};

}  // namespace afina::storage
