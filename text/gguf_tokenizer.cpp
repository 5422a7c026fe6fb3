// SPDX-License-Identifier: Apache-2.0
// Tokenizer from tokenizer.ggml.* of a GGUF file (ggml docs/gguf.md).
#include "base/cat.h"
#include "base/error.h"
#include "formats/gguf.h"
#include "text/vocabulary.h"

namespace afina::text {

namespace {

struct KnownPre {
  std::string_view name;
  SplitRule rule;
  bool ignore_merges;
  bool add_bos;
};
// `.pre` is the only record of the pattern in a GGUF file: an unknown name is refused, never guessed.
constexpr KnownPre kKnownPre[] = {
    {"smollm", SplitRule::smollm, false, false},  {"gpt-2", SplitRule::gpt2, false, false},
    {"llama-bpe", SplitRule::llama3, true, true}, {"llama3", SplitRule::llama3, true, true},
    {"llama-v3", SplitRule::llama3, true, true},  {"qwen2", SplitRule::qwen2, false, false},
};

const KnownPre& known_pre(std::string_view name, const std::string& where) {
  std::string names;
  for (const auto& known : kKnownPre) {
    if (known.name == name) return known;
    names += cat(names.empty() ? "" : ", ", known.name);
  }
  throw ModelError(cat("[", where, "] tokenizer.ggml.pre must be one of ", names, ", but is '", name, "'"));
}

std::optional<int32_t> id_of(const formats::GgufFile& file, std::string_view key) {
  const auto id = file.find_integer(key);
  if (!id || *id == 0xffffffff || *id == -1) return std::nullopt;
  if (*id < 0 || *id >= static_cast<int64_t>(kMaxVocabulary)) {
    throw ModelError(cat("[", file.path().string(), "] ", key, " must be a token id, but is ", *id));
  }
  return static_cast<int32_t>(*id);
}

std::vector<TokenKind> kinds_of(const formats::GgufFile& file, size_t n_tokens) {
  const auto types = file.find_integers("tokenizer.ggml.token_type");
  if (!types) return std::vector<TokenKind>(n_tokens, TokenKind::normal);
  std::vector<TokenKind> kinds;
  kinds.reserve(types->size());
  for (const int64_t type : *types) {
    if (type < 0 || type > 6) {
      throw ModelError(cat("[", file.path().string(), "] a token type must lie in 0 … 6, but is ", type));
    }
    kinds.push_back(type == 0 ? TokenKind::unused : static_cast<TokenKind>(type));
  }
  return kinds;
}

}  // namespace

Tokenizer load_gguf_tokenizer(const formats::GgufFile& file) {
  const std::string where = file.path().string();
  const std::string_view model = file.string("tokenizer.ggml.model");
  if (model != "gpt2") {
    throw ModelError(cat("[", where, "] tokenizer.ggml.model must be 'gpt2' (byte-level BPE), but is '", model, "'"));
  }
  const KnownPre& pre = known_pre(file.find_string("tokenizer.ggml.pre").value_or(""), where);
  Tokenizer::Vocabulary vocabulary;
  vocabulary.where = where;
  vocabulary.rule = pre.rule;
  vocabulary.ignore_merges = pre.ignore_merges;
  vocabulary.add_bos = file.find_boolean("tokenizer.ggml.add_bos_token").value_or(pre.add_bos);
  vocabulary.add_eos = file.find_boolean("tokenizer.ggml.add_eos_token").value_or(false);
  for (const auto token : file.strings("tokenizer.ggml.tokens"))
    vocabulary.tokens.emplace_back(token);
  for (const auto merge : file.strings("tokenizer.ggml.merges"))
    vocabulary.merges.emplace_back(merge);
  vocabulary.kinds = kinds_of(file, vocabulary.tokens.size());
  vocabulary.bos_id = id_of(file, "tokenizer.ggml.bos_token_id");
  vocabulary.eos_id = id_of(file, "tokenizer.ggml.eos_token_id");
  vocabulary.pad_id = id_of(file, "tokenizer.ggml.padding_token_id");
  vocabulary.unk_id = id_of(file, "tokenizer.ggml.unknown_token_id");
  for (const auto* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    if (const auto id = id_of(file, key)) vocabulary.end_ids.push_back(*id);
  }
  return Tokenizer(std::move(vocabulary));
}

}  // namespace afina::text
