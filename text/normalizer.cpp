// SPDX-License-Identifier: Apache-2.0
#include "text/normalizer.h"

#include "base/cat.h"
#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/char_class.h"
#include "text/code_point.h"

namespace afina::text {

namespace {

constexpr size_t kMaxNormalizedBytes = size_t{1} << 30;

// Rewrites character by character; `change` appends what each becomes.
template <typename Change>
MappedText per_character(const MappedText& from, const Change& change) {
  const std::string_view text = from.text();
  MappedBuilder out(text.size());
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = decode_at(text, pos);
    change(c, pos, out);
    pos += c.length_bytes;
  }
  return out.finish();
}

bool is_space(std::string_view text, size_t pos) {
  return CharClasses::get().of(decode_at(text, pos).value) == CharClass::space;
}

MappedText stripped(const MappedText& from, bool left, bool right) {
  const std::string_view text = from.text();
  size_t begin = 0;
  size_t end = text.size();
  while (left && begin < end && is_space(text, begin))
    begin += decode_at(text, begin).length_bytes;
  while (right && end > begin && is_space(text, previous_character(text, end)))
    end = previous_character(text, end);
  MappedBuilder out(end - begin);
  out.copy(from, begin, end);
  return out.finish();
}

MappedText prepended(const MappedText& from, const std::string& prefix) {
  const std::string_view text = from.text();
  MappedBuilder out(text.size() + prefix.size());
  if (!text.empty()) {
    const size_t begin = from.origin(0, decode_at(text, 0).length_bytes).begin;
    out.append(prefix, {begin, begin});
    out.copy(from, 0, text.size());
  }
  return out.finish();
}

MappedText replaced(const MappedText& from, const NormalizerStep& step) {
  const std::string_view text = from.text();
  std::vector<TextRange> matches;
  if (step.regex != nullptr) {
    step.regex->find_all(text, matches);
  } else {
    find_literal(text, step.pattern, matches);
  }
  if (text.size() + matches.size() * step.content.size() > kMaxNormalizedBytes) {
    throw DataError(
        cat("[tokenizer] a normalised text must have at most ", kMaxNormalizedBytes, " bytes, but has more"));
  }
  MappedBuilder out(text.size());
  size_t done = 0;
  for (const TextRange& match : matches) {
    out.copy(from, done, match.begin);
    // The content stands for the last character replaced, so that what is cut off before it is known to be cut off.
    TextRange origin{};
    if (match.end > match.begin) {
      origin = from.origin(previous_character(text, match.end), match.end);
    } else if (match.end > 0) {
      const TextRange before = from.origin(previous_character(text, match.end), match.end);
      origin = {before.begin, before.end};
    }
    out.append(step.content, origin);
    done = match.end;
  }
  out.copy(from, done, text.size());
  return out.finish();
}

// sentencepiece's nmt rules: control characters go, odd blanks become spaces.
MappedText nmt(const MappedText& from) {
  return per_character(from, [&from](CodePoint c, size_t pos, MappedBuilder& out) {
    const char32_t v = c.value;
    const bool drops = (v >= 1 && v <= 8) || v == 0xb || (v >= 0xe && v <= 0x1f) || v == 0x7f || v == 0x8f || v == 0x9f;
    if (drops) return;
    const bool blank = v == 9 || v == 0xa || v == 0xc || v == 0xd || v == 0x1680 || (v >= 0x200b && v <= 0x200f) ||
                       v == 0x2028 || v == 0x2029 || v == 0x2581 || v == 0xfeff || v == 0xfffd;
    out.append(blank ? U' ' : v, from.origin(pos, pos + c.length_bytes));
  });
}

MappedText one_step(const NormalizerStep& step, const MappedText& from) {
  switch (step.kind) {
    case NormalizerStep::Kind::form:
      return normalize(from, step.form);
    case NormalizerStep::Kind::lowercase:
      return lowercase(from);
    case NormalizerStep::Kind::strip:
      return stripped(from, step.strips_left, step.strips_right);
    case NormalizerStep::Kind::strip_accents:
      return per_character(from, [&from](CodePoint c, size_t pos, MappedBuilder& out) {
        if (!CharClasses::get().is_accent(c.value)) out.copy(from, pos, pos + c.length_bytes);
      });
    case NormalizerStep::Kind::prepend:
      return prepended(from, step.content);
    case NormalizerStep::Kind::replace:
      return replaced(from, step);
    case NormalizerStep::Kind::nmt:
      return nmt(from);
    case NormalizerStep::Kind::byte_level:
      break;
  }
  MappedBuilder out(from.text().size() * 2);
  append_in_byte_alphabet(from, {0, from.text().size()}, out);
  return out.finish();
}

}  // namespace

void apply_normalizer(const std::vector<NormalizerStep>& steps, MappedText& text) {
  for (const NormalizerStep& step : steps) {
    if (text.text().empty()) return;
    if (step.kind == NormalizerStep::Kind::form && is_surely_normal(text.text(), step.form)) continue;
    text = one_step(step, text);
  }
}

void find_literal(std::string_view text, std::string_view literal, std::vector<TextRange>& matches) {
  if (literal.empty()) {
    for (size_t pos = 0;; pos += decode_at(text, pos).length_bytes) {
      matches.push_back({pos, pos});
      if (pos == text.size()) return;
    }
  }
  for (size_t pos = 0; (pos = text.find(literal, pos)) != std::string_view::npos; pos += literal.size())
    matches.push_back({pos, pos + literal.size()});
}

}  // namespace afina::text
