// SPDX-License-Identifier: Apache-2.0
// The hand-written scanners against PCRE2 running the patterns themselves, and our Unicode tables against PCRE2's.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pre_tokenizer.h"

#include <gtest/gtest.h>
#include <pcre2.h>

#include <memory>
#include <random>

#include "base/utf8.h"
#include "text/char_class.h"

namespace afina::text {
namespace {

class Pcre {
 public:
  explicit Pcre(std::string pattern) {
    // Under UCP, PCRE2's \s also holds U+180E, which Oniguruma's and Rust's do not.
    for (const auto& [from, to] : {std::pair{"\\s", "\\p{White_Space}"}, std::pair{"\\S", "\\P{White_Space}"}}) {
      for (size_t at = 0; (at = pattern.find(from, at)) != std::string::npos;) {
        pattern.replace(at, 2, to);
        at += std::string(to).size();
      }
    }
    int error = 0;
    PCRE2_SIZE where = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.c_str()), pattern.size(), PCRE2_UTF | PCRE2_UCP,
                              &error, &where, nullptr));
    EXPECT_NE(code_, nullptr) << pattern << " at " << where;
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);
    match_.reset(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
  }
  /// End of the match that begins at pos, or npos.
  size_t match_at(std::string_view text, size_t pos) const {
    const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), pos,
                                  PCRE2_NO_UTF_CHECK | PCRE2_ANCHORED, match_.get(), nullptr);
    return found < 0 ? std::string::npos : pcre2_get_ovector_pointer(match_.get())[1];
  }
  std::vector<size_t> ends(std::string_view text, size_t offset = 0) const {
    std::vector<size_t> out;
    for (size_t pos = 0; pos < text.size();) {
      pos = match_at(text, pos);
      if (pos == std::string::npos) throw std::logic_error("no match");
      out.push_back(offset + pos);
    }
    return out;
  }

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  };
  std::unique_ptr<pcre2_code, Free> code_;
  std::unique_ptr<pcre2_match_data, Free> match_;
};

std::vector<size_t> oracle(SplitRule rule, const std::string& text) {
  static const Pcre gpt2{std::string(kGpt2Pattern)};
  static const Pcre llama3{std::string(kLlama3Pattern)};
  static const Pcre qwen2{std::string(kQwen2Pattern)};
  static const Pcre digit{R"(\p{N})"};
  if (rule == SplitRule::llama3) return llama3.ends(text);
  if (rule == SplitRule::qwen2) return qwen2.ends(text);
  if (rule == SplitRule::gpt2) return gpt2.ends(text);
  std::vector<size_t> ends;
  const auto add = [&](size_t begin, size_t end) {
    for (const size_t e : gpt2.ends(std::string_view(text).substr(begin, end - begin), begin))
      ends.push_back(e);
  };
  size_t begin = 0;
  for (size_t pos = 0; pos < text.size();) {
    const size_t end = digit.match_at(text, pos);
    if (end == std::string::npos) {
      do
        ++pos;
      while (pos < text.size() && (static_cast<unsigned char>(text[pos]) & 0xc0) == 0x80);
      continue;
    }
    add(begin, pos);
    ends.push_back(end);
    begin = pos = end;
  }
  add(begin, text.size());
  return ends;
}

bool is_scalar(char32_t c) {
  return c < 0xd800 || (c > 0xdfff && c < 0x110000);
}

CharClass pcre_class(char32_t c) {
  static const Pcre letter{R"(\p{L})"};
  static const Pcre number{R"(\p{N})"};
  static const Pcre space{R"(\p{White_Space})"};
  std::string text;
  append_utf8(text, c);
  if (letter.match_at(text, 0) != std::string::npos) return CharClass::letter;
  if (number.match_at(text, 0) != std::string::npos) return CharClass::number;
  return space.match_at(text, 0) != std::string::npos ? CharClass::space : CharClass::other;
}

TEST(CharClasses, hold_unicode_16_which_has_9272_letters_and_120_numbers_more_than_the_14_of_pcre2) {
  const CharClasses& classes = CharClasses::get();
  size_t new_letters = 0;
  size_t new_numbers = 0;
  size_t others = 0;
  size_t numeric_extra = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (!is_scalar(c)) continue;
    const CharClass ours = classes.of(c);
    const CharClass theirs = pcre_class(c);
    if (ours == theirs) {
      if (classes.is_numeric(c) && ours != CharClass::number) ++numeric_extra;
      continue;
    }
    const bool is_new = theirs == CharClass::other;
    ++(is_new && ours == CharClass::letter ? new_letters : is_new && ours == CharClass::number ? new_numbers : others);
  }
  EXPECT_EQ(new_letters, 9272u);
  EXPECT_EQ(new_numbers, 120u);
  EXPECT_EQ(others, 0u);
  EXPECT_EQ(numeric_extra, 13u);
}

// Mostly what patterns look at, sometimes any character whose class both Unicode versions share.
std::string random_text(std::mt19937& random) {
  static const char32_t favourites[] = {
      U' ', U' ',  U'\n', U'\r',   U'\t',     U'\'',     U's',      U't',      U'r',      U'e',      U'v',      U'l',
      U'd', U'M',  U'S',  U'L',    U'1',      U'2',      U'.',      U'-',      U'ñ',      U'ẽ',      U'½',      U'²',
      U'ſ', U'中', U'١',  U'🦙', U'\u0303', U'\u200d', U'\u00a0', U'\u3000', U'\u180e', U'\u0085', U'\u2028', U'\0'};
  std::uniform_int_distribution<size_t> favourite(0, std::size(favourites) - 1);
  std::uniform_int_distribution<char32_t> any(0, 0x10ffff);
  std::uniform_int_distribution<int> length(0, 24);
  std::string text;
  for (int n = length(random); n > 0; --n) {
    char32_t c = favourites[favourite(random)];
    if (random() % 8 == 0) {
      const char32_t candidate = any(random);
      const bool shared =
          is_scalar(candidate) && CharClasses::get().of(candidate) == pcre_class(candidate) &&
          CharClasses::get().is_numeric(candidate) == (CharClasses::get().of(candidate) == CharClass::number);
      if (shared) c = candidate;
    }
    append_utf8(text, c);
  }
  return text;
}

class Scanner : public testing::TestWithParam<SplitRule> {};

TEST_P(Scanner, cuts_random_unicode_text_as_pcre2_does) {
  const auto seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  for (int i = 0; i < 20000; ++i) {
    const std::string text = random_text(random);
    ASSERT_EQ(piece_ends(GetParam(), text), oracle(GetParam(), text)) << "seed " << seed << ", text '" << text << "'";
  }
}

INSTANTIATE_TEST_SUITE_P(Rules, Scanner,
                         testing::Values(SplitRule::gpt2, SplitRule::smollm, SplitRule::llama3, SplitRule::qwen2));

std::vector<std::string> pieces(SplitRule rule, const std::string& text) {
  std::vector<std::string> out;
  size_t begin = 0;
  for (const size_t end : piece_ends(rule, text)) {
    out.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return out;
}

using Pieces = std::vector<std::string>;

TEST(SmolLm2Pieces, are_those_of_the_reference) {
  EXPECT_EQ(pieces(SplitRule::smollm, "Hello world! 123"), (Pieces{"Hello", " world", "!", " ", "1", "2", "3"}));
  EXPECT_EQ(pieces(SplitRule::smollm, "x\n\n 7\n"), (Pieces{"x", "\n\n ", "7", "\n"}));
  EXPECT_EQ(pieces(SplitRule::smollm, "I'll IT'S 3"), (Pieces{"I", "'ll", " IT", "'", "S", " ", "3"}));
  EXPECT_EQ(pieces(SplitRule::smollm, "a\t\tb  \n"), (Pieces{"a", "\t", "\t", "b", "  \n"}));
  EXPECT_EQ(pieces(SplitRule::llama3, "x'ſa"), (Pieces{"x", "'ſ", "a"}));
  EXPECT_EQ(pieces(SplitRule::llama3, ""), Pieces{});
  // U+11DE0 is a digit of Unicode 17: Digits cuts there, \p{N} of Unicode 16 does not know it.
  EXPECT_EQ(pieces(SplitRule::smollm, "!\U00011de0!"), (Pieces{"!", "\U00011de0", "!"}));
  EXPECT_EQ(pieces(SplitRule::gpt2, "!\U00011de0!"), (Pieces{"!\U00011de0!"}));
}

}  // namespace
}  // namespace afina::text
