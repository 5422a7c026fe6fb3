// SPDX-License-Identifier: Apache-2.0
// From text to tokens: added tokens, normaliser, added tokens again, pre-tokenizer, model (huggingface/tokenizers
// tokenizer/mod.rs).
#include <algorithm>

#include "base/cat.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/code_point.h"
#include "text/tokenizer_state.h"

namespace afina::text {

namespace {

constexpr size_t kMaxTextBytes = size_t{256} << 20;
constexpr std::string_view kMeta = "\xe2\x96\x81";  // U+2581, SentencePiece's space

// A part of the text; begin < end.
MappedText part_of(const MappedText& text, size_t begin, size_t end) {
  if (text.is_unchanged()) return {text.text().substr(begin, end - begin), text.origin(begin, end).begin};
  MappedBuilder out(end - begin);
  out.copy(text, begin, end);
  return out.finish();
}

}  // namespace

// One call's buffers and rules.
struct Tokenizer::State::Call {
  Call(const State& state, Control control_, std::span<const TextRange> literal_)
      : control(control_), literal(literal_), merger(state.merges) {}

  Control control;
  std::span<const TextRange> literal;
  BpeMerger merger;
  std::vector<TokenSpan> out;
  std::string symbol;

  /// is_foreign: Hugging Face's rules, where a control token that stays text hides what lies inside it.
  SpecialMatcher::Verdict judge(TextRange origin, bool is_foreign) const {
    using Verdict = SpecialMatcher::Verdict;
    if (control == Control::everywhere) return Verdict::take;
    const Verdict text = is_foreign ? Verdict::pass_over : Verdict::ignore;
    if (control == Control::nowhere) return text;
    const auto it = std::upper_bound(literal.begin(), literal.end(), origin.begin,
                                     [](size_t begin, const TextRange& range) { return begin < range.end; });
    if (it == literal.end() || it->begin >= origin.end) return Verdict::take;
    return it->begin <= origin.begin && origin.end <= it->end ? text : Verdict::ignore;
  }
};

std::vector<TokenSpan> Tokenizer::State::encode(std::string_view text, Control control,
                                                std::span<const TextRange> literal) const {
  if (text.size() > kMaxTextBytes) {
    throw DataError(cat("[tokenizer] a text must have at most ", kMaxTextBytes, " bytes, but has ", text.size()));
  }
  if (const size_t invalid = find_invalid_utf8(text); invalid != std::string_view::npos) {
    throw DataError(cat("[tokenizer] a text must be UTF-8, but byte ", invalid, " is not"));
  }
  Call call(*this, control, literal);
  const bool is_foreign = vocabulary.hf.has_value();
  size_t done = 0;
  const auto section = [&](size_t end) {
    if (end > done) encode_section(MappedText(text.substr(done, end - done), done), call);
  };
  if (!raw_matcher.empty()) {
    const auto judge = [&](size_t begin, size_t end) { return call.judge({begin, end}, is_foreign); };
    for (const TokenSpan& match : raw_matcher.find_all(text, judge)) {
      section(match.begin);
      call.out.push_back(match);
      done = match.end;
    }
  }
  section(text.size());
  return std::move(call.out);
}

void Tokenizer::State::encode_section(MappedText text, Call& call) const {
  if (vocabulary.model.kind == ModelOptions::Kind::sentencepiece) return encode_sentencepiece(text, call);
  apply_normalizer(vocabulary.normalizer, text);
  if (normalized_matcher.empty()) return encode_pieces(std::move(text), call);
  const auto judge = [&](size_t begin, size_t end) { return call.judge(text.origin(begin, end), true); };
  size_t done = 0;
  for (const TokenSpan& match : normalized_matcher.find_all(text.text(), judge)) {
    if (match.begin > done) encode_pieces(part_of(text, done, match.begin), call);
    const TextRange origin = text.origin(match.begin, match.end);
    call.out.push_back({match.id, origin.begin, origin.end});
    done = match.end;
  }
  if (done == 0) return encode_pieces(std::move(text), call);
  if (done < text.text().size()) encode_pieces(part_of(text, done, text.text().size()), call);
}

void Tokenizer::State::encode_pieces(MappedText text, Call& call) const {
  if (text.text().empty()) return;
  const size_t first = call.out.size();
  const auto map_back = [&](const MappedText& mapped) {
    for (size_t i = first; i < call.out.size(); ++i) {
      TokenSpan& span = call.out[i];
      const TextRange origin = mapped.origin(span.begin, span.end);
      span.begin = origin.begin;
      span.end = origin.end;
    }
  };
  if (!vocabulary.splitter) {
    const std::string_view view = text.text();
    const size_t base = text.is_unchanged() ? text.origin(0, 1).begin : 0;
    size_t begin = 0;
    for (const size_t end : piece_ends(vocabulary.rule, view)) {
      encode_piece(view.substr(begin, end - begin), base + begin, call);
      begin = end;
    }
    if (!text.is_unchanged()) map_back(text);
    return;
  }
  SplitText split{std::move(text), {}};
  split_text(*vocabulary.splitter, split);
  for (const TextRange& piece : split.pieces)
    encode_piece(split.text.text().substr(piece.begin, piece.end - piece.begin), piece.begin, call);
  map_back(split.text);
}

void Tokenizer::State::encode_sentencepiece(const MappedText& from, Call& call) const {
  const std::string_view text = from.text();
  MappedBuilder out(text.size() + text.size() / 2 + kMeta.size());
  const size_t begin = from.origin(0, 1).begin;
  if (vocabulary.adds_space_prefix) out.append(kMeta, {begin, begin});
  for (size_t pos = 0; pos < text.size(); ++pos) {
    if (text[pos] == ' ') {
      out.append(kMeta, from.origin(pos, pos + 1));
    } else {
      out.copy(from, pos, pos + 1);
    }
  }
  const MappedText escaped = out.finish();
  const size_t first = call.out.size();
  SentencePieceMerger(tokens, vocabulary.scores, byte_ids, vocabulary.unk_id.value_or(-1))
      .encode(escaped.text(), call.out);
  for (size_t i = first; i < call.out.size(); ++i) {
    const TextRange origin = escaped.origin(call.out[i].begin, call.out[i].end);
    call.out[i].begin = origin.begin;
    call.out[i].end = origin.end;
  }
}

void Tokenizer::State::encode_piece(std::string_view piece, size_t offset, Call& call) const {
  const int32_t whole = tokens.find(piece);
  if (whole >= 0) {
    const bool is_taken = vocabulary.model.ignore_merges
                              ? !is_control[static_cast<size_t>(whole)]
                              : whole_[static_cast<size_t>(whole)].load(std::memory_order_relaxed) == 1;
    if (is_taken) {
      call.out.push_back({whole, offset, offset + piece.size()});
      return;
    }
  }
  const size_t before = call.out.size();
  call.merger.clear();
  add_symbols(piece, call);
  call.merger.finish(offset, call.out);
  if (whole >= 0) {
    const bool is_whole = call.out.size() == before + 1 && call.out.back().id == whole;
    whole_[static_cast<size_t>(whole)].store(is_whole ? 1 : 2, std::memory_order_relaxed);
  }
}

void Tokenizer::State::add_symbols(std::string_view piece, Call& call) const {
  const ModelOptions& model = vocabulary.model;
  TextRange unknown{};
  bool has_unknown = false;
  const bool has_unk = !model.unk_token.empty() || (!vocabulary.hf && vocabulary.unk_id);
  const auto flush = [&] {
    if (has_unknown) call.merger.add(*vocabulary.unk_id, unknown.begin, unknown.end);
    has_unknown = false;
  };
  const auto add_unknown = [&](size_t begin, size_t end) {
    if (!has_unk) return;  // it vanishes, as in Hugging Face tokenizers
    if (!vocabulary.unk_id) {
      throw DataError(cat("[", vocabulary.where, "] model.unk_token '", repair_utf8(model.unk_token),
                          "' must be a token, but is none, and the text needs it"));
    }
    if (has_unknown && model.fuse_unk) {
      unknown.end = end;
      return;
    }
    flush();
    unknown = {begin, end};
    has_unknown = true;
  };
  const bool is_plain = model.continuing_subword_prefix.empty() && model.end_of_word_suffix.empty();
  for (size_t pos = 0; pos < piece.size();) {
    const size_t end = pos + (model.is_byte_level ? 1 : decode_at(piece, pos).length_bytes);
    int32_t id = -1;
    std::string_view symbol = piece.substr(pos, end - pos);
    if (model.is_byte_level) {
      id = byte_ids[static_cast<unsigned char>(piece[pos])];
    } else {
      if (!is_plain) {
        call.symbol = pos > 0 ? model.continuing_subword_prefix : "";
        call.symbol += symbol;
        if (end == piece.size()) call.symbol += model.end_of_word_suffix;
        symbol = call.symbol;
      }
      id = tokens.find(symbol);
    }
    const auto byte_id = [&](char c) { return byte_ids[static_cast<unsigned char>(c)]; };
    if (id >= 0) {
      flush();
      call.merger.add(id, pos, end);
    } else if (model.byte_fallback &&
               std::all_of(symbol.begin(), symbol.end(), [&](char c) { return byte_id(c) >= 0; })) {
      for (size_t i = 0; i < symbol.size(); ++i) {
        const bool is_own = symbol.size() == end - pos;
        call.merger.add(byte_id(symbol[i]), is_own ? pos + i : pos, is_own ? pos + i + 1 : end);
      }
    } else {
      add_unknown(pos, end);
    }
    pos = end;
  }
  flush();
}

}  // namespace afina::text
