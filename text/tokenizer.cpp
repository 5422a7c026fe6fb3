// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/cat.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/bpe.h"
#include "text/byte_alphabet.h"
#include "text/special_matcher.h"
#include "text/vocabulary.h"

namespace afina::text {

namespace {

constexpr size_t kMaxTextBytes = size_t{256} << 20;
// llama.cpp's list (llama-vocab.cpp) of tokens that end a turn or a text, whatever the file calls its EOS.
constexpr std::string_view kEndTokens[] = {"<|eot_id|>",    "<|im_end|>", "<|end|>", "<end_of_turn>",
                                           "<|endoftext|>", "<|eom_id|>", "<EOT>",   "<|end_of_text|>"};

}  // namespace

struct Tokenizer::State {
  Vocabulary vocabulary;
  std::vector<std::string> bytes;                       // by id
  std::unordered_map<std::string, int32_t> normal_ids;  // by bytes
  std::unordered_map<std::string, int32_t> added_ids;   // by raw text
  std::array<int32_t, 256> byte_ids;
  SpecialMatcher specials;
  MergeTable merges;
  std::vector<int32_t> end_ids;

  explicit State(Vocabulary v) : vocabulary(std::move(v)), merges(vocabulary.merges.size()) {
    check_sizes();
    promote_end_tokens();
    index_tokens();
    index_merges();
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw ModelError(cat("[", vocabulary.where, "] ", message));
  }

  void check_sizes() const {
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
  }

  // As llama.cpp: an end token is a control token even where the file calls it user-defined.
  void promote_end_tokens() {
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

  void index_tokens() {
    const size_t size = vocabulary.tokens.size();
    bytes.reserve(size);
    normal_ids.reserve(size);
    byte_ids.fill(-1);
    for (size_t i = 0; i < size; ++i) {
      const auto id = static_cast<int32_t>(i);
      const std::string& token = vocabulary.tokens[i];
      bytes.push_back(bytes_of_token(token));
      const TokenKind kind = vocabulary.kinds[i];
      if (kind == TokenKind::control || kind == TokenKind::user_defined) {
        specials.add(token, id, kind == TokenKind::control);
        added_ids.emplace(token, id);
      } else if (kind != TokenKind::unused && !token.empty()) {
        normal_ids.emplace(bytes.back(), id);
        if (bytes.back().size() == 1) {
          int32_t& byte_id = byte_ids[static_cast<unsigned char>(bytes.back()[0])];
          if (byte_id < 0) byte_id = id;
        }
      }
    }
  }

  void index_merges() {
    for (size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
      const std::string& merge = vocabulary.merges[rank];
      const size_t space = merge.find(' ', 1);
      const auto id = [&](const std::string& token) -> int32_t {
        const auto it = normal_ids.find(bytes_of_token(token));
        if (it == normal_ids.end()) {
          fail(cat("merge ", rank, " must join tokens of the vocabulary, but '", repair_utf8(merge), "' names '",
                   repair_utf8(token), "', which is none"));
        }
        return it->second;
      };
      if (space == std::string::npos) fail(cat("merge ", rank, " must be 'a b', but is '", repair_utf8(merge), "'"));
      const std::string left = merge.substr(0, space);
      const std::string right = merge.substr(space + 1);
      merges.insert(id(left), id(right), {static_cast<uint32_t>(rank), id(left + right)});
    }
    vocabulary.merges.clear();
    vocabulary.merges.shrink_to_fit();
  }

  void encode_plain(std::string_view text, size_t offset, BpeMerger& merger, std::vector<TokenSpan>& out) const {
    size_t begin = 0;
    for (const size_t end : piece_ends(vocabulary.rule, text)) {
      const std::string_view piece = text.substr(begin, end - begin);
      const auto whole = vocabulary.ignore_merges ? normal_ids.find(std::string(piece)) : normal_ids.end();
      if (whole != normal_ids.end()) {
        out.push_back({whole->second, offset + begin, offset + end});
      } else {
        merger.encode(piece, offset + begin, out);
      }
      begin = end;
    }
  }

  std::vector<TokenSpan> encode(std::string_view text, SpecialMatcher::Control control,
                                std::span<const TextRange> literal) const {
    if (text.size() > kMaxTextBytes) {
      throw DataError(cat("[tokenizer] a text must have at most ", kMaxTextBytes, " bytes, but has ", text.size()));
    }
    if (const size_t invalid = find_invalid_utf8(text); invalid != std::string_view::npos) {
      throw DataError(cat("[tokenizer] a text must be UTF-8, but byte ", invalid, " is not"));
    }
    std::vector<TokenSpan> out;
    BpeMerger merger(merges, byte_ids, vocabulary.unk_id.value_or(-1));
    size_t begin = 0;
    for (const TokenSpan& special : specials.find_all(text, control, literal)) {
      encode_plain(text.substr(begin, special.begin - begin), begin, merger, out);
      out.push_back(special);
      begin = special.end;
    }
    encode_plain(text.substr(begin), begin, merger, out);
    return out;
  }
};

Tokenizer::Tokenizer(Vocabulary vocabulary) : state_(std::make_unique<State>(std::move(vocabulary))) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<TokenSpan> Tokenizer::encode_spans(std::string_view text, const EncodeOptions& options) const {
  const auto control = options.parse_special ? SpecialMatcher::Control::everywhere : SpecialMatcher::Control::nowhere;
  std::vector<TokenSpan> spans = state_->encode(text, control, {});
  const Vocabulary& vocabulary = state_->vocabulary;
  if (options.add_special && vocabulary.add_bos && vocabulary.bos_id) {
    spans.insert(spans.begin(), {*vocabulary.bos_id, 0, 0});
  }
  if (options.add_special && vocabulary.add_eos && vocabulary.eos_id) {
    spans.push_back({*vocabulary.eos_id, text.size(), text.size()});
  }
  return spans;
}

std::vector<TokenSpan> Tokenizer::encode_marked(std::string_view text, std::span<const TextRange> literal) const {
  return state_->encode(text, SpecialMatcher::Control::outside_literal, literal);
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  const std::vector<TokenSpan> spans = encode_spans(text, options);
  std::vector<int32_t> ids(spans.size());
  std::transform(spans.begin(), spans.end(), ids.begin(), [](const TokenSpan& span) { return span.id; });
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    const std::string& token = token_bytes(id);
    if (!(skip_special && is_special(id))) bytes += token;
  }
  return repair_utf8(bytes);
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
  return id >= 0 && id < vocab_size() && state_->vocabulary.kinds[static_cast<size_t>(id)] == TokenKind::control;
}

std::optional<int32_t> Tokenizer::find_token(std::string_view token_text) const {
  const std::string text(token_text);
  if (const auto it = state_->added_ids.find(text); it != state_->added_ids.end()) return it->second;
  if (const auto it = state_->normal_ids.find(text); it != state_->normal_ids.end()) return it->second;
  return std::nullopt;
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

std::string StreamDecoder::push(int32_t id) {
  if (skip_special_ && tokenizer_.is_special(id)) return "";
  pending_ += tokenizer_.token_bytes(id);
  const size_t ready = complete_utf8_prefix(pending_);
  std::string text = repair_utf8(std::string_view(pending_).substr(0, ready));
  pending_.erase(0, ready);
  return text;
}

std::string StreamDecoder::flush() {
  std::string text = repair_utf8(pending_);
  pending_.clear();
  return text;
}

}  // namespace afina::text
