// SPDX-License-Identifier: Apache-2.0
#include "serve/chat_json.h"

#include "base/utf8.h"

namespace afina::serve {
namespace {

OrderedJson text_or_null(const std::string& text) {
  return text.empty() ? OrderedJson(nullptr) : OrderedJson(text);
}

OrderedJson frame(const Envelope& envelope, const char* object) {
  return {{"id", envelope.id},
          {"object", object},
          {"created", envelope.created_s},
          {"model", envelope.model.name},
          {"system_fingerprint", "afina-" + envelope.base_sha256.substr(0, 12)}};
}

}  // namespace

OrderedJson logprobs_json(const Choice& choice, size_t from, const text::Tokenizer& tokenizer) {
  OrderedJson content = OrderedJson::array();
  for (size_t i = from; i < choice.ids().size(); ++i) {
    const std::string& bytes = tokenizer.token_bytes(choice.ids()[i]);
    OrderedJson list = OrderedJson::array();
    for (const char c : bytes)
      list.push_back(static_cast<unsigned char>(c));
    content.push_back({{"token", repair_utf8(bytes)},
                       {"logprob", choice.logprobs()[i]},
                       {"bytes", std::move(list)},
                       {"top_logprobs", OrderedJson::array()}});
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

OrderedJson completion_json(const Envelope& envelope, const std::vector<Choice>& choices,
                            const text::Tokenizer& tokenizer) {
  OrderedJson body = frame(envelope, "chat.completion");
  body["choices"] = OrderedJson::array();
  for (size_t i = 0; i < choices.size(); ++i) {
    body["choices"].push_back(
        {{"index", i},
         {"message", {{"role", "assistant"}, {"content", choices[i].text()}, {"refusal", nullptr}}},
         {"logprobs", envelope.logprobs ? logprobs_json(choices[i], 0, tokenizer) : OrderedJson(nullptr)},
         {"finish_reason", text_or_null(choices[i].finish_reason())}});
  }
  body["usage"] = usage_json(envelope, choices);
  body["afina"] = afina_json(envelope, choices);
  return body;
}

OrderedJson chunk_json(const Envelope& envelope, int index, const OrderedJson& delta, const std::string& finish,
                       bool with_usage) {
  OrderedJson body = frame(envelope, "chat.completion.chunk");
  body["choices"] = OrderedJson::array();
  body["choices"].push_back(
      {{"index", index}, {"delta", delta}, {"logprobs", nullptr}, {"finish_reason", text_or_null(finish)}});
  if (with_usage) body["usage"] = nullptr;
  return body;
}

OrderedJson usage_json(const Envelope& envelope, const std::vector<Choice>& choices) {
  size_t generated = 0;
  for (const Choice& choice : choices)
    generated += choice.ids().size();
  const size_t prompt = envelope.prompt.ids.size();
  return {{"prompt_tokens", prompt}, {"completion_tokens", generated}, {"total_tokens", prompt + generated}};
}

OrderedJson afina_json(const Envelope& envelope, const std::vector<Choice>& choices) {
  OrderedJson body{{"prompt_ids", envelope.prompt.ids},
                   {"completion_ids", choices.front().ids()},
                   {"seed", choices.front().seed()},
                   {"template_sha256", envelope.template_sha256},
                   {"template_date", envelope.prompt.date},
                   {"base_model", envelope.base_name},
                   {"base_sha256", envelope.base_sha256},
                   {"adapter", text_or_null(envelope.model.entry.name)},
                   {"adapter_id", text_or_null(envelope.model.entry.id)},
                   {"adapter_sha256", text_or_null(envelope.model.entry.sha256)}};
  if (choices.size() > 1) {
    body["choices"] = OrderedJson::array();
    for (const Choice& choice : choices) {
      body["choices"].push_back({{"completion_ids", choice.ids()}, {"seed", choice.seed()}});
    }
  }
  return body;
}

}  // namespace afina::serve
