// SPDX-License-Identifier: Apache-2.0
#include "text/code_point_set.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "text/unicode_data.h"

namespace afina::text {

namespace {

constexpr std::array<std::string_view, 30> kCategories = {"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl",
                                                          "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc",
                                                          "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"};
constexpr std::string_view kCategoryLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%";

using Categories = std::array<CodePointSet, 30>;

Categories read_categories() {
  std::array<std::vector<CodePointRange>, 30> ranges;
  char32_t first = 0;
  char32_t length = 0;
  for (const char c : data::kCategoryRuns) {
    if (c >= '0' && c <= '9') {
      length = length * 32 + static_cast<char32_t>(c - '0');
    } else if (c >= 'a' && c <= 'v') {
      length = length * 32 + static_cast<char32_t>(c - 'a' + 10);
    } else {
      ranges[kCategoryLetters.find(c)].push_back({first, first + length - 1});
      first += length;
      length = 0;
    }
  }
  Categories sets;
  for (size_t i = 0; i < sets.size(); ++i)
    sets[i] = CodePointSet(std::move(ranges[i]));
  return sets;
}

const Categories& categories() {
  static const Categories sets = read_categories();
  return sets;
}

// "41-5a 61" in hexadecimal.
CodePointSet parse(std::string_view text) {
  std::vector<CodePointRange> ranges;
  char32_t first = 0;
  char32_t value = 0;
  bool in_range = false;
  const auto end_item = [&] {
    ranges.push_back({in_range ? first : value, value});
    value = 0;
    in_range = false;
  };
  for (const char c : text) {
    if (c == ' ') {
      end_item();
    } else if (c == '-') {
      first = value;
      value = 0;
      in_range = true;
    } else {
      value = value * 16 + static_cast<char32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    }
  }
  if (!text.empty()) end_item();
  return CodePointSet(std::move(ranges));
}

CodePointSet adjusted(CodePointSet base, std::string_view added, std::string_view removed) {
  base.add(parse(added));
  return removed.empty() ? base : base.without(parse(removed));
}

// As Oniguruma compares property names.
std::string folded(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == ' ' || c == '_' || c == '-') continue;
    out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return out;
}

constexpr std::pair<std::string_view, std::string_view> kLongNames[] = {{"letter", "L"},
                                                                        {"uppercaseletter", "Lu"},
                                                                        {"lowercaseletter", "Ll"},
                                                                        {"titlecaseletter", "Lt"},
                                                                        {"modifierletter", "Lm"},
                                                                        {"otherletter", "Lo"},
                                                                        {"mark", "M"},
                                                                        {"combiningmark", "M"},
                                                                        {"nonspacingmark", "Mn"},
                                                                        {"spacingmark", "Mc"},
                                                                        {"enclosingmark", "Me"},
                                                                        {"number", "N"},
                                                                        {"decimalnumber", "Nd"},
                                                                        {"letternumber", "Nl"},
                                                                        {"othernumber", "No"},
                                                                        {"punctuation", "P"},
                                                                        {"connectorpunctuation", "Pc"},
                                                                        {"dashpunctuation", "Pd"},
                                                                        {"openpunctuation", "Ps"},
                                                                        {"closepunctuation", "Pe"},
                                                                        {"initialpunctuation", "Pi"},
                                                                        {"finalpunctuation", "Pf"},
                                                                        {"otherpunctuation", "Po"},
                                                                        {"symbol", "S"},
                                                                        {"mathsymbol", "Sm"},
                                                                        {"currencysymbol", "Sc"},
                                                                        {"modifiersymbol", "Sk"},
                                                                        {"othersymbol", "So"},
                                                                        {"separator", "Z"},
                                                                        {"spaceseparator", "Zs"},
                                                                        {"lineseparator", "Zl"},
                                                                        {"paragraphseparator", "Zp"},
                                                                        {"other", "C"},
                                                                        {"control", "Cc"},
                                                                        {"format", "Cf"},
                                                                        {"surrogate", "Cs"},
                                                                        {"privateuse", "Co"},
                                                                        {"unassigned", "Cn"}};

std::optional<CodePointSet> category_set(const std::string& name) {
  if (name == "lc" || name == "casedletter") return union_of({"Lu", "Ll", "Lt"});
  for (const auto& [spelt, category] : kLongNames) {
    if (name == spelt) return union_of({category});
  }
  for (const auto category : kCategories) {
    if (name == folded(category) || (name.size() == 1 && name[0] == folded(category)[0])) {
      return union_of({name.size() == 1 ? category.substr(0, 1) : category});
    }
  }
  return std::nullopt;
}

std::optional<CodePointSet> posix_set(const std::string& name) {
  const auto alpha = [] { return adjusted(union_of({"L", "Nl"}), data::kAlphaAdded, data::kAlphaRemoved); };
  if (name == "alpha" || name == "alphabetic") return alpha();
  if (name == "digit") return union_of({"Nd"});
  if (name == "alnum") {
    CodePointSet set = alpha();
    set.add(union_of({"Nd"}));
    return set;
  }
  if (name == "upper" || name == "uppercase") return adjusted(union_of({"Lu"}), data::kUpperAdded, data::kUpperRemoved);
  if (name == "lower" || name == "lowercase") return adjusted(union_of({"Ll"}), data::kLowerAdded, data::kLowerRemoved);
  if (name == "punct") return adjusted(union_of({"P", "S"}), data::kOnigPunctAdded, data::kOnigPunctRemoved);
  if (name == "space" || name == "whitespace") return white_space();
  if (name == "cntrl") return union_of({"Cc"});
  if (name == "word") return onig_word();
  if (name == "any") return CodePointSet({{0, kLastCodePoint}});
  if (name == "ascii") return CodePointSet({{0, 0x7f}});
  if (name == "xdigit") return CodePointSet({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
  if (name == "blank") {
    CodePointSet set = union_of({"Zs"});
    set.add('\t', '\t');
    return set;
  }
  return std::nullopt;
}

std::optional<CodePointSet> script_set(const std::string& name) {
  std::string_view rest = data::kScripts;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view item = rest.substr(0, end);
    const size_t space = item.find(' ');
    if (folded(item.substr(0, space)) == name) return parse(item.substr(space + 1));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return std::nullopt;
}

}  // namespace

CodePointSet::CodePointSet(std::vector<CodePointRange> ranges) : ranges_(std::move(ranges)) {
  tidy();
}

void CodePointSet::tidy() {
  std::sort(ranges_.begin(), ranges_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<CodePointRange> merged;
  for (const auto& range : ranges_) {
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  ranges_ = std::move(merged);
}

void CodePointSet::add(char32_t first, char32_t last) {
  ranges_.push_back({first, last});
  tidy();
}

void CodePointSet::add(const CodePointSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  tidy();
}

CodePointSet CodePointSet::complement() const {
  CodePointSet out;
  char32_t next = 0;
  for (const auto& range : ranges_) {
    if (range.first > next) out.ranges_.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastCodePoint) out.ranges_.push_back({next, kLastCodePoint});
  return out;
}

CodePointSet CodePointSet::intersection(const CodePointSet& other) const {
  CodePointSet out;
  size_t i = 0;
  size_t j = 0;
  while (i < ranges_.size() && j < other.ranges_.size()) {
    const char32_t first = std::max(ranges_[i].first, other.ranges_[j].first);
    const char32_t last = std::min(ranges_[i].last, other.ranges_[j].last);
    if (first <= last) out.ranges_.push_back({first, last});
    ranges_[i].last < other.ranges_[j].last ? ++i : ++j;
  }
  return out;
}

bool CodePointSet::contains(char32_t c) const {
  const auto it = std::upper_bound(ranges_.begin(), ranges_.end(), c,
                                   [](char32_t value, const CodePointRange& range) { return value < range.first; });
  return it != ranges_.begin() && c <= std::prev(it)->last;
}

std::optional<CodePointSet> named_set(std::string_view name) {
  const std::string key = folded(name);
  if (auto set = category_set(key)) return set;
  if (auto set = posix_set(key)) return set;
  return script_set(key);
}

CodePointSet union_of(std::initializer_list<std::string_view> names) {
  std::vector<CodePointRange> ranges;
  for (const auto name : names) {
    for (size_t i = 0; i < kCategories.size(); ++i) {
      if (!kCategories[i].starts_with(name)) continue;
      const auto& more = categories()[i].ranges();
      ranges.insert(ranges.end(), more.begin(), more.end());
    }
  }
  return CodePointSet(std::move(ranges));
}

CodePointSet onig_word() {
  return onig_word_alone().without(CodePointSet({{0xb2, 0xb3}, {0xb9, 0xb9}, {0xbc, 0xbe}}));
}
CodePointSet onig_word_alone() {
  return adjusted(union_of({"L", "M", "Nd", "Pc"}), data::kOnigWordAdded, data::kOnigWordRemoved);
}
CodePointSet regex_word() {
  return adjusted(union_of({"L", "M", "Nd", "Pc"}), data::kRegexWordAdded, data::kRegexWordRemoved);
}
CodePointSet white_space() {
  return parse(data::kWhiteSpace);
}
CodePointSet punctuation() {
  return adjusted(union_of({"P"}), data::kPunctAdded, data::kPunctRemoved);
}
CodePointSet numeric() {
  return adjusted(union_of({"N"}), data::kNumericAdded, data::kNumericRemoved);
}
CodePointSet accents() {
  return adjusted(union_of({"M"}), data::kAccentAdded, data::kAccentRemoved);
}

}  // namespace afina::text
