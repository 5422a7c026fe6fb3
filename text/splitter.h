// SPDX-License-Identifier: Apache-2.0
// The pre_tokenizer of tokenizer.json: steps that cut text into the pieces on which BPE runs, each as Hugging Face
// tokenizers does it. The scanners for the known patterns are in pre_tokenizer.h.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/mapped_text.h"
#include "text/pre_tokenizer.h"
#include "text/regex.h"

namespace afina::text {

/// What becomes of the delimiter between pieces.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

struct SplitStep {
  enum class Kind {
    scanner,  ///< a known pattern, isolated
    pattern,
    digits,
    metaspace,
    whitespace,
    whitespace_split,
    punctuation,
    character,
    fixed_length,
    prefix_space,  ///< ByteLevel's add_prefix_space
    byte_alphabet  ///< ByteLevel's change of alphabet, where it is not the last step
  };
  enum class Prepend { always, first, never };

  Kind kind = Kind::scanner;
  SplitRule rule = SplitRule::gpt2;
  SplitBehavior behavior = SplitBehavior::isolated;
  bool inverts = false;
  std::string text;                    ///< pattern: the literal without regex; metaspace, character: the character
  std::shared_ptr<const Regex> regex;  ///< pattern; null for a literal
  Prepend prepend = Prepend::always;   ///< metaspace
  bool splits = true;                  ///< metaspace
  size_t length = 0;                   ///< fixed_length, in characters
};

/// A text and its pieces: ascending, not empty, not overlapping.
struct SplitText {
  MappedText text;
  std::vector<TextRange> pieces;
};

/// Runs the steps on the whole text as one piece. Throws DataError where a pattern takes too long.
void split_text(const std::vector<SplitStep>& steps, SplitText& split);

}  // namespace afina::text
