// SPDX-License-Identifier: Apache-2.0
// Puts the chunks of a streamed completion together: for a client that asked for the whole, and for the log. Chunks are
// hostile input: bounded, and only what has the right type is taken.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "base/json.h"

namespace afina::collector {

/// Not thread-safe.
class Assembler {
 public:
  /// Longest answer of all choices together, in bytes; more is nonsense.
  static constexpr size_t kMaxBytes = size_t{1} << 20;

  /// One chunk, parsed. Throws UpstreamError (refused) for an error object, UpstreamError (nonsense) for what is no
  /// chunk.
  void take(const Json& chunk);

  /// In OpenAI's form: [{index, message, finish_reason, logprobs}].
  Json choices() const;
  /// What is logged of that choice: its words, or its calls as JSON where it has no words.
  std::string text(int index) const;
  std::string finish_reason(int index) const;
  /// That choice asks for tools, with words beside it or without.
  bool calls_tools(int index) const;
  /// Choices that said anything or finished.
  int count() const { return static_cast<int>(choices_.size()); }
  const Json& usage() const { return usage_; }  ///< null where the upstream told none
  const Json& afina() const { return afina_; }  ///< extension object of `afina serve`, else null
  std::optional<int64_t> tokens(const char* key) const;

 private:
  struct Choice {
    Json message = {{"role", "assistant"}, {"content", nullptr}};
    std::map<int64_t, Json> calls;
    Json logprobs;
    std::string finish_reason;
  };
  void take_choice(const Json& choice);
  void take_delta(Choice& choice, const Json& delta);
  void take_calls(Choice& choice, const Json& calls);
  void append(Json& to, const Json& piece);

  std::map<int, Choice> choices_;
  Json usage_, afina_;
  size_t bytes_ = 0;
};

}  // namespace afina::collector
