// SPDX-License-Identifier: Apache-2.0
#include "text/mapped_text.h"

#include <algorithm>

#include "base/utf8.h"

namespace afina::text {

MappedText& MappedText::operator=(MappedText&& other) noexcept {
  const bool is_owner = !other.origins_.empty() || !other.owned_.empty();
  owned_ = std::move(other.owned_);
  view_ = is_owner ? std::string_view(owned_) : other.view_;
  origins_ = std::move(other.origins_);
  base_ = other.base_;
  other.owned_.clear();
  other.origins_.clear();
  other.view_ = {};
  return *this;
}

TextRange MappedText::origin(size_t begin, size_t end) const {
  if (origins_.empty()) return {base_ + begin, base_ + end};
  TextRange range = origins_[begin];
  for (size_t i = begin; i < end; ++i)
    range.end = std::max(range.end, origins_[i].end);
  return range;
}

MappedBuilder::MappedBuilder(size_t expected_bytes) {
  text_.reserve(expected_bytes);
  origins_.reserve(expected_bytes);
}

void MappedBuilder::append(std::string_view text, TextRange origin) {
  text_ += text;
  origins_.insert(origins_.end(), text.size(), origin);
}

void MappedBuilder::append(char32_t c, TextRange origin) {
  const size_t before = text_.size();
  append_utf8(text_, c);
  origins_.insert(origins_.end(), text_.size() - before, origin);
}

void MappedBuilder::copy(const MappedText& from, size_t begin, size_t end) {
  text_ += from.view_.substr(begin, end - begin);
  if (from.is_unchanged()) {
    for (size_t i = begin; i < end; ++i)
      origins_.push_back({from.base_ + i, from.base_ + i + 1});
  } else {
    origins_.insert(origins_.end(), from.origins_.begin() + static_cast<std::ptrdiff_t>(begin),
                    from.origins_.begin() + static_cast<std::ptrdiff_t>(end));
  }
}

MappedText MappedBuilder::finish() {
  MappedText result;
  result.owned_ = std::move(text_);
  result.view_ = result.owned_;
  result.origins_ = std::move(origins_);
  return result;
}

}  // namespace afina::text
