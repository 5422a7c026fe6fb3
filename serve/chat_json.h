// SPDX-License-Identifier: Apache-2.0
// Bodies of OpenAI's chat API (openai-openapi: CreateChatCompletionResponse, CreateChatCompletionStreamResponse) with
// one object more, `afina`: the exact ids and the identities behind an answer, for lineage.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "serve/choice.h"
#include "serve/model_catalog.h"
#include "text/chat_encoder.h"

namespace afina::serve {

/// What all bodies of one answer share.
struct Envelope {
  std::string id;  ///< "chatcmpl-…"
  int64_t created_s = 0;
  ServedModel model;
  std::string base_name, base_sha256, template_sha256;
  text::EncodedChat prompt;
  bool logprobs = false;
};

OrderedJson completion_json(const Envelope& envelope, const std::vector<Choice>& choices,
                            const text::Tokenizer& tokenizer);
/// delta: {"role":…} or {"content":…} or {}. finish: "" for null. with_usage adds `"usage": null`.
OrderedJson chunk_json(const Envelope& envelope, int index, const OrderedJson& delta, const std::string& finish,
                       bool with_usage);
/// The logprobs object of some tokens of a choice, from position `from` on.
OrderedJson logprobs_json(const Choice& choice, size_t from, const text::Tokenizer& tokenizer);
OrderedJson usage_json(const Envelope& envelope, const std::vector<Choice>& choices);
OrderedJson afina_json(const Envelope& envelope, const std::vector<Choice>& choices);

}  // namespace afina::serve
