// SPDX-License-Identifier: Apache-2.0
#include "serve/choice.h"

namespace afina::serve {

std::string Choice::push(const Token& token) {
  if (!finish_reason_.empty()) return {};
  ids_.push_back(token.id);
  logprobs_.push_back(token.logprob);
  std::string shown = stops_.push(decoder_.push(token.id));
  if (token.finish != model::FinishReason::none) {
    finish_reason_ = token.finish == model::FinishReason::stop ? "stop" : "length";
    shown += stops_.push(decoder_.flush());
    if (!stops_.matched()) shown += stops_.flush();
  }
  if (stops_.matched()) finish_reason_ = "stop";
  text_ += shown;
  return shown;
}

}  // namespace afina::serve
