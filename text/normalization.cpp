// SPDX-License-Identifier: Apache-2.0
#include "text/normalization.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "text/code_point.h"
#include "text/unicode_data.h"

namespace afina::text {

namespace {

using Mapping = std::unordered_map<char32_t, std::u32string>;

// Entries "delta,to,to;…" in base 32.
Mapping read_mapping(std::string_view text) {
  Mapping mapping;
  std::u32string to;
  char32_t point = 0;
  char32_t value = 0;
  bool in_target = false;
  const auto end_number = [&] {
    if (in_target) {
      to.push_back(value);
    } else {
      point += value;
    }
    value = 0;
  };
  for (const char c : text) {
    if (c == ',' || c == ';') {
      end_number();
      in_target = c == ',';
      if (c == ';') mapping.emplace(point, std::move(to));
      if (c == ';') to.clear();
    } else {
      value = value * 32 + static_cast<char32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    }
  }
  end_number();
  mapping.emplace(point, std::move(to));
  return mapping;
}

// Entries "class a-b c;…", the class in decimal, the ranges in hexadecimal.
std::unordered_map<char32_t, uint8_t> read_classes(std::string_view text) {
  std::unordered_map<char32_t, uint8_t> classes;
  size_t i = 0;
  const auto number = [&](int base) {
    char32_t value = 0;
    for (; i < text.size() && text[i] != ' ' && text[i] != '-' && text[i] != ';'; ++i)
      value = value * static_cast<char32_t>(base) +
              static_cast<char32_t>(text[i] <= '9' ? text[i] - '0' : text[i] - 'a' + 10);
    return value;
  };
  while (i < text.size()) {
    const auto combining_class = static_cast<uint8_t>(number(10));
    while (i < text.size() && text[i] == ' ') {
      ++i;
      const char32_t first = number(16);
      char32_t last = first;
      if (i < text.size() && text[i] == '-') {
        ++i;
        last = number(16);
      }
      for (char32_t c = first; c <= last; ++c)
        classes[c] = combining_class;
    }
    ++i;
  }
  return classes;
}

struct Tables {
  Mapping canonical = read_mapping(data::kCanonical);
  Mapping compatible = read_mapping(data::kCompatible);
  Mapping lower = read_mapping(data::kLowercase);
  std::unordered_map<char32_t, uint8_t> classes = read_classes(data::kCombiningClasses);
  std::unordered_map<uint64_t, char32_t> compositions;

  Tables() {
    for (const auto& [composed, parts] : read_mapping(data::kCompositions))
      compositions[uint64_t{parts[0]} << 32 | parts[1]] = composed;
  }
  static const Tables& get() {
    static const Tables tables;
    return tables;
  }
};

// Hangul syllables, by arithmetic (The Unicode Standard §3.12).
constexpr char32_t kSyllable = 0xac00;
constexpr char32_t kLead = 0x1100;
constexpr char32_t kVowel = 0x1161;
constexpr char32_t kTail = 0x11a7;
constexpr char32_t kVowels = 21;
constexpr char32_t kTails = 28;
constexpr char32_t kLeads = 19;

struct Character {
  char32_t value;
  uint8_t combining_class;
  TextRange origin;
};

class Normalizer {
 public:
  explicit Normalizer(NormalForm form)
      : tables_(Tables::get()),
        compatible_(form == NormalForm::nfkc || form == NormalForm::nfkd),
        composes_(form == NormalForm::nfc || form == NormalForm::nfkc) {}

  MappedText run(const MappedText& from) {
    const std::string_view text = from.text();
    MappedBuilder out(text.size() + text.size() / 8);
    for (size_t pos = 0; pos < text.size();) {
      const CodePoint c = decode_at(text, pos);
      decompose(c.value, from.origin(pos, pos + c.length_bytes), out);
      pos += c.length_bytes;
    }
    flush(out);
    return out.finish();
  }

 private:
  void decompose(char32_t c, TextRange origin, MappedBuilder& out) {
    if (c < 0x80) return push(c, origin, out);
    if (c >= kSyllable && c < kSyllable + kLeads * kVowels * kTails) {
      const char32_t index = c - kSyllable;
      push(kLead + index / (kVowels * kTails), origin, out);
      push(kVowel + index % (kVowels * kTails) / kTails, origin, out);
      if (index % kTails != 0) push(kTail + index % kTails, origin, out);
      return;
    }
    if (compatible_) {
      if (const auto it = tables_.compatible.find(c); it != tables_.compatible.end())
        return push_all(it->second, origin, out);
    }
    if (const auto it = tables_.canonical.find(c); it != tables_.canonical.end())
      return push_all(it->second, origin, out);
    push(c, origin, out);
  }

  void push_all(const std::u32string& parts, TextRange origin, MappedBuilder& out) {
    for (const char32_t part : parts)
      push(part, origin, out);
  }

  void push(char32_t c, TextRange origin, MappedBuilder& out) {
    uint8_t combining_class = 0;
    if (c >= 0x300) {
      const auto it = tables_.classes.find(c);
      if (it != tables_.classes.end()) combining_class = it->second;
    }
    // A starter that composes with nothing before it ends the run; jamo and a few others do compose with a starter.
    if (combining_class == 0 && !pending_.empty()) end_run(c, out);
    pending_.push_back({c, combining_class, origin});
  }

  // Keeps the run's last starter pending where the next starter might compose with it.
  void end_run(char32_t next, MappedBuilder& out) {
    order();
    const bool may_compose = composes_ && next >= 0x300;
    if (composes_) compose();
    if (!may_compose || pending_.back().combining_class != 0) return flush_pending(out);
    const Character last = pending_.back();
    pending_.pop_back();
    flush_pending(out);
    pending_.push_back(last);
  }

  void order() {
    auto begin = pending_.begin();
    while (begin != pending_.end()) {
      if (begin->combining_class == 0) {
        ++begin;
        continue;
      }
      const auto end = std::find_if(begin, pending_.end(), [](const Character& c) { return c.combining_class == 0; });
      std::stable_sort(begin, end,
                       [](const Character& a, const Character& b) { return a.combining_class < b.combining_class; });
      begin = end;
    }
  }

  char32_t composed(char32_t a, char32_t b) const {
    if (a >= kLead && a < kLead + kLeads && b >= kVowel && b < kVowel + kVowels) {
      return kSyllable + ((a - kLead) * kVowels + (b - kVowel)) * kTails;
    }
    if (a >= kSyllable && a < kSyllable + kLeads * kVowels * kTails && (a - kSyllable) % kTails == 0 && b > kTail &&
        b < kTail + kTails) {
      return a + (b - kTail);
    }
    const auto it = tables_.compositions.find(uint64_t{a} << 32 | b);
    return it == tables_.compositions.end() ? 0 : it->second;
  }

  void compose() {
    size_t starter = pending_.size();  // none yet
    size_t kept = 0;
    int last_class = -1;
    for (const Character c : pending_) {
      if (starter < pending_.size() && last_class < static_cast<int>(c.combining_class)) {
        if (const char32_t whole = composed(pending_[starter].value, c.value)) {
          pending_[starter].value = whole;
          pending_[starter].origin.end = std::max(pending_[starter].origin.end, c.origin.end);
          continue;
        }
      }
      if (c.combining_class == 0) {
        starter = kept;
        last_class = -1;
      } else {
        last_class = c.combining_class;
      }
      pending_[kept++] = c;
    }
    pending_.resize(kept);
  }

  void flush(MappedBuilder& out) {
    order();
    if (composes_) compose();
    flush_pending(out);
  }
  void flush_pending(MappedBuilder& out) {
    for (const Character& c : pending_)
      out.append(c.value, c.origin);
    pending_.clear();
  }

  const Tables& tables_;
  bool compatible_;
  bool composes_;
  std::vector<Character> pending_;
};

}  // namespace

bool is_surely_normal(std::string_view text, NormalForm form) {
  // U+0300 is the first that changes under NFC; its lead byte is 0xcc. Of Latin-1 nothing does.
  const unsigned char limit = form == NormalForm::nfc ? 0xcc : 0x80;
  return std::all_of(text.begin(), text.end(), [limit](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < limit;
  });
}

MappedText normalize(const MappedText& text, NormalForm form) {
  return Normalizer(form).run(text);
}

MappedText lowercase(const MappedText& from) {
  const Tables& tables = Tables::get();
  const std::string_view text = from.text();
  MappedBuilder out(text.size());
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = decode_at(text, pos);
    const TextRange origin = from.origin(pos, pos + c.length_bytes);
    pos += c.length_bytes;
    if (c.value < 0x80) {
      out.append(c.value >= 'A' && c.value <= 'Z' ? c.value - 'A' + 'a' : c.value, origin);
      continue;
    }
    const auto it = tables.lower.find(c.value);
    if (it == tables.lower.end()) {
      out.append(c.value, origin);
    } else {
      for (const char32_t part : it->second)
        out.append(part, origin);
    }
  }
  return out.finish();
}

}  // namespace afina::text
