// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_state.h"

#include <algorithm>
#include <cmath>

#include "base/cat.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/byte_alphabet.h"

namespace afina::text {

namespace {

// llama.cpp's list (llama-vocab.cpp) of tokens that end a turn or a text, whatever the file calls its EOS.
constexpr std::string_view kEndTokens[] = {"<|eot_id|>",    "<|im_end|>", "<|end|>", "<end_of_turn>",
                                           "<|endoftext|>", "<|eom_id|>", "<EOT>",   "<|end_of_text|>"};

std::string byte_token(int byte) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte / 16], kDigits[byte % 16], '>'};
}

DecoderChain byte_level_decoder() {
  return DecoderChain({DecoderStep{}});
}

}  // namespace

Tokenizer::State::State(Vocabulary v)
    : vocabulary(std::move(v)),
      decoder(vocabulary.decoder ? *vocabulary.decoder : byte_level_decoder()),
      merges(vocabulary.merges.size() + vocabulary.merge_pairs.size()) {
  vocabulary.model.ignore_merges = vocabulary.model.ignore_merges || vocabulary.ignore_merges;
  check_sizes();
  promote_end_tokens();
  index_tokens();
  index_added();
  index_merges();
  whole_ = std::make_unique<std::atomic<uint8_t>[]>(vocabulary.tokens.size());
}

void Tokenizer::State::fail(const std::string& message) const {
  throw ModelError(cat("[", vocabulary.where, "] ", message));
}

void Tokenizer::State::check_sizes() const {
  const size_t size = vocabulary.tokens.size();
  if (size == 0 || size > kMaxVocabulary) {
    fail(cat("the vocabulary must have 1 to ", kMaxVocabulary, " tokens, but has ", size));
  }
  if (vocabulary.kinds.size() != size) {
    fail(cat("token types must be as many as tokens (", size, "), but are ", vocabulary.kinds.size()));
  }
  const auto check_id = [&](std::optional<int32_t> id, const char* name) {
    if (id && (*id < 0 || static_cast<size_t>(*id) >= size)) {
      fail(cat(name, " must be an id below ", size, ", but is ", *id));
    }
  };
  check_id(vocabulary.bos_id, "the BOS token");
  check_id(vocabulary.eos_id, "the EOS token");
  check_id(vocabulary.pad_id, "the padding token");
  check_id(vocabulary.unk_id, "the unknown token");
  for (const int32_t id : vocabulary.end_ids)
    check_id(id, "an end token");
  if (vocabulary.model.kind != ModelOptions::Kind::sentencepiece) return;
  if (vocabulary.scores.size() != size) {
    fail(cat("token scores must be as many as tokens (", size, "), but are ", vocabulary.scores.size()));
  }
  const bool is_finite =
      std::all_of(vocabulary.scores.begin(), vocabulary.scores.end(), [](float s) { return std::isfinite(s); });
  if (!is_finite) fail("token scores must be finite, but one is not");
}

// As llama.cpp: an end token is a control token even where the file calls it user-defined.
void Tokenizer::State::promote_end_tokens() {
  end_ids = vocabulary.end_ids;
  if (vocabulary.eos_id) end_ids.push_back(*vocabulary.eos_id);
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    TokenKind& kind = vocabulary.kinds[id];
    if (kind != TokenKind::control && kind != TokenKind::user_defined) continue;
    if (std::find(std::begin(kEndTokens), std::end(kEndTokens), vocabulary.tokens[id]) == std::end(kEndTokens)) {
      continue;
    }
    kind = TokenKind::control;
    end_ids.push_back(static_cast<int32_t>(id));
  }
  std::sort(end_ids.begin(), end_ids.end());
  end_ids.erase(std::unique(end_ids.begin(), end_ids.end()), end_ids.end());
}

bool Tokenizer::State::is_of_model(size_t id) const {
  if (vocabulary.hf) return vocabulary.hf->is_of_model[id];
  const TokenKind kind = vocabulary.kinds[id];
  if (vocabulary.tokens[id].empty()) return false;
  // llama.cpp's SentencePiece merges towards any token that people may write.
  if (vocabulary.model.kind == ModelOptions::Kind::sentencepiece) return kind != TokenKind::control;
  return kind != TokenKind::control && kind != TokenKind::user_defined && kind != TokenKind::unused;
}

int32_t Tokenizer::State::model_id(const std::string& token) const {
  if (!vocabulary.model.is_byte_level) return tokens.find(token);
  const auto spelt = alphabet_bytes(token);
  return spelt ? tokens.find(*spelt) : -1;
}

void Tokenizer::State::index_tokens() {
  const size_t size = vocabulary.tokens.size();
  size_t n_bytes = 0;
  for (const std::string& token : vocabulary.tokens)
    n_bytes += token.size();
  tokens.reserve(size, n_bytes);
  decode_texts.reserve(size);
  bytes.reserve(size);
  byte_ids.fill(-1);
  for (size_t i = 0; i < size; ++i) {
    const auto id = static_cast<int32_t>(i);
    const std::string& token = vocabulary.tokens[i];
    is_control.push_back(vocabulary.kinds[i] == TokenKind::control);
    const bool is_added = vocabulary.hf && !vocabulary.hf->added_texts[i].empty();
    decode_texts.push_back(is_added ? vocabulary.hf->added_texts[i] : token);
    bytes.push_back(decoder.bytes_of(decode_texts.back()));
    is_dropped.push_back(is_control.back());
    if (!is_of_model(i)) continue;
    if (!vocabulary.model.is_byte_level) {
      tokens.insert(token, id);
      continue;
    }
    // Only what the alphabet spells can be met in a text of bytes.
    const auto spelt = alphabet_bytes(token);
    if (!spelt) continue;
    tokens.insert(*spelt, id);
    if (spelt->size() == 1) byte_ids[static_cast<unsigned char>((*spelt)[0])] = tokens.find(*spelt);
  }
  if (vocabulary.model.is_byte_level) return;
  for (int byte = 0; byte < 256; ++byte)
    byte_ids[static_cast<size_t>(byte)] = tokens.find(byte_token(byte));
  if (!vocabulary.model.byte_fallback && vocabulary.model.kind == ModelOptions::Kind::bpe) return;
  // Plain text becomes byte tokens, so they are no control tokens, even where the file lists them as special.
  for (const int32_t id : byte_ids) {
    if (id >= 0) is_control[static_cast<size_t>(id)] = false;
  }
}

void Tokenizer::State::index_added() {
  if (!vocabulary.hf) {
    for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
      const TokenKind kind = vocabulary.kinds[i];
      if (kind != TokenKind::control && kind != TokenKind::user_defined) continue;
      AddedToken token;
      token.id = static_cast<int32_t>(i);
      token.text = vocabulary.tokens[i];
      token.is_control = kind == TokenKind::control;
      added_ids.emplace(token.text, token.id);
      raw_matcher.add(token.text, token);
    }
    return;
  }
  std::unordered_map<std::string, bool> special_texts;
  for (AddedToken& token : vocabulary.hf->added) {
    token.is_control = vocabulary.kinds[static_cast<size_t>(token.id)] == TokenKind::control;
    if (token.is_control) special_texts[token.text] = true;
    added_ids.emplace(token.text, token.id);
    if (!token.is_normalized) {
      raw_matcher.add(token.text, token);
      continue;
    }
    MappedText normalized(token.text, 0);
    apply_normalizer(vocabulary.normalizer, normalized);
    normalized_matcher.add(normalized.text(), token);
    // Hugging Face decodes the normalised text, and compares that with the special tokens' own.
    const auto index = static_cast<size_t>(token.id);
    decode_texts[index] = std::string(normalized.text());
    bytes[index] = decoder.bytes_of(decode_texts[index]);
  }
  for (size_t i = 0; i < decode_texts.size(); ++i)
    is_dropped[i] = special_texts.contains(decode_texts[i]);
}

void Tokenizer::State::index_merges() {
  size_t rank = 0;
  for (const std::string& merge : vocabulary.merges) {
    const size_t space = merge.find(' ', 1);
    if (space == std::string::npos) fail(cat("merge ", rank, " must be 'a b', but is '", repair_utf8(merge), "'"));
    add_merge(rank++, merge.substr(0, space), merge.substr(space + 1));
  }
  for (const auto& [left, right] : vocabulary.merge_pairs)
    add_merge(rank++, left, right);
  vocabulary.merges = {};
  vocabulary.merge_pairs = {};
}

void Tokenizer::State::add_merge(size_t rank, const std::string& left, const std::string& right) {
  const auto id = [&](const std::string& token) {
    int32_t found = model_id(token);
    if (found < 0 && !vocabulary.hf) {
      const auto it = added_ids.find(token);  // GGUF lists some merged tokens as user-defined
      if (it != added_ids.end() && !is_control[static_cast<size_t>(it->second)]) found = it->second;
    }
    if (found < 0) {
      fail(cat("merge ", rank, " must join tokens of the vocabulary, but '", repair_utf8(left), " ", repair_utf8(right),
               "' names '", repair_utf8(token), "', which is none"));
    }
    return found;
  };
  const size_t prefix = vocabulary.model.continuing_subword_prefix.size();
  if (right.size() < prefix) {
    fail(cat("merge ", rank, " must join a token that begins with '", vocabulary.model.continuing_subword_prefix,
             "', but joins '", repair_utf8(right), "'"));
  }
  if (vocabulary.hf && vocabulary.model.is_byte_level && !(alphabet_bytes(left) && alphabet_bytes(right))) {
    // No text of bytes spells such tokens: the merge can never happen. Its parts must be tokens all the same.
    for (const std::string& part : {left, right, left + right}) {
      if (std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), part) == vocabulary.tokens.end()) id(part);
    }
    return;
  }
  merges.insert(id(left), id(right), {static_cast<uint32_t>(rank), id(left + right.substr(prefix))},
                vocabulary.last_merge_wins);
}

bool Tokenizer::State::is_hole(int32_t id) const {
  const auto index = static_cast<size_t>(id);
  return vocabulary.kinds[index] == TokenKind::unused && decode_texts[index].empty();
}

}  // namespace afina::text
