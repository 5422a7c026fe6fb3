// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <algorithm>

#include "base/cat.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/tokenizer_state.h"

namespace afina::text {

Tokenizer::Tokenizer(Vocabulary vocabulary) : state_(std::make_unique<State>(std::move(vocabulary))) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<TokenSpan> Tokenizer::encode_spans(std::string_view text, const EncodeOptions& options) const {
  const auto control = options.parse_special ? State::Control::everywhere : State::Control::nowhere;
  std::vector<TokenSpan> spans = state_->encode(text, control, {});
  if (!options.add_special) return spans;
  const Vocabulary& vocabulary = state_->vocabulary;
  std::vector<int32_t> pieces = vocabulary.special_template;
  if (pieces.empty()) {
    if (vocabulary.add_bos && vocabulary.bos_id) pieces.push_back(*vocabulary.bos_id);
    pieces.push_back(-1);
    if (vocabulary.add_eos && vocabulary.eos_id) pieces.push_back(*vocabulary.eos_id);
  }
  std::vector<TokenSpan> out;
  out.reserve(spans.size() + pieces.size());
  size_t at = 0;
  for (const int32_t id : pieces) {
    if (id >= 0) {
      out.push_back({id, at, at});
    } else {
      out.insert(out.end(), spans.begin(), spans.end());
      at = text.size();
    }
  }
  return out;
}

std::vector<TokenSpan> Tokenizer::encode_marked(std::string_view text, std::span<const TextRange> literal) const {
  return state_->encode(text, State::Control::outside_literal, literal);
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  const std::vector<TokenSpan> spans = encode_spans(text, options);
  std::vector<int32_t> ids(spans.size());
  std::transform(spans.begin(), spans.end(), ids.begin(), [](const TokenSpan& span) { return span.id; });
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  const bool joins_bytes = state_->decoder.is_byte_level();
  std::string bytes;
  std::vector<std::string> texts;
  for (const int32_t id : ids) {
    const std::string& token = token_bytes(id);
    const auto index = static_cast<size_t>(id);
    if ((skip_special && state_->is_dropped[index]) || state_->is_hole(id)) continue;
    if (joins_bytes) {
      bytes += token;
    } else {
      texts.push_back(state_->decode_texts[index]);
    }
  }
  return joins_bytes ? repair_utf8(bytes) : state_->decoder.decode(std::move(texts));
}

const std::string& Tokenizer::token_bytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) {
    throw DataError(cat("[tokenizer] a token id must lie in 0 … ", vocab_size() - 1, ", but is ", id));
  }
  return state_->bytes[static_cast<size_t>(id)];
}

int32_t Tokenizer::vocab_size() const {
  return static_cast<int32_t>(state_->bytes.size());
}

bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && id < vocab_size() && state_->is_control[static_cast<size_t>(id)];
}

std::optional<int32_t> Tokenizer::find_token(std::string_view token_text) const {
  if (const auto it = state_->added_ids.find(std::string(token_text)); it != state_->added_ids.end()) return it->second;
  const int32_t id = state_->tokens.find(token_text);
  return id >= 0 ? std::optional<int32_t>(id) : std::nullopt;
}

std::optional<int32_t> Tokenizer::bos_id() const {
  return state_->vocabulary.bos_id;
}
std::optional<int32_t> Tokenizer::eos_id() const {
  return state_->vocabulary.eos_id;
}
std::optional<int32_t> Tokenizer::pad_id() const {
  return state_->vocabulary.pad_id;
}
std::optional<int32_t> Tokenizer::unk_id() const {
  return state_->vocabulary.unk_id;
}
const std::vector<int32_t>& Tokenizer::end_ids() const {
  return state_->end_ids;
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(tokenizer),
      skip_special_(skip_special),
      stream_(std::make_unique<DecoderStream>(tokenizer.state_->decoder)) {}
StreamDecoder::~StreamDecoder() = default;
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;

std::string StreamDecoder::push(int32_t id) {
  tokenizer_.token_bytes(id);  // refuses an id out of range
  const Tokenizer::State& state = *tokenizer_.state_;
  const auto index = static_cast<size_t>(id);
  if ((skip_special_ && state.is_dropped[index]) || state.is_hole(id)) return "";
  return stream_->push(state.decode_texts[index]);
}

std::string StreamDecoder::flush() {
  return stream_->flush();
}

}  // namespace afina::text
