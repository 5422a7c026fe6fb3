// SPDX-License-Identifier: Apache-2.0
#include "serve/completion_json.h"

#include "base/utf8.h"
#include "serve/answer_json.h"

namespace afina::serve {

/// The legacy layout: four lists of one entry a token.
struct CompletionForm::Lists {
  OrderedJson tokens = OrderedJson::array(), token_logprobs = OrderedJson::array(), top_logprobs = OrderedJson::array(),
              text_offset = OrderedJson::array();
};

/// Bytes that are no whole characters are spelled "bytes:\xe4\xbd", as OpenAI does.
std::string CompletionForm::token_text(int id) const {
  const std::string bytes = token_bytes(tokenizer_, id);
  if (is_valid_utf8(bytes)) return bytes;
  constexpr const char* kHex = "0123456789abcdef";
  std::string text = "bytes:";
  for (const char c : bytes) {
    const auto value = static_cast<unsigned char>(c);
    text += {'\\', 'x', kHex[value >> 4], kHex[value & 15]};
  }
  return text;
}

OrderedJson CompletionForm::logprobs(const Answer& answer, size_t index, size_t from, bool with_prompt) const {
  if (!options_.logprobs) return nullptr;
  Lists lists;
  const auto add = [&](int id, const model::TokenScore* score, size_t offset) {
    lists.tokens.push_back(token_text(id));
    lists.text_offset.push_back(offset);
    if (score == nullptr) {  // nothing comes before the first token of a prompt
      lists.token_logprobs.push_back(nullptr);
      lists.top_logprobs.push_back(nullptr);
      return;
    }
    lists.token_logprobs.push_back(score->logprob);
    OrderedJson top = OrderedJson::object();
    for (const auto& [other, logprob] : score->top)
      if (std::string text = token_text(other); !top.contains(text)) top[std::move(text)] = logprob;
    if (std::string text = token_text(id); !top.contains(text)) top[std::move(text)] = score->logprob;
    lists.top_logprobs.push_back(std::move(top));
  };
  const Choice& choice = answer.choices[index];
  if (with_prompt) {
    const Prompt& prompt = answer.prompt_of(index);
    for (size_t i = 0; i < prompt.ids.size(); ++i) {
      const bool scored = i > 0 && i - 1 < choice.prompt_scores().size();
      add(prompt.ids[i], scored ? &choice.prompt_scores()[i - 1] : nullptr, prompt.offsets[i]);
    }
  }
  for (size_t i = from; i < choice.ids().size(); ++i)
    add(choice.ids()[i], &choice.scores()[i], choice.offsets()[i]);
  return {{"tokens", std::move(lists.tokens)},
          {"token_logprobs", std::move(lists.token_logprobs)},
          {"top_logprobs", std::move(lists.top_logprobs)},
          {"text_offset", std::move(lists.text_offset)}};
}

OrderedJson CompletionForm::whole(const Answer& answer) const {
  OrderedJson choices = OrderedJson::array();
  for (size_t i = 0; i < answer.choices.size(); ++i) {
    const Choice& choice = answer.choices[i];
    choices.push_back({{"text", choice.text()},
                       {"index", i},
                       {"logprobs", logprobs(answer, i, 0, options_.echo)},
                       {"finish_reason", text_or_null(choice.finish_reason())}});
  }
  return chunk(answer, std::move(choices));
}

OrderedJson CompletionForm::chunk(const Answer& answer, OrderedJson choices) const {
  OrderedJson body = frame_json(answer, "text_completion");
  body["choices"] = std::move(choices);
  return body;
}

OrderedJson CompletionForm::piece(const Answer& answer, size_t index, size_t from, const std::string& shown,
                                  const std::string& finish) const {
  const bool begins = options_.echo && from == 0 && finish.empty();
  const bool news = begins || from < answer.choices[index].ids().size();
  return {{"text", shown},
          {"index", index},
          {"logprobs", news ? logprobs(answer, index, from, begins) : OrderedJson(nullptr)},
          {"finish_reason", text_or_null(finish)}};
}

}  // namespace afina::serve
