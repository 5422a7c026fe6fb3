// SPDX-License-Identifier: Apache-2.0
#include "serve/answer.h"

#include "base/error.h"
#include "serve/answer_json.h"

namespace afina::serve {

std::optional<Answer::Step> Answer::step(const std::stop_token& stop) {
  std::optional<Token> token = completion->next(stop);
  if (!token) return std::nullopt;
  const int index = token->index;
  Choice& choice = choices[static_cast<size_t>(index)];
  Step step{static_cast<size_t>(index), choice.push(std::move(*token))};
  if (!choice.finish_reason().empty()) completion->cancel(index);  // a stop string ends it before the model does
  return step;
}

OrderedJson answer_whole(Answer& answer, const AnswerForm& form, const std::stop_token& stop) {
  while (answer.step(stop)) {
  }
  OrderedJson body = form.whole(answer);
  body["usage"] = usage_json(answer);
  body["afina"] = afina_json(answer);
  return body;
}

void answer_stream(Answer& answer, const AnswerForm& form, bool with_usage, http::SseWriter& writer) {
  const auto send = [&](OrderedJson body) {
    if (with_usage && !body.contains("usage")) body["usage"] = nullptr;
    if (!writer.send(dump_json(body))) throw Cancelled("[serve] the client has left.");
  };
  const auto chunk = [&](OrderedJson choice) { return form.chunk(answer, OrderedJson::array({std::move(choice)})); };
  for (size_t i = 0; i < answer.choices.size(); ++i) {
    OrderedJson opening = form.opening(i);
    if (!opening.is_null()) send(chunk(std::move(opening)));
  }
  std::vector<size_t> told(answer.choices.size(), 0);
  size_t unfinished = answer.choices.size();
  while (const std::optional<Answer::Step> step = answer.step(writer.stop_token())) {
    const Choice& choice = answer.choices[step->index];
    size_t& from = told[step->index];
    if (!step->shown.empty()) {
      send(chunk(form.piece(answer, step->index, from, step->shown, "")));
      from = choice.ids().size();
    }
    if (choice.finish_reason().empty()) continue;
    OrderedJson body = chunk(form.piece(answer, step->index, from, "", choice.finish_reason()));
    if (--unfinished == 0 && !with_usage) body["afina"] = afina_json(answer);
    send(std::move(body));
  }
  if (with_usage) {
    OrderedJson body = form.chunk(answer, OrderedJson::array());
    body["usage"] = usage_json(answer);
    body["afina"] = afina_json(answer);
    send(std::move(body));
  }
  writer.send("[DONE]");
}

}  // namespace afina::serve
