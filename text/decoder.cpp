// SPDX-License-Identifier: Apache-2.0
#include "text/decoder.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/byte_alphabet.h"
#include "text/code_point.h"
#include "text/normalizer.h"

namespace afina::text {

namespace {

using Kind = DecoderStep::Kind;

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// "<0x41>" → 0x41. Rust's parser also takes one digit behind a plus.
std::optional<char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  const int high = token[3] == '+' ? 0 : hex_digit(token[3]);
  const int low = hex_digit(token[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

// Bytes of a run of byte tokens: their text, or one U+FFFD each where they spell none.
std::string fallback_text(const std::string& bytes) {
  if (is_valid_utf8(bytes)) return bytes;
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i)
    text += kReplacement;
  return text;
}

std::string replaced(const DecoderStep& step, const std::string& token) {
  if (token.empty()) return token;
  std::vector<TextRange> matches;
  if (step.regex != nullptr) {
    step.regex->find_all(token, matches);
  } else {
    find_literal(token, step.text, matches);
  }
  std::string out;
  size_t done = 0;
  for (const TextRange& match : matches) {
    out.append(token, done, match.begin - done);
    out += step.content;
    done = match.end;
  }
  return out.append(token, done);
}

std::string without_meta(const DecoderStep& step, const std::string& token, bool is_first) {
  std::string out;
  for (size_t pos = 0; pos < token.size();) {
    if (token.compare(pos, step.text.size(), step.text) != 0) {
      out.push_back(token[pos++]);
      continue;
    }
    if (!(is_first && step.drops_first)) out.push_back(' ');
    pos += step.text.size();
  }
  return out;
}

std::string stripped(const DecoderStep& step, const std::string& token) {
  const std::string_view unit = step.text;
  size_t begin = 0;
  size_t end = token.size();
  for (size_t n = 0; n < step.start && token.compare(begin, unit.size(), unit) == 0; ++n)
    begin += unit.size();
  for (size_t n = 0; n < step.stop && end >= unit.size() && token.compare(end - unit.size(), unit.size(), unit) == 0;
       ++n)
    end -= unit.size();
  return begin < end ? token.substr(begin, end - begin) : "";
}

std::string without_suffix(const std::string& token, const std::string& suffix, const std::string& by) {
  DecoderStep step;
  step.text = suffix;
  step.content = by;
  return suffix.empty() && token.empty() ? by : replaced(step, token);
}

std::vector<std::string> fall_back(const std::vector<std::string>& tokens) {
  std::vector<std::string> out;
  std::string bytes;
  const auto flush = [&] {
    if (!bytes.empty()) out.push_back(fallback_text(bytes));
    bytes.clear();
  };
  for (const std::string& token : tokens) {
    if (const auto byte = fallback_byte(token)) {
      bytes.push_back(*byte);
      continue;
    }
    flush();
    out.push_back(token);
  }
  flush();
  return out;
}

std::string joined(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens)
    text += token;
  return text;
}

void run_step(const DecoderStep& step, std::vector<std::string>& tokens) {
  switch (step.kind) {
    case Kind::byte_level: {
      std::string bytes;
      for (const std::string& token : tokens)
        bytes += bytes_of_token(token);
      tokens.assign(1, repair_utf8(bytes));
      return;
    }
    case Kind::byte_fallback:
      tokens = fall_back(tokens);
      return;
    case Kind::fuse:
      tokens.assign(1, joined(tokens));
      return;
    case Kind::metaspace:
      for (size_t i = 0; i < tokens.size(); ++i)
        tokens[i] = without_meta(step, tokens[i], i == 0);
      return;
    case Kind::strip:
      for (std::string& token : tokens)
        token = stripped(step, token);
      return;
    case Kind::replace:
      for (std::string& token : tokens)
        token = replaced(step, token);
      return;
    case Kind::bpe:
      for (size_t i = 0; i < tokens.size(); ++i)
        tokens[i] = without_suffix(tokens[i], step.text, i + 1 == tokens.size() ? "" : " ");
      return;
  }
}

}  // namespace

DecoderChain::DecoderChain(std::vector<DecoderStep> steps) : steps_(std::move(steps)) {
  is_byte_level_ = !steps_.empty() && steps_.front().kind == Kind::byte_level &&
                   std::all_of(steps_.begin() + 1, steps_.end(), [](const auto& s) { return s.kind == Kind::fuse; });
}

std::string DecoderChain::decode(std::vector<std::string> tokens) const {
  if (steps_.empty()) {
    std::string text;
    for (size_t i = 0; i < tokens.size(); ++i)
      text += (i == 0 ? "" : " ") + tokens[i];
    return text;
  }
  for (const DecoderStep& step : steps_)
    run_step(step, tokens);
  return joined(tokens);
}

std::string DecoderChain::bytes_of(const std::string& token) const {
  std::string text = token;
  for (const DecoderStep& step : steps_) {
    if (step.kind == Kind::byte_level) return bytes_of_token(text);
    if (step.kind == Kind::byte_fallback) {
      if (const auto byte = fallback_byte(text)) return std::string(1, *byte);
    }
    if (step.kind == Kind::metaspace) text = without_meta(step, text, false);
    if (step.kind == Kind::replace) text = replaced(step, text);
    if (step.kind == Kind::bpe) text = without_suffix(text, step.text, " ");
    if (step.kind == Kind::fuse) break;
  }
  return text;
}

// Steps that look at single tokens run as tokens come; what follows ByteLevel or Fuse sees one growing text. A chain
// that does more than strip that text at its start is kept whole until the end.
struct DecoderStream::State {
  const DecoderChain& chain;
  bool streams = true;
  size_t n_single = 0;                 // leading steps on single tokens
  const DecoderStep* bytes = nullptr;  // the step that ends them, if ByteLevel
  std::vector<size_t> n_to_strip;      // by step behind the fuse: how many characters it may still take
  std::vector<std::string> kept;       // where nothing streams
  std::string pending_bytes;           // incomplete UTF-8
  std::string fallback;                // byte tokens not yet ended
  std::string held;                    // bpe: the last token, whose suffix depends on whether another follows
  bool has_held = false;
  size_t n_seen = 0;  // tokens that reached Metaspace or the join

  explicit State(const DecoderChain& c) : chain(c) {
    const auto& steps = chain.steps();
    while (n_single < steps.size() && steps[n_single].kind != Kind::byte_level && steps[n_single].kind != Kind::fuse)
      ++n_single;
    int n_fallback = 0;
    for (size_t i = 0; i < n_single; ++i) {
      if (steps[i].kind == Kind::byte_fallback) ++n_fallback;
      if (steps[i].kind == Kind::bpe && steps.size() > 1) streams = false;
      // Without the fuse Metaspace behind the fallback counts runs of bytes as one; that is not worth streaming.
      if (steps[i].kind == Kind::metaspace && n_single > 1) streams = false;
    }
    if (n_fallback > 1) streams = false;
    if (n_single < steps.size() && steps[n_single].kind == Kind::byte_level) {
      bytes = &steps[n_single];
      if (n_fallback > 0) streams = false;
    }
    for (size_t i = n_single + 1; i < steps.size(); ++i) {
      if (steps[i].kind != Kind::fuse && (steps[i].kind != Kind::strip || steps[i].stop != 0)) streams = false;
    }
    reset();
  }

  std::string push(const std::string& token) {
    if (!streams) {
      kept.push_back(token);
      return "";
    }
    if (chain.steps().empty()) return n_seen++ == 0 ? token : " " + token;
    return after_fuse(single(token, 0));
  }

  // Runs one token through the steps from `first` on.
  std::string single(std::string token, size_t first) {
    const auto& steps = chain.steps();
    for (size_t i = first; i < n_single; ++i) {
      const DecoderStep& step = steps[i];
      if (step.kind == Kind::byte_fallback) {
        if (const auto byte = fallback_byte(token)) {
          fallback.push_back(*byte);
          return "";
        }
        const std::string before = end_fallback(i);
        return before + single(std::move(token), i + 1);
      }
      if (step.kind == Kind::bpe) {
        std::string out = has_held ? without_suffix(held, step.text, " ") : "";
        held = std::move(token);
        has_held = true;
        return out;
      }
      if (step.kind == Kind::metaspace) token = without_meta(step, token, n_seen++ == 0);
      if (step.kind == Kind::strip) token = stripped(step, token);
      if (step.kind == Kind::replace) token = replaced(step, token);
    }
    if (bytes == nullptr) return token;
    pending_bytes += bytes_of_token(token);
    const size_t ready = complete_utf8_prefix(pending_bytes);
    std::string text = repair_utf8(std::string_view(pending_bytes).substr(0, ready));
    pending_bytes.erase(0, ready);
    return text;
  }

  // The run of byte tokens is over: its text goes through the steps behind the fallback at `index`. A run that spells
  // nothing is one token a byte there.
  std::string end_fallback(size_t index) {
    if (fallback.empty()) return "";
    std::string run;
    run.swap(fallback);
    return single(fallback_text(run), index + 1);
  }

  std::string after_fuse(std::string text) {
    size_t step = 0;
    for (size_t i = n_single + 1; i < chain.steps().size(); ++i) {
      const DecoderStep& strip = chain.steps()[i];
      if (strip.kind != Kind::strip) continue;
      size_t& left = n_to_strip[step++];
      while (left > 0 && !text.empty()) {
        if (!text.starts_with(strip.text)) {
          left = 0;
          break;
        }
        text.erase(0, strip.text.size());
        --left;
      }
    }
    return text;
  }

  std::string flush() {
    if (!streams) {
      std::string text = chain.decode(std::move(kept));
      kept.clear();
      return text;
    }
    std::string text;
    for (size_t i = 0; i < n_single; ++i) {
      if (chain.steps()[i].kind == Kind::byte_fallback) text += end_fallback(i);
      if (chain.steps()[i].kind == Kind::bpe && has_held) text += without_suffix(held, chain.steps()[i].text, "");
    }
    text += repair_utf8(pending_bytes);
    text = after_fuse(std::move(text));
    reset();
    return text;
  }

  void reset() {
    n_to_strip.clear();
    for (size_t i = n_single + 1; i < chain.steps().size(); ++i) {
      if (chain.steps()[i].kind == Kind::strip) n_to_strip.push_back(chain.steps()[i].start);
    }
    pending_bytes.clear();
    has_held = false;
    n_seen = 0;
  }
};

DecoderStream::DecoderStream(const DecoderChain& chain) : state_(std::make_unique<State>(chain)) {}
DecoderStream::~DecoderStream() = default;
DecoderStream::DecoderStream(DecoderStream&&) noexcept = default;
DecoderStream& DecoderStream::operator=(DecoderStream&&) noexcept = default;

std::string DecoderStream::push(const std::string& token) {
  return state_->push(token);
}
std::string DecoderStream::flush() {
  return state_->flush();
}

}  // namespace afina::text
