// SPDX-License-Identifier: Apache-2.0
// The tokenizer of a Hugging Face folder as the tokenizer.ggml.* metadata that llama.cpp reads (ggml docs/gguf.md,
// conversion rules of convert_hf_to_gguf). A pattern that no `.pre` name stands for is refused: llama.cpp would cut the
// text differently without a word.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace afina::text {

struct GgufVocabulary {
  std::string model;  ///< "gpt2" (byte-level BPE) or "llama" (SentencePiece)
  std::string pre;    ///< "llama-bpe", "smollm", …; "default" for "llama"
  std::vector<std::string> tokens;
  std::vector<int32_t> token_types;  ///< 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
  std::vector<float> scores;         ///< "llama" only
  std::vector<std::string> merges;   ///< "gpt2" only
  std::optional<int32_t> bos_id, eos_id, unk_id, pad_id;
  bool add_bos = false, add_eos = false, add_space_prefix = false;
  std::string chat_template;
};

/// Reads tokenizer.json, tokenizer_config.json, generation_config.json and chat_template.jinja. vocab_size: rows of the
/// embedding; ids without a token become "[PADn]", unused. Throws NotFound, DataError or ModelError naming the
/// component that GGUF cannot express, or ids at or above vocab_size.
GgufVocabulary gguf_vocabulary_from_hf(const std::filesystem::path& folder, int64_t vocab_size);

}  // namespace afina::text
