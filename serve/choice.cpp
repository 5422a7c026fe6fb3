// SPDX-License-Identifier: Apache-2.0
#include "serve/choice.h"

#include <algorithm>
#include <utility>

namespace afina::serve {

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

Choice::Choice(const text::Tokenizer& tokenizer, std::vector<std::string> stops, uint64_t seed, ChoiceStart start)
    : tokenizer_(tokenizer),
      seed_(seed),
      score_only_(start.score_only),
      decoder_(tokenizer, true),
      stops_(std::move(stops)),
      characters_(count_characters(start.echo)),
      echo_(std::move(start.echo)) {
  // Some decoders drop the space before the first token of a text: a continuation must not look like one.
  constexpr size_t kEnough = 8;
  for (const int id : start.context.last(std::min(kEnough, start.context.size())))
    decode(id);
}

std::string Choice::decode(int id) {
  return id < tokenizer_.vocab_size() ? decoder_.push(id) : std::string();
}

std::string Choice::push(Token token) {
  if (!finish_reason_.empty()) return {};
  if (!token.prompt.empty()) prompt_scores_ = std::move(token.prompt);
  std::string shown = std::exchange(echo_, {});
  if (score_only_) {
    finish_reason_ = "length";
    text_ += shown;
    return shown;
  }
  ids_.push_back(token.id);
  scores_.push_back({token.logprob, std::move(token.top)});
  offsets_.push_back(characters_);
  std::string decoded = decode(token.id);
  if (token.finish != model::FinishReason::none) {
    finish_reason_ = token.finish == model::FinishReason::stop ? "stop" : "length";
    decoded += decoder_.flush();
  }
  characters_ += count_characters(decoded);
  shown += stops_.push(decoded);
  if (!finish_reason_.empty() && !stops_.matched()) shown += stops_.flush();
  if (stops_.matched()) finish_reason_ = "stop";
  text_ += shown;
  return shown;
}

}  // namespace afina::serve
