// SPDX-License-Identifier: Apache-2.0
// Tokenizer from tokenizer.ggml.* of a GGUF file (ggml docs/gguf.md).
#include "base/cat.h"
#include "base/error.h"
#include "formats/gguf.h"
#include "text/gguf_pre.h"
#include "text/vocabulary.h"

namespace afina::text {

namespace {

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

void read_byte_level(const formats::GgufFile& file, Tokenizer::Vocabulary& vocabulary) {
  const std::string_view name = file.find_string("tokenizer.ggml.pre").value_or("");
  const GgufPre* pre = find_gguf_pre(name);
  if (pre == nullptr) {
    throw ModelError(
        cat("[", vocabulary.where, "] tokenizer.ggml.pre must be one of ", gguf_pre_names(), ", but is '", name, "'"));
  }
  vocabulary.rule = pre->rule;
  vocabulary.model.ignore_merges = pre->ignore_merges;
  vocabulary.add_bos = file.find_boolean("tokenizer.ggml.add_bos_token").value_or(pre->add_bos);
  if (pre->normalizes_nfc) vocabulary.normalizer.push_back({});
  if (!pre->patterns.empty()) {
    vocabulary.splitter.emplace();
    for (const std::string_view pattern : pre->patterns) {
      SplitStep step;
      if (pattern == kGpt2Pattern) {
        step.rule = SplitRule::gpt2;
      } else {
        step.kind = SplitStep::Kind::pattern;
        step.regex = std::make_shared<const Regex>(pattern, cat("tokenizer.ggml.pre ", name));
      }
      vocabulary.splitter->push_back(std::move(step));
    }
  }
  for (const auto merge : file.strings("tokenizer.ggml.merges"))
    vocabulary.merges.emplace_back(merge);
}

// The decoder of Llama 2's tokenizer.json, without the strip where nothing was put before the text.
DecoderChain sentencepiece_decoder(bool strips) {
  std::vector<DecoderStep> steps(3);
  steps[0].kind = DecoderStep::Kind::replace;
  steps[0].text = std::string("\xe2\x96\x81");
  steps[0].content = std::string(1, ' ');
  steps[1].kind = DecoderStep::Kind::byte_fallback;
  steps[2].kind = DecoderStep::Kind::fuse;
  if (strips) {
    steps.emplace_back();
    steps[3].kind = DecoderStep::Kind::strip;
    steps[3].text = std::string(1, ' ');
    steps[3].start = 1;
  }
  return DecoderChain(std::move(steps));
}

void read_sentencepiece(const formats::GgufFile& file, Tokenizer::Vocabulary& vocabulary) {
  vocabulary.model.kind = ModelOptions::Kind::sentencepiece;
  vocabulary.model.is_byte_level = false;
  vocabulary.scores = file.numbers("tokenizer.ggml.scores");
  vocabulary.add_bos = file.find_boolean("tokenizer.ggml.add_bos_token").value_or(true);
  vocabulary.adds_space_prefix = file.find_boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  vocabulary.decoder = sentencepiece_decoder(vocabulary.adds_space_prefix);
}

}  // namespace

Tokenizer load_gguf_tokenizer(const formats::GgufFile& file) {
  Tokenizer::Vocabulary vocabulary;
  vocabulary.where = file.path().string();
  const std::string_view model = file.string("tokenizer.ggml.model");
  for (const auto token : file.strings("tokenizer.ggml.tokens"))
    vocabulary.tokens.emplace_back(token);
  vocabulary.kinds = kinds_of(file, vocabulary.tokens.size());
  vocabulary.bos_id = id_of(file, "tokenizer.ggml.bos_token_id");
  vocabulary.eos_id = id_of(file, "tokenizer.ggml.eos_token_id");
  vocabulary.pad_id = id_of(file, "tokenizer.ggml.padding_token_id");
  vocabulary.unk_id = id_of(file, "tokenizer.ggml.unknown_token_id");
  for (const auto* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    if (const auto id = id_of(file, key)) vocabulary.end_ids.push_back(*id);
  }
  if (model == "gpt2") {
    read_byte_level(file, vocabulary);
  } else if (model == "llama") {
    read_sentencepiece(file, vocabulary);
  } else {
    throw ModelError(cat("[", vocabulary.where,
                         "] tokenizer.ggml.model must be 'gpt2' (byte-level BPE) or 'llama' (SentencePiece), but is '",
                         model, "'"));
  }
  vocabulary.add_eos = file.find_boolean("tokenizer.ggml.add_eos_token").value_or(false);
  return Tokenizer(std::move(vocabulary));
}

}  // namespace afina::text
