// SPDX-License-Identifier: Apache-2.0
#include "collector/proxy/service.h"

#include <algorithm>
#include <chrono>

#include "base/cat.h"
#include "base/log.h"
#include "collector/generations.h"
#include "collector/proxy/chunks.h"
#include "storage/events/outbox.h"

namespace afina::collector {
namespace {

constexpr int kMaxHidden = 32;

int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

http::HttpError overloaded() {
  return {ErrorKind::storage, 503, "[proxy] must answer fewer requests at one time, but all its places are taken.",
          "overloaded", 1};
}

http::HttpError unknown_model(const std::string& name) {
  return {ErrorKind::not_found, 404, cat("The model '", name.substr(0, 200), "' does not exist here."),
          "model_not_found",    0,   "model"};
}

/// A place under a cap, given back when its last owner goes.
std::shared_ptr<void> take_place(std::atomic<int>& taken, int most) {
  if (taken.fetch_add(1) >= most) {
    taken.fetch_sub(1);
    throw overloaded();
  }
  return {&taken, [](std::atomic<int>* places) { places->fetch_sub(1); }};
}

/// To the client: what went wrong, never what the upstream said about itself.
http::HttpError client_error(const UpstreamAnswer& answer) {
  const int status = answer.upstream_status;
  if (status == 400 || status == 413 || status == 422) {
    return {ErrorKind::usage, 400, "The model refused the request as it stands.", "upstream_refused"};
  }
  if (answer.error == "upstream_busy") {
    return {ErrorKind::storage, 503, "The model has too much to do.", answer.error, 2};
  }
  if (answer.error == "upstream_slow") return {ErrorKind::storage, 504, "The model took too long.", answer.error};
  return {ErrorKind::storage, 502, "The model did not answer as it should.", answer.error};
}

CompletionHead head_of(const ProxyExchange& exchange) {
  return {exchange.completion_id(), exchange.request.model, exchange.place.conversation_id, exchange.created,
          exchange.request.arena()};
}

storage::Generation to_row(const ProxyExchange& exchange, const ProxySide& side, const UpstreamAnswer& answer,
                           const Upstream& upstream, int choice) {
  Completion completion;
  completion.text = answer.said.text(choice);
  completion.finish_reason = answer.said.finish_reason(choice);
  completion.error = answer.error;
  if (completion.error.empty() && completion.text.empty()) completion.error = "upstream_empty";
  if (choice == 0) completion.afina = answer.said.afina();
  storage::Generation row = to_generation(completion, upstream, side.seed);
  row.id = choice == 0 ? side.generation_id : new_uuid();
  row.conversation_id = exchange.place.conversation_id;
  row.turn = exchange.place.turn;
  row.slot = side.slot + choice;
  row.params = stored_params(side.body);
  if (const Json seed = side.body.value("seed", Json()); seed.is_number_integer()) row.seed = seed.get<int64_t>();
  if (row.finish_reason.empty()) row.finish_reason = completion.finish_reason;
  if (choice == 0) {
    row.prompt_tokens = answer.said.tokens("prompt_tokens");
    row.completion_tokens = answer.said.tokens("completion_tokens");
  }
  row.first_token_ms = answer.first_piece_ms;
  row.total_ms = answer.total_ms;
  // PostgreSQL's text cannot hold U+0000.
  for (size_t at = row.text.find('\0'); at != std::string::npos; at = row.text.find('\0', at))
    row.text.replace(at, 1, "\uFFFD");
  return row;
}

}  // namespace

ProxyService::ProxyService(Services& services) : services_(services), started_(unix_now()), hidden_(kMaxHidden, 0) {
  for (const UpstreamConfig& upstream : services.config.upstreams)
    calls_.push_back(std::make_unique<UpstreamCall>(upstream));
}

ProxyService::~ProxyService() {
  stop_.request_stop();
  hidden_.close();
}

Json ProxyService::model_json(const std::string& name) const {
  return {{"id", name}, {"object", "model"}, {"created", started_}, {"owned_by", "afina"}};
}

void ProxyService::models(http::Response& response) const {
  Json data = Json::array();
  for (const UpstreamConfig& upstream : services_.config.upstreams)
    data.push_back(model_json(upstream.name));
  if (services_.config.upstreams.size() > 1) data.push_back(model_json(kArenaModel));
  response.set_json(Json{{"object", "list"}, {"data", std::move(data)}});
}

void ProxyService::model(const std::string& name, http::Response& response) const {
  const auto& all = services_.config.upstreams;
  const bool known = std::ranges::any_of(all, [&](const auto& u) { return u.name == name; });
  if (!known && (name != kArenaModel || all.size() < 2)) throw unknown_model(name);
  response.set_json(model_json(name));
}

ProxySide ProxyService::side(const ProxyExchange& exchange, size_t upstream, int slot) const {
  ProxySide side;
  side.upstream = upstream;
  side.generation_id = new_uuid();
  side.slot = slot;
  side.seed = draw_seed(services_.random);
  side.body = upstream_body(exchange.request, services_.config.upstreams[upstream], side.seed);
  return side;
}

void ProxyService::choose(ProxyExchange& exchange) {
  const auto& all = services_.config.upstreams;
  if (!exchange.request.arena()) {
    const auto found = std::ranges::find(all, exchange.request.model, &UpstreamConfig::name);
    if (found == all.end()) throw unknown_model(exchange.request.model);
    exchange.shown = side(exchange, static_cast<size_t>(found - all.begin()), 0);
    return;
  }
  if (all.size() < 2) throw unknown_model(kArenaModel);
  const auto chosen = choose_upstreams(services_.config, services_.config.pairing, 2, services_.random);
  ProxySide a = side(exchange, chosen.at(0), 0), b = side(exchange, chosen.at(1), 1);
  exchange.pair.generation_a_id = a.generation_id;
  exchange.pair.generation_b_id = b.generation_id;
  const bool shows_a = draw_a_on_left(services_.random);
  exchange.shown = shows_a ? std::move(a) : b;
  exchange.hidden = shows_a ? std::move(b) : std::move(a);
  exchange.pair.shown_id = exchange.shown.generation_id;
}

std::shared_ptr<ProxyExchange> ProxyService::begin(const Actor& actor, ChatRequest request) {
  auto exchange = std::make_shared<ProxyExchange>();
  exchange->request = std::move(request);
  exchange->visitor_id = actor.person().id;
  exchange->workspace_id = actor.workspace_id;
  exchange->created = unix_now();
  exchange->pair.visitor_id = exchange->visitor_id;
  choose(*exchange);
  if (!exchange->hidden) exchange->message_id = new_uuid();
  storage::LoggedPrompt prompt;
  prompt.conversation_id = exchange->request.conversation_id;
  prompt.new_conversation_id = new_uuid();
  prompt.visitor_id = exchange->visitor_id;
  prompt.locale = actor.person().locale;
  prompt.mode = exchange->hidden ? storage::Mode::arena : storage::Mode::chat;
  for (const LoggedMessage& logged : exchange->request.messages) {
    storage::Message message;
    message.role = logged.role;
    message.content = logged.content;
    prompt.messages.push_back(std::move(message));
  }
  try {
    exchange->place = services_.database.transaction([&](storage::Transaction& t) {
      const auto place = storage::log_prompt(t, prompt);
      if (place.begun) {
        storage::emit_event(t, actor.workspace_id, "conversation.created",
                            {{"conversation", place.conversation_id}, {"source", "api"}});
      }
      return place;
    });
  } catch (const NotFound&) {
    throw http::HttpError(ErrorKind::not_found, 404, "metadata.conversation_id must be one of yours, but is not.",
                          "not_found", 0, "metadata.conversation_id");
  }
  return exchange;
}

void ProxyService::log(ProxyExchange& exchange, const ProxySide& side, const UpstreamAnswer& answer) {
  const Upstream& upstream = *services_.upstreams[side.upstream];
  if (!answer.error.empty() && answer.error != "interrupted") {
    log_warning("proxy", upstream.config().name, ": ", answer.error, " ", answer.error_detail);
  }
  storage::LoggedAnswers answers;
  answers.visitor_id = exchange.visitor_id;
  answers.shown_id = exchange.shown.generation_id;
  answers.message_id = exchange.message_id;
  for (int choice = 0; choice < std::max(1, answer.said.count()); ++choice)
    answers.generations.push_back(to_row(exchange, side, answer, upstream, choice));
  const std::scoped_lock lock(exchange.mutex);
  const storage::WorkspaceScope scope(exchange.workspace_id);
  exchange.attempt = services_.database.transaction([&](storage::Transaction& t) {
    storage::LoggedAnswers rows = answers;
    for (storage::Generation& generation : rows.generations)
      generation.adapter_id = known_adapter(t, generation.adapter_id);
    const int attempt = storage::log_answers(t, rows, exchange.attempt);
    if (exchange.hidden) storage::log_blind_pair(t, exchange.pair);
    if (side.generation_id == answers.shown_id) {
      storage::emit_event(t, exchange.workspace_id, "answer.created",
                          {{"conversation", exchange.place.conversation_id},
                           {"completion", exchange.completion_id()},
                           {"error", answers.generations[0].error}});
    }
    return attempt;
  });
}

void ProxyService::start_hidden(const std::shared_ptr<ProxyExchange>& exchange) {
  if (!exchange->hidden) return;
  const bool started = hidden_.submit([this, exchange] {
    const ProxySide& side = *exchange->hidden;
    try {
      const auto answer = calls_[side.upstream]->ask(
          side.body, [](const Json&) { return true; }, stop_.get_token());
      log(*exchange, side, answer);
    } catch (const std::exception& error) {
      log_error("proxy", "the other half of ", exchange->completion_id(), " was not kept: ", error.what());
    }
  });
  if (!started) throw overloaded();
}

void ProxyService::answer_whole(const std::shared_ptr<ProxyExchange>& exchange, std::stop_token stop,
                                http::Response& response) {
  const auto answer = calls_[exchange->shown.upstream]->ask(
      exchange->shown.body, [](const Json&) { return true; }, stop);
  log(*exchange, exchange->shown, answer);
  if (!answer.error.empty()) throw client_error(answer);
  response.set_json(whole_completion(head_of(*exchange), answer.said));
}

void ProxyService::answer_stream(const std::shared_ptr<ProxyExchange>& exchange, std::shared_ptr<void> place,
                                 http::Response& response) {
  response.headers.set("X-Accel-Buffering", "no");
  response.stream([this, exchange, place = std::move(place)](http::SseWriter& writer) {
    const CompletionHead head = head_of(*exchange);
    const bool usage = exchange->request.include_usage;
    bool first = true;
    const auto pass = [&](const Json& chunk) {
      const Json ours = client_chunk(head, chunk, first, usage);
      if (ours.is_null()) return true;
      first = false;
      return writer.send(dump_json(ours));
    };
    const auto answer = calls_[exchange->shown.upstream]->ask(exchange->shown.body, pass, writer.stop_token());
    log(*exchange, exchange->shown, answer);  // before [DONE]: what is told as finished is on record
    if (!answer.error.empty()) {
      writer.send(dump_json(http::error_json(client_error(answer), "", http::ErrorForm::openai)));
      return;
    }
    if (usage) writer.send(dump_json(usage_chunk(head, answer.said.usage())));
    writer.send("[DONE]");
  });
}

void ProxyService::chat(const Actor& actor, const http::Request& request, http::Response& response) {
  ChatRequest wanted = read_chat_request(request.body);
  auto place = wanted.stream ? take_place(streams_, kMaxProxyStreams) : take_place(wholes_, kMaxProxyWholes);
  const auto exchange = begin(actor, std::move(wanted));
  start_hidden(exchange);
  if (exchange->request.stream) {
    answer_stream(exchange, std::move(place), response);
  } else {
    answer_whole(exchange, request.stop, response);
  }
}

void ProxyService::feedback(const Actor& actor, const http::Request& request, http::Response& response) {
  response.set_json(take_feedback(services_, actor, request));
}

}  // namespace afina::collector
