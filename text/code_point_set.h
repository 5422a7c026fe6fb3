// SPDX-License-Identifier: Apache-2.0
// Sets of code points as sorted ranges, and the named sets of Unicode 16 (general categories, scripts, POSIX brackets
// as Oniguruma has them). What pre-tokenizers and patterns are made of; no case mapping, no normalisation.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

namespace afina::text {

/// Code points first … last, both included.
struct CodePointRange {
  char32_t first;
  char32_t last;
  bool operator==(const CodePointRange&) const = default;
};

inline constexpr char32_t kLastCodePoint = 0x10ffff;

/// Value type; every operation keeps the ranges sorted, disjoint and not adjacent.
class CodePointSet {
 public:
  CodePointSet() = default;
  explicit CodePointSet(std::vector<CodePointRange> ranges);

  void add(char32_t first, char32_t last);
  void add(const CodePointSet& other);
  CodePointSet complement() const;
  CodePointSet intersection(const CodePointSet& other) const;
  CodePointSet without(const CodePointSet& other) const { return intersection(other.complement()); }
  bool contains(char32_t c) const;
  bool empty() const { return ranges_.empty(); }
  const std::vector<CodePointRange>& ranges() const { return ranges_; }

 private:
  void tidy();
  std::vector<CodePointRange> ranges_;
};

/// A general category ("Lu"), a group of them ("L"), a script ("Han"), a POSIX bracket ("alpha") or its long name, as
/// Oniguruma's \p{…}: case, spaces, hyphens and underscores do not count. Nothing for a name that is not known.
std::optional<CodePointSet> named_set(std::string_view name);
/// General categories, or groups of them, by their short names: union_of({"L", "Nd"}).
CodePointSet union_of(std::initializer_list<std::string_view> categories);
/// `\w` of Oniguruma inside a class; alone it also means six numbers of Latin-1 (²³¹¼½¾).
CodePointSet onig_word();
CodePointSet onig_word_alone();
/// `\w` of Rust's regex crate.
CodePointSet regex_word();
CodePointSet white_space();
/// Punctuation as Hugging Face's Punctuation pre-tokenizer sees it.
CodePointSet punctuation();
/// Rust's char::is_numeric.
CodePointSet numeric();
/// What Hugging Face's StripAccents drops.
CodePointSet accents();

}  // namespace afina::text
