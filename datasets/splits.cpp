// SPDX-License-Identifier: Apache-2.0
#include "datasets/splits.h"

#include <array>
#include <cmath>

#include "base/error.h"
#include "base/hash.h"

namespace afina::datasets {
namespace {

constexpr std::array<std::string_view, 4> kWords{"train", "eval", "eval_prompt", "eval_annotator"};

// Length in bytes of the white space at the start of `text`, 0 where there is none.
size_t white_space(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  const uint8_t first = byte(0);
  if (first == ' ' || (first >= 0x09 && first <= 0x0D)) return 1;
  if (first == 0xC2 && (byte(1) == 0xA0 || byte(1) == 0x85)) return 2;
  if (first == 0xE2 && byte(1) == 0x80) {
    const uint8_t last = byte(2);
    if ((last >= 0x80 && last <= 0x8A) || last == 0xA8 || last == 0xA9 || last == 0xAF) return 3;
  }
  if (first == 0xE2 && byte(1) == 0x81 && byte(2) == 0x9F) return 3;
  if (first == 0xE3 && byte(1) == 0x80 && byte(2) == 0x80) return 3;
  return 0;
}

// A number in [0, 1) that depends on kind, seed and key alone.
double draw(std::string_view kind, uint64_t seed, std::string_view key) {
  const std::string digest = sha256_hex(cat(kind, "\n", seed, "\n", key));
  return static_cast<double>(std::stoull(digest.substr(0, 13), nullptr, 16)) / 0x1p52;
}

void check_share(double share, const char* name) {
  if (!(share >= 0.0 && share <= 1.0))
    throw UsageError(cat("[datasets.splits] must have ", name, " from 0 to 1, but got ", share, "."));
}

}  // namespace

std::string_view to_string(Split split) {
  return kWords[static_cast<size_t>(split)];
}

bool from_string(std::string_view word, Split& out) {
  for (size_t i = 0; i < kWords.size(); ++i) {
    if (kWords[i] == word) {
      out = static_cast<Split>(i);
      return true;
    }
  }
  return false;
}

std::string normalise_prompt(std::string_view prompt) {
  std::string out;
  bool space = false;
  while (!prompt.empty()) {
    const size_t size = white_space(prompt);
    if (size > 0) {
      space = !out.empty();
      prompt.remove_prefix(size);
      continue;
    }
    if (space) out.push_back(' ');
    space = false;
    const char c = prompt.front();
    out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    prompt.remove_prefix(1);
  }
  return out;
}

std::string prompt_hash(std::string_view prompt) {
  return sha256_hex(normalise_prompt(prompt));
}

bool prompt_is_held_out(std::string_view prompt, const SplitOptions& options) {
  check_share(options.eval_prompts, "eval_prompts");
  return draw("prompt", options.seed, normalise_prompt(prompt)) < options.eval_prompts;
}

bool annotator_is_held_out(std::string_view annotator_id, const SplitOptions& options) {
  check_share(options.eval_annotators, "eval_annotators");
  return draw("annotator", options.seed, annotator_id) < options.eval_annotators;
}

Split split_of(std::string_view prompt, std::string_view annotator_id, const SplitOptions& options) {
  const bool by_prompt = prompt_is_held_out(prompt, options);
  const bool by_annotator = annotator_is_held_out(annotator_id, options);
  if (by_prompt) return by_annotator || options.eval_annotators == 0.0 ? Split::eval : Split::eval_prompt;
  return by_annotator ? Split::eval_annotator : Split::train;
}

}  // namespace afina::datasets
