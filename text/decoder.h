// SPDX-License-Identifier: Apache-2.0
// The decoder of tokenizer.json: from the texts of tokens to one text, at once or token by token, each step as Hugging
// Face tokenizers does it.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/regex.h"

namespace afina::text {

struct DecoderStep {
  enum class Kind { byte_level, metaspace, byte_fallback, fuse, strip, replace, bpe };
  Kind kind = Kind::byte_level;
  std::string text;                    ///< metaspace, strip: the character; replace: the literal; bpe: the suffix
  std::string content;                 ///< replace
  std::shared_ptr<const Regex> regex;  ///< replace; null for a literal
  bool drops_first = true;             ///< metaspace: the first token's characters vanish instead of becoming spaces
  size_t start = 0;                    ///< strip
  size_t stop = 0;                     ///< strip
};

class DecoderChain {
 public:
  DecoderChain() = default;
  /// No steps: tokens are joined by spaces, as Hugging Face does without a decoder.
  explicit DecoderChain(std::vector<DecoderStep> steps);

  std::string decode(std::vector<std::string> tokens) const;
  /// What one token stands for, away from others: bytes, which need not be whole characters.
  std::string bytes_of(const std::string& token) const;
  const std::vector<DecoderStep>& steps() const { return steps_; }
  /// Only ByteLevel (and Fuse): text is the bytes of the tokens.
  bool is_byte_level() const { return is_byte_level_; }

 private:
  std::vector<DecoderStep> steps_;
  bool is_byte_level_ = false;
};

/// One text being decoded; not thread-safe. The chain must outlive it.
class DecoderStream {
 public:
  explicit DecoderStream(const DecoderChain& chain);
  ~DecoderStream();
  DecoderStream(DecoderStream&&) noexcept;
  DecoderStream& operator=(DecoderStream&&) noexcept;
  /// What no later token can change; may be empty.
  std::string push(const std::string& token);
  std::string flush();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace afina::text
