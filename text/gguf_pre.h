// SPDX-License-Identifier: Apache-2.0
// What tokenizer.ggml.pre implies and a GGUF file does not say otherwise: the pattern, whether merges are ignored, and
// the normaliser of the same family's tokenizer.json. Names as in llama.cpp (llama-vocab.cpp), patterns as the families
// write them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "text/pre_tokenizer.h"

namespace afina::text {

struct GgufPre {
  std::vector<std::string_view> names;
  SplitRule rule = SplitRule::gpt2;          ///< where there are no patterns
  std::vector<std::string_view> patterns{};  ///< each cuts what the ones before it left, isolated
  bool ignore_merges = false;
  bool add_bos = false;
  bool normalizes_nfc = false;
};

/// Null for a name that is not known: a pattern is never guessed.
const GgufPre* find_gguf_pre(std::string_view name);
/// Every known name, for messages.
std::string gguf_pre_names();

}  // namespace afina::text
