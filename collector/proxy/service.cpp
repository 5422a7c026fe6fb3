// SPDX-License-Identifier: Apache-2.0
#include "collector/proxy/service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/cat.h"
#include "collector/events/acts.h"
#include "storage/events/outbox.h"

namespace afina::collector {
namespace {

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

}  // namespace

ProxyService::ProxyService(Services& services) : services_(services), started_(unix_now()) {}

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
  const auto chosen = choose_upstreams(services_.config, services_.config.pairing, 2, services_.random,
                                       [this](const auto& random) { return services_.informative.choose(random); });
  ProxySide a = side(exchange, chosen.at(0), 0), b = side(exchange, chosen.at(1), 1);
  exchange.pair.generation_a_id = a.generation_id;
  exchange.pair.generation_b_id = b.generation_id;
  if (!draw_a_on_left(services_.random)) std::swap(a, b);
  exchange.shown = std::move(a);
  exchange.hidden = std::move(b);
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
  if (exchange->hidden) {
    exchange->unlogged = 2;
  } else {
    exchange->message_id = new_uuid();
  }
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
        storage::emit_events(t,
                             {conversation_created(actor.workspace_id, place.conversation_id, storage::Source::api)});
      }
      return place;
    });
  } catch (const NotFound&) {
    throw http::HttpError(ErrorKind::not_found, 404, "metadata.conversation_id must be one of yours, but is not.",
                          "not_found", 0, "metadata.conversation_id");
  }
  if (exchange->hidden) exchange->making = pending_.hold(exchange->shown.generation_id, exchange->visitor_id);
  return exchange;
}

void ProxyService::chat(const Actor& actor, const http::Request& request, http::Response& response) {
  ChatRequest wanted = read_chat_request(request.body);
  const int most = services_.config.max_turns;
  auto taken = take_place(shown_, most);
  auto hidden_taken = wanted.arena() ? take_place(hidden_, most) : nullptr;
  const auto exchange = begin(actor, std::move(wanted));
  exchange->taken = std::move(taken);
  if (exchange->hidden) start_hidden(exchange, std::move(hidden_taken));
  if (exchange->request.stream) {
    answer_stream(exchange, response);
  } else {
    answer_whole(exchange, response);
  }
}

}  // namespace afina::collector
