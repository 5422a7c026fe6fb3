// SPDX-License-Identifier: Apache-2.0
#include "serve/openai_service.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "base/hash.h"
#include "base/utf8.h"
#include "serve/chat_json.h"
#include "serve/completion_json.h"
#include "serve/request_fields.h"

namespace afina::serve {
namespace {

// Schemas of tools nest deeper than other requests.
constexpr JsonLimits kBodyLimits{.max_depth = 32, .max_elements = 1'000'000};

int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Below 2^53, so that a JavaScript client can send it back.
uint64_t random_seed() {
  std::random_device device;
  return ((uint64_t{device()} << 32) | device()) >> 11;
}

OrderedJson body_of(const http::Request& request) {
  try {
    return parse_ordered_json(request.body, "request body", kBodyLimits);
  } catch (const DataError& error) {
    throw http::HttpError(ErrorKind::usage, 400, error.what(), "invalid_json");
  }
}

}  // namespace

OpenAiService::OpenAiService(text::TextStack text, ModelCatalog& catalog, Scheduler& scheduler, ServiceOptions options)
    : text_(std::move(text)), catalog_(catalog), scheduler_(scheduler), options_(std::move(options)) {
  if (text_.chat_template) encoder_ = text_.encoder();
  options_.limits.vocab_size = text_.tokenizer->vocab_size();
}

void OpenAiService::add_routes(http::Server& server) {
  http::RouteOptions openai{.max_body_bytes = options_.max_body_bytes, .error_form = http::ErrorForm::openai};
  if (options_.requests_per_second > 0) {
    openai.rate_class = "openai";
    server.add_rate_class(
        {openai.rate_class, options_.requests_per_second, std::max(1.0, 2 * options_.requests_per_second)});
  }
  const auto route = [&](const char* method, const char* pattern, http::Handler handler) {
    server.route(
        method, pattern,
        [this, handler = std::move(handler)](const http::Request& q, http::Response& r) {
          options_.keys.require(q);
          handler(q, r);
        },
        openai);
  };
  route("POST", "/v1/chat/completions", [this](const http::Request& q, http::Response& r) { chat(q, r); });
  route("POST", "/v1/completions", [this](const http::Request& q, http::Response& r) { complete(q, r); });
  route("GET", "/v1/models", [this](const http::Request&, http::Response& r) {
    r.set_json(OrderedJson{{"object", "list"}, {"data", models()}});
  });
  route("GET", "/v1/models/{id}", [this](const http::Request& q, http::Response& r) { model(q.param("id"), r); });
  // A name with a slash in it, as Hugging Face's have.
  route("GET", "/v1/models/{owner}/{id}",
        [this](const http::Request& q, http::Response& r) { model(cat(q.param("owner"), "/", q.param("id")), r); });
  server.route("GET", "/health", [this](const http::Request&, http::Response& r) { health(r); });
}

void OpenAiService::chat(const http::Request& request, http::Response& response) {
  const ChatRequest asked = parse_chat_request(body_of(request), options_.limits);
  const std::shared_ptr<Answer> answer = new_answer("chatcmpl-", asked.model);
  answer->prompts.push_back(chat_prompt(asked, *answer));
  check_length(answer->prompts[0], "messages");
  begin(*answer, asked, nullptr);
  tell(answer, std::make_shared<ChatForm>(*text_.tokenizer, asked.logprobs), asked, request, response);
}

void OpenAiService::complete(const http::Request& request, http::Response& response) {
  const CompletionRequest asked = parse_completion_request(body_of(request), options_.limits);
  const std::shared_ptr<Answer> answer = new_answer("cmpl-", asked.model);
  for (size_t i = 0; i < asked.prompts.size(); ++i) {
    answer->prompts.push_back(raw_prompt(asked, i));
    check_length(answer->prompts.back(), "prompt");
  }
  begin(*answer, asked, &asked);
  const CompletionForm::Options how{asked.logprobs.has_value(), asked.echo, asked.logprobs.value_or(0)};
  tell(answer, std::make_shared<CompletionForm>(*text_.tokenizer, how), asked, request, response);
}

std::shared_ptr<Answer> OpenAiService::new_answer(const char* prefix, const std::string& model_name) const {
  auto answer = std::make_shared<Answer>();
  answer->id = prefix + random_hex(12);
  answer->created_s = now_s();
  answer->model = catalog_.resolve(model_name);
  answer->base_name = catalog_.base().name;
  answer->base_sha256 = catalog_.base().sha256;
  return answer;
}

Prompt OpenAiService::chat_prompt(const ChatRequest& request, Answer& answer) const {
  if (!encoder_)
    refuse_unsupported("messages",
                       "must go to a model with a chat template, but this one has none: use /v1/completions.");
  const text::ChatTemplate& chat_template = encoder_->chat_template();
  if (!request.tools.is_null() && chat_template.source().find("tools") == std::string::npos)
    refuse_unsupported("tools", "must be absent here: the chat template of this model has no place for them.");
  try {
    text::EncodedChat chat = encoder_->encode(
        request.messages,
        {.add_generation_prompt = true, .with_mask = false, .tools = request.tools, .variables = request.variables});
    answer.template_sha256 = chat_template.sha256();
    answer.template_date = chat.date;
    return {std::move(chat.ids), {}, {}};
  } catch (const DataError& error) {
    throw http::HttpError(ErrorKind::data, 400, error.what(), "invalid_messages", 0, "messages");
  }
}

Prompt OpenAiService::raw_prompt(const CompletionRequest& request, size_t index) const {
  const text::Tokenizer& tokenizer = *text_.tokenizer;
  Prompt prompt;
  if (const auto* ids = std::get_if<std::vector<int>>(&request.prompts[index])) {
    prompt.ids = *ids;
    text::StreamDecoder decoder(tokenizer, false);
    size_t characters = 0;
    for (const int id : prompt.ids) {
      prompt.offsets.push_back(characters);
      const std::string piece = decoder.push(id);
      characters += count_characters(piece);
      prompt.text += piece;
    }
    prompt.text += decoder.flush();
    return prompt;
  }
  prompt.text = std::get<std::string>(request.prompts[index]);
  size_t characters = 0, at = 0;
  for (const text::TokenSpan& span : tokenizer.encode_spans(
           prompt.text, {.parse_special = request.parse_special, .add_special = request.add_special})) {
    prompt.ids.push_back(span.id);
    // A token inside a character begins where the character does; BOS has no text.
    const size_t begin = std::min(span.begin, prompt.text.size());
    if (begin > at) {
      characters += count_characters(std::string_view(prompt.text).substr(at, begin - at));
      at = begin;
    }
    const bool inside = begin < prompt.text.size() && (prompt.text[begin] & 0xC0) == 0x80;
    prompt.offsets.push_back(characters - static_cast<size_t>(inside));
  }
  if (prompt.ids.empty()) refuse("prompt", "must have at least one token, but is empty.");
  return prompt;
}

void OpenAiService::check_length(const Prompt& prompt, const std::string& param) const {
  if (static_cast<int64_t>(prompt.ids.size()) < options_.context_limit) return;
  refuse(param,
         cat("must leave room in the context of ", options_.context_limit, " tokens, but has ", prompt.ids.size(), "."),
         "context_length_exceeded");
}

void OpenAiService::begin(Answer& answer, const GenerationRequest& request, const CompletionRequest* raw) const {
  std::vector<Job> jobs;
  const uint64_t seed = request.seed.value_or(random_seed());
  for (const Prompt& prompt : answer.prompts) {
    for (int i = 0; i < request.n; ++i) {
      Job job{prompt.ids, request.params, answer.model.adapter};
      job.params.seed = seed + jobs.size();
      job.params.stop_ids = text_.tokenizer->end_ids();
      ChoiceStart start;
      if (raw != nullptr) start = {raw->echo ? prompt.text : "", prompt.ids, raw->score_only};
      answer.choices.emplace_back(*text_.tokenizer, request.stops, job.params.seed, std::move(start));
      jobs.push_back(std::move(job));
    }
  }
  answer.completion = scheduler_.submit(std::move(jobs));
}

void OpenAiService::tell(std::shared_ptr<Answer> answer, Form form, const GenerationRequest& asked,
                         const http::Request& request, http::Response& response) {
  if (!asked.stream) {
    response.set_json(answer_whole(*answer, *form, request.stop));
    return;
  }
  response.stream([answer = std::move(answer), form = std::move(form), with_usage = asked.include_usage](
                      http::SseWriter& writer) { answer_stream(*answer, *form, with_usage, writer); });
}

std::vector<OrderedJson> OpenAiService::models() const {
  const auto entry = [](const std::string& name, int64_t created_s, OrderedJson afina) -> OrderedJson {
    return {
        {"id", name}, {"object", "model"}, {"created", created_s}, {"owned_by", "afina"}, {"afina", std::move(afina)}};
  };
  const BaseEntry& base = catalog_.base();
  std::vector<OrderedJson> list;
  list.push_back(entry(base.name, base.created_s,
                       {{"kind", "base"}, {"base_sha256", base.sha256}, {"context", options_.context_limit}}));
  for (const AdapterEntry& adapter : catalog_.adapters()) {
    list.push_back(entry(adapter.name, adapter.created_s,
                         {{"kind", "adapter"},
                          {"base_model", base.name},
                          {"adapter_id", adapter.id},
                          {"adapter_sha256", adapter.sha256}}));
  }
  return list;
}

void OpenAiService::model(const std::string& name, http::Response& response) const {
  for (const OrderedJson& entry : models()) {
    if (entry["id"] == name) return response.set_json(entry);
  }
  throw http::HttpError(ErrorKind::not_found, 404,
                        cat("[model] must be a model of this server, but got \"", name.substr(0, 200), "\"."),
                        "model_not_found", 0, "model");
}

void OpenAiService::health(http::Response& response) const {
  const Scheduler::Load load = scheduler_.load();
  response.set_json(OrderedJson{{"status", "ok"}, {"decoding", load.decoding}, {"waiting", load.waiting}});
}

}  // namespace afina::serve
