// SPDX-License-Identifier: Apache-2.0
#include "text/splitter.h"

#include <algorithm>

#include "text/byte_alphabet.h"
#include "text/char_class.h"
#include "text/code_point.h"
#include "text/normalizer.h"

namespace afina::text {

namespace {

struct Match {
  TextRange range;
  bool is_match;
};

// Matches of a step within one piece, positions relative to it; together they cover it.
class Matcher {
 public:
  explicit Matcher(const SplitStep& step) : step_(step) {}

  const std::vector<Match>& run(std::string_view piece) {
    matches_.clear();
    switch (step_.kind) {
      case SplitStep::Kind::pattern:
        by_pattern(piece);
        break;
      case SplitStep::Kind::digits:
        by_character(piece, [](char32_t c) { return CharClasses::get().is_numeric(c); });
        break;
      case SplitStep::Kind::whitespace:
        by_word(piece);
        break;
      case SplitStep::Kind::whitespace_split:
        by_character(piece, [](char32_t c) { return CharClasses::get().of(c) == CharClass::space; });
        break;
      case SplitStep::Kind::punctuation:
        by_character(piece, [](char32_t c) { return CharClasses::get().is_punctuation(c); });
        break;
      default: {  // metaspace, character
        const char32_t wanted = decode_at(step_.text, 0).value;
        by_character(piece, [wanted](char32_t c) { return c == wanted; });
      }
    }
    if (step_.inverts) {
      for (Match& match : matches_)
        match.is_match = !match.is_match;
    }
    return matches_;
  }

 private:
  void add(size_t begin, size_t end, bool is_match) { matches_.push_back({{begin, end}, is_match}); }

  void by_pattern(std::string_view piece) {
    found_.clear();
    if (step_.regex != nullptr) {
      step_.regex->find_all(piece, found_);
    } else {
      find_literal(piece, step_.text, found_);
    }
    size_t done = 0;
    for (const TextRange& match : found_) {
      if (match.begin > done) add(done, match.begin, false);
      add(match.begin, match.end, true);
      done = match.end;
    }
    if (done < piece.size()) add(done, piece.size(), false);
  }

  template <typename Is>
  void by_character(std::string_view piece, const Is& is) {
    size_t done = 0;
    for (size_t pos = 0; pos < piece.size();) {
      const CodePoint c = decode_at(piece, pos);
      if (is(c.value)) {
        if (pos > done) add(done, pos, false);
        add(pos, pos + c.length_bytes, true);
        done = pos + c.length_bytes;
      }
      pos += c.length_bytes;
    }
    if (done < piece.size()) add(done, piece.size(), false);
  }

  // What is not \w+ and not [^\w\s]+ : the blanks, which are removed.
  void by_word(std::string_view piece) {
    const CharClasses& classes = CharClasses::get();
    int previous = -1;
    size_t begin = 0;
    for (size_t pos = 0; pos < piece.size();) {
      const CodePoint c = decode_at(piece, pos);
      const int kind = classes.is_word(c.value) ? 0 : classes.of(c.value) == CharClass::space ? 1 : 2;
      if (kind != previous && pos > 0) {
        add(begin, pos, previous == 1);
        begin = pos;
      }
      previous = kind;
      pos += c.length_bytes;
    }
    if (begin < piece.size()) add(begin, piece.size(), previous == 1);
  }

  const SplitStep& step_;
  std::vector<Match> matches_;
  std::vector<TextRange> found_;
};

// Pieces of the matches, relative to their piece, in the order that Hugging Face folds them; empty ones not yet
// dropped.
std::vector<TextRange> folded(const std::vector<Match>& matches, SplitBehavior behavior) {
  std::vector<TextRange> out;
  bool previous = false;
  const auto extend = [&](const Match& match, bool joins) {
    if (joins && !out.empty()) {
      out.back().begin = std::min(out.back().begin, match.range.begin);
      out.back().end = std::max(out.back().end, match.range.end);
    } else {
      out.push_back(match.range);
    }
    previous = match.is_match;
  };
  switch (behavior) {
    case SplitBehavior::removed:
      for (const Match& match : matches) {
        if (!match.is_match) out.push_back(match.range);
      }
      break;
    case SplitBehavior::isolated:
      for (const Match& match : matches)
        out.push_back(match.range);
      break;
    case SplitBehavior::contiguous:
      for (const Match& match : matches)
        extend(match, match.is_match == previous);
      break;
    case SplitBehavior::merged_with_previous:
      for (const Match& match : matches)
        extend(match, match.is_match && !previous);
      break;
    case SplitBehavior::merged_with_next:
      for (auto it = matches.rbegin(); it != matches.rend(); ++it)
        extend(*it, it->is_match && !previous);
      std::reverse(out.begin(), out.end());
      break;
  }
  return out;
}

void cut(const SplitStep& step, SplitText& split) {
  Matcher matcher(step);
  std::vector<TextRange> pieces;
  pieces.reserve(split.pieces.size());
  for (const TextRange& piece : split.pieces) {
    const auto text = split.text.text().substr(piece.begin, piece.end - piece.begin);
    for (const TextRange& part : folded(matcher.run(text), step.behavior)) {
      if (part.end > part.begin) pieces.push_back({piece.begin + part.begin, piece.begin + part.end});
    }
  }
  split.pieces = std::move(pieces);
}

void scan(SplitRule rule, SplitText& split) {
  std::vector<TextRange> pieces;
  for (const TextRange& piece : split.pieces) {
    size_t begin = piece.begin;
    for (const size_t end : piece_ends(rule, split.text.text().substr(piece.begin, piece.end - piece.begin))) {
      pieces.push_back({begin, piece.begin + end});
      begin = piece.begin + end;
    }
  }
  split.pieces = std::move(pieces);
}

void cut_every(size_t length, SplitText& split) {
  std::vector<TextRange> pieces;
  const std::string_view text = split.text.text();
  for (const TextRange& piece : split.pieces) {
    for (size_t pos = piece.begin; pos < piece.end;) {
      const size_t begin = pos;
      for (size_t n = 0; n < length && pos < piece.end; ++n)
        pos += decode_at(text, pos).length_bytes;
      pieces.push_back({begin, pos});
    }
  }
  split.pieces = std::move(pieces);
}

// Rewrites each piece; `change` appends it to the builder.
template <typename Change>
void rewrite(SplitText& split, const Change& change) {
  MappedBuilder out(split.text.text().size() + split.text.text().size() / 4);
  std::vector<TextRange> pieces;
  pieces.reserve(split.pieces.size());
  for (const TextRange& piece : split.pieces) {
    const size_t begin = out.size();
    change(piece, out);
    if (out.size() > begin) pieces.push_back({begin, out.size()});
  }
  split.text = out.finish();
  split.pieces = std::move(pieces);
}

size_t origin_begin(const MappedText& text, size_t pos) {
  return text.origin(pos, pos + 1).begin;
}

void prefix_spaces(SplitText& split) {
  const std::string_view text = split.text.text();
  const auto lacks = [text](const TextRange& piece) { return text[piece.begin] != ' '; };
  if (std::none_of(split.pieces.begin(), split.pieces.end(), lacks)) return;
  rewrite(split, [&](const TextRange& piece, MappedBuilder& out) {
    const size_t begin = origin_begin(split.text, piece.begin);
    if (lacks(piece)) out.append(" ", {begin, begin});
    out.copy(split.text, piece.begin, piece.end);
  });
}

void replace_spaces(const SplitStep& step, SplitText& split) {
  const std::string_view text = split.text.text();
  rewrite(split, [&](const TextRange& piece, MappedBuilder& out) {
    const size_t begin = origin_begin(split.text, piece.begin);
    const std::string_view part = text.substr(piece.begin, piece.end - piece.begin);
    const bool may =
        step.prepend == SplitStep::Prepend::always || (step.prepend == SplitStep::Prepend::first && begin == 0);
    if (may && part[0] != ' ' && !part.starts_with(step.text)) out.append(step.text, {begin, begin});
    for (size_t pos = piece.begin; pos < piece.end; ++pos) {
      if (text[pos] == ' ') {
        out.append(step.text, split.text.origin(pos, pos + 1));
      } else {
        out.copy(split.text, pos, pos + 1);
      }
    }
  });
}

}  // namespace

void split_text(const std::vector<SplitStep>& steps, SplitText& split) {
  split.pieces.clear();
  if (!split.text.text().empty()) split.pieces.push_back({0, split.text.text().size()});
  for (const SplitStep& step : steps) {
    if (split.pieces.empty()) return;
    switch (step.kind) {
      case SplitStep::Kind::scanner:
        scan(step.rule, split);
        break;
      case SplitStep::Kind::fixed_length:
        cut_every(step.length, split);
        break;
      case SplitStep::Kind::prefix_space:
        prefix_spaces(split);
        break;
      case SplitStep::Kind::metaspace:
        replace_spaces(step, split);
        if (step.splits) cut(step, split);
        break;
      case SplitStep::Kind::byte_alphabet:
        rewrite(split, [&split](const TextRange& piece, MappedBuilder& out) {
          append_in_byte_alphabet(split.text, piece, out);
        });
        break;
      default:
        cut(step, split);
    }
  }
}

}  // namespace afina::text
