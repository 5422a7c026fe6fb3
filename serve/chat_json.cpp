// SPDX-License-Identifier: Apache-2.0
#include "serve/chat_json.h"

#include "base/utf8.h"
#include "serve/answer_json.h"

namespace afina::serve {

OrderedJson ChatForm::token(int id, double logprob) const {
  const std::string bytes = token_bytes(tokenizer_, id);
  OrderedJson list = OrderedJson::array();
  for (const char c : bytes)
    list.push_back(static_cast<unsigned char>(c));
  return {{"token", repair_utf8(bytes)}, {"logprob", logprob}, {"bytes", std::move(list)}};
}

OrderedJson ChatForm::logprobs(const Choice& choice, size_t from) const {
  if (!logprobs_) return nullptr;
  OrderedJson content = OrderedJson::array();
  for (size_t i = from; i < choice.ids().size(); ++i) {
    const model::TokenScore& score = choice.scores()[i];
    OrderedJson entry = token(choice.ids()[i], score.logprob), top = OrderedJson::array();
    for (const auto& [id, logprob] : score.top)
      top.push_back(token(id, logprob));
    entry["top_logprobs"] = std::move(top);
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

OrderedJson ChatForm::whole(const Answer& answer) const {
  OrderedJson body = frame_json(answer, "chat.completion");
  body["choices"] = OrderedJson::array();
  for (size_t i = 0; i < answer.choices.size(); ++i) {
    const Choice& choice = answer.choices[i];
    body["choices"].push_back({{"index", i},
                               {"message", {{"role", "assistant"}, {"content", choice.text()}, {"refusal", nullptr}}},
                               {"logprobs", logprobs(choice, 0)},
                               {"finish_reason", text_or_null(choice.finish_reason())}});
  }
  return body;
}

OrderedJson ChatForm::chunk(const Answer& answer, OrderedJson choices) const {
  OrderedJson body = frame_json(answer, "chat.completion.chunk");
  body["choices"] = std::move(choices);
  return body;
}

OrderedJson ChatForm::opening(size_t index) const {
  return {{"index", index},
          {"delta", {{"role", "assistant"}, {"content", ""}, {"refusal", nullptr}}},
          {"logprobs", nullptr},
          {"finish_reason", nullptr}};
}

OrderedJson ChatForm::piece(const Answer& answer, size_t index, size_t from, const std::string& shown,
                            const std::string& finish) const {
  const Choice& choice = answer.choices[index];
  const bool news = from < choice.ids().size();
  return {{"index", index},
          {"delta", finish.empty() ? OrderedJson{{"content", shown}} : OrderedJson::object()},
          {"logprobs", news ? logprobs(choice, from) : OrderedJson(nullptr)},
          {"finish_reason", text_or_null(finish)}};
}

}  // namespace afina::serve
