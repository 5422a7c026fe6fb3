// SPDX-License-Identifier: Apache-2.0
#include "serve/chat_service.h"

#include <chrono>
#include <random>

#include "base/hash.h"
#include "serve/chat_json.h"

namespace afina::serve {
namespace {

int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Below 2^53, so that a JavaScript client can send it back.
uint64_t random_seed() {
  std::random_device device;
  return ((uint64_t{device()} << 32) | device()) >> 11;
}

}  // namespace

/// One request between its checks and its last byte.
struct ChatService::Answer {
  ChatRequest request;
  Envelope envelope;
  std::vector<Choice> choices;
  std::unique_ptr<Completion> completion;

  /// The next token, already pushed into its choice. Nothing at the end.
  struct Step {
    int index;
    std::string shown;
  };
  std::optional<Step> step(const std::stop_token& stop) {
    const std::optional<Token> token = completion->next(stop);
    if (!token) return std::nullopt;
    Choice& choice = choices[token->index];
    Step step{token->index, choice.push(*token)};
    if (!choice.finish_reason().empty())
      completion->cancel(token->index);  // a stop string ends it before the model does
    return step;
  }
};

ChatService::ChatService(text::ChatEncoder encoder, ModelCatalog& catalog, Scheduler& scheduler,
                         ChatServiceOptions options)
    : encoder_(std::move(encoder)), catalog_(catalog), scheduler_(scheduler), options_(options) {}

void ChatService::add_routes(http::Server& server) {
  const http::RouteOptions openai{.max_body_bytes = options_.max_body_bytes, .error_form = http::ErrorForm::openai};
  server.route(
      "POST", "/v1/chat/completions", [this](const http::Request& q, http::Response& r) { chat(q, r); }, openai);
  server.route(
      "GET", "/v1/models", [this](const http::Request&, http::Response& r) { models(r); }, openai);
  server.route("GET", "/health", [this](const http::Request&, http::Response& r) { health(r); });
}

void ChatService::chat(const http::Request& request, http::Response& response) {
  Json body;
  try {
    body = request.json();
  } catch (const DataError& error) {
    throw http::HttpError(ErrorKind::usage, 400, error.what(), "invalid_json");
  }
  const std::shared_ptr<Answer> answer = begin(parse_chat_request(body, options_.limits));
  if (answer->request.stream) {
    response.stream([this, answer](http::SseWriter& writer) { answer_stream(*answer, writer); });
  } else {
    answer_whole(*answer, request, response);
  }
}

std::shared_ptr<ChatService::Answer> ChatService::begin(const ChatRequest& request) const {
  auto answer = std::make_shared<Answer>();
  answer->request = request;
  Envelope& envelope = answer->envelope;
  envelope.id = "chatcmpl-" + random_hex(12);
  envelope.created_s = now_s();
  envelope.model = catalog_.resolve(request.model);
  envelope.base_name = catalog_.base().name;
  envelope.base_sha256 = catalog_.base().sha256;
  envelope.template_sha256 = encoder_.chat_template().sha256();
  envelope.logprobs = request.logprobs;
  try {
    envelope.prompt = encoder_.encode(request.messages, {.add_generation_prompt = true, .with_mask = false});
  } catch (const DataError& error) {
    throw http::HttpError(ErrorKind::data, 400, error.what(), "invalid_messages", 0, "messages");
  }
  const int64_t prompt_size = static_cast<int64_t>(envelope.prompt.ids.size());
  if (prompt_size >= options_.context_limit) {
    throw http::HttpError(ErrorKind::usage, 400,
                          cat("[messages] must leave room in the context of ", options_.context_limit,
                              " tokens, but have ", prompt_size, "."),
                          "context_length_exceeded", 0, "messages");
  }
  std::vector<Job> jobs;
  const uint64_t seed = request.seed.value_or(random_seed());
  for (int i = 0; i < request.n; ++i) {
    Job job{envelope.prompt.ids, request.params, envelope.model.adapter};
    job.params.seed = seed + static_cast<uint64_t>(i);
    job.params.stop_ids = encoder_.tokenizer().end_ids();
    answer->choices.emplace_back(encoder_.tokenizer(), request.stops, job.params.seed);
    jobs.push_back(std::move(job));
  }
  answer->completion = scheduler_.submit(std::move(jobs));
  return answer;
}

void ChatService::answer_whole(Answer& answer, const http::Request& request, http::Response& response) const {
  while (answer.step(request.stop)) {
  }
  response.set_json(completion_json(answer.envelope, answer.choices, encoder_.tokenizer()));
}

void ChatService::answer_stream(Answer& answer, http::SseWriter& writer) const {
  const bool with_usage = answer.request.include_usage;
  const auto send = [&](const OrderedJson& body) {
    if (!writer.send(dump_json(body))) throw Cancelled("[serve] the client has left.");
  };
  for (int i = 0; i < answer.request.n; ++i) {
    send(chunk_json(answer.envelope, i, {{"role", "assistant"}, {"content", ""}}, "", with_usage));
  }
  std::vector<size_t> told(answer.choices.size(), 0);  // tokens whose logprobs were sent
  int unfinished = answer.request.n;
  while (const std::optional<Answer::Step> step = answer.step(writer.stop_token())) {
    const Choice& choice = answer.choices[step->index];
    if (!step->shown.empty()) {
      OrderedJson chunk = chunk_json(answer.envelope, step->index, {{"content", step->shown}}, "", with_usage);
      if (answer.request.logprobs) {
        chunk["choices"][0]["logprobs"] = logprobs_json(choice, told[step->index], encoder_.tokenizer());
        told[step->index] = choice.ids().size();
      }
      send(chunk);
    }
    if (choice.finish_reason().empty()) continue;
    OrderedJson chunk =
        chunk_json(answer.envelope, step->index, OrderedJson::object(), choice.finish_reason(), with_usage);
    if (--unfinished == 0 && !with_usage) chunk["afina"] = afina_json(answer.envelope, answer.choices);
    send(chunk);
  }
  if (with_usage) {
    OrderedJson chunk = chunk_json(answer.envelope, 0, OrderedJson::object(), "", true);
    chunk["choices"] = OrderedJson::array();
    chunk["usage"] = usage_json(answer.envelope, answer.choices);
    chunk["afina"] = afina_json(answer.envelope, answer.choices);
    send(chunk);
  }
  writer.send("[DONE]");
}

void ChatService::models(http::Response& response) const {
  const auto entry = [](const std::string& name, int64_t created_s, const OrderedJson& afina) {
    return OrderedJson{
        {"id", name}, {"object", "model"}, {"created", created_s}, {"owned_by", "afina"}, {"afina", afina}};
  };
  const BaseEntry& base = catalog_.base();
  OrderedJson list = OrderedJson::array();
  list.push_back(entry(base.name, base.created_s,
                       {{"kind", "base"}, {"base_sha256", base.sha256}, {"context", options_.context_limit}}));
  for (const AdapterEntry& adapter : catalog_.adapters()) {
    list.push_back(entry(adapter.name, adapter.created_s,
                         {{"kind", "adapter"},
                          {"base_model", base.name},
                          {"adapter_id", adapter.id},
                          {"adapter_sha256", adapter.sha256}}));
  }
  response.set_json(OrderedJson{{"object", "list"}, {"data", std::move(list)}});
}

void ChatService::health(http::Response& response) const {
  const Scheduler::Load load = scheduler_.load();
  response.set_json(OrderedJson{{"status", "ok"}, {"decoding", load.decoding}, {"waiting", load.waiting}});
}

}  // namespace afina::serve
