// SPDX-License-Identifier: Apache-2.0
// The normalizer of tokenizer.json: steps that rewrite text before it is cut, each as Hugging Face tokenizers does it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "text/mapped_text.h"
#include "text/normalization.h"
#include "text/regex.h"

namespace afina::text {

struct NormalizerStep {
  enum class Kind { form, lowercase, strip, strip_accents, prepend, replace, nmt, byte_level };
  Kind kind = Kind::form;
  NormalForm form = NormalForm::nfc;
  bool strips_left = false;
  bool strips_right = false;
  std::string pattern;                 ///< replace: literal text, where there is no regex
  std::shared_ptr<const Regex> regex;  ///< replace: null for a literal
  std::string content;                 ///< prepend, replace
};

/// Applies the steps in order. Throws DataError where a pattern takes too long or the text outgrows 1 GiB.
void apply_normalizer(const std::vector<NormalizerStep>& steps, MappedText& text);

/// Literal matches, left to right; every position between characters for "".
void find_literal(std::string_view text, std::string_view literal, std::vector<TextRange>& matches);

}  // namespace afina::text
