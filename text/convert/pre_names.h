// SPDX-License-Identifier: Apache-2.0
// GGUF's tokenizer.ggml.pre names beside the tokenizer.json components they stand for (llama.cpp src/llama-vocab.cpp).
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace afina::text {

/// The name for a byte-level BPE tokenizer.json. Throws ModelError naming the components where none fits.
std::string pre_name_of(const Json& tokenizer, const std::string& where);

/// What such a name stands for.
struct PreComponents {
  Json normalizer, pre_tokenizer;
  bool ignore_merges = false;
};
/// Throws ModelError listing the known names for another one.
PreComponents pre_components(std::string_view name, const std::string& where);

/// Merges in either spelling ("a b" or ["a", "b"]). Throws ModelError for anything else.
std::vector<std::pair<std::string, std::string>> merge_pairs(const Json& merges, const std::string& where);

}  // namespace afina::text
