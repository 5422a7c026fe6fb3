// SPDX-License-Identifier: Apache-2.0
#include "serve/answer_json.h"

namespace afina::serve {

OrderedJson text_or_null(const std::string& text) {
  return text.empty() ? OrderedJson(nullptr) : OrderedJson(text);
}

std::string token_bytes(const text::Tokenizer& tokenizer, int id) {
  return id < tokenizer.vocab_size() ? tokenizer.token_bytes(id) : std::string();
}

OrderedJson frame_json(const Answer& answer, const char* object) {
  return {{"id", answer.id},
          {"object", object},
          {"created", answer.created_s},
          {"model", answer.model.name},
          {"system_fingerprint", "afina-" + answer.base_sha256.substr(0, 12)}};
}

OrderedJson usage_json(const Answer& answer) {
  size_t prompt = 0, generated = 0;
  for (const Prompt& one : answer.prompts)
    prompt += one.ids.size();
  for (const Choice& choice : answer.choices)
    generated += choice.ids().size();
  return {{"prompt_tokens", prompt}, {"completion_tokens", generated}, {"total_tokens", prompt + generated}};
}

OrderedJson afina_json(const Answer& answer) {
  OrderedJson body{{"prompt_ids", answer.prompts.front().ids},
                   {"completion_ids", answer.choices.front().ids()},
                   {"seed", answer.choices.front().seed()},
                   {"template_sha256", text_or_null(answer.template_sha256)},
                   {"template_date", text_or_null(answer.template_date)},
                   {"base_model", answer.base_name},
                   {"base_sha256", answer.base_sha256},
                   {"adapter", text_or_null(answer.model.entry.name)},
                   {"adapter_id", text_or_null(answer.model.entry.id)},
                   {"adapter_sha256", text_or_null(answer.model.entry.sha256)}};
  if (answer.choices.size() == 1) return body;
  body["choices"] = OrderedJson::array();
  for (size_t i = 0; i < answer.choices.size(); ++i) {
    OrderedJson one{{"completion_ids", answer.choices[i].ids()}, {"seed", answer.choices[i].seed()}};
    if (answer.prompts.size() > 1) one["prompt_ids"] = answer.prompt_of(i).ids;
    body["choices"].push_back(std::move(one));
  }
  return body;
}

}  // namespace afina::serve
