// SPDX-License-Identifier: Apache-2.0
// Conversations: messages in, one answer or a blind pair out, streamed while it is written and committed before its
// last event.
#include "base/cat.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "collector/collector.h"
#include "collector/events/acts.h"
#include "collector/generations.h"
#include "collector/judgements/shown_details.h"
#include "collector/turns.h"
#include "storage/conversations.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxMessageBytes = 32'000, kMaxMessageCodePoints = 8'000;
constexpr size_t kMaxMessageBody = 64 * 1024;
constexpr int64_t kListed = 100;
/// Of a turn as JSON: two answers in which every byte is escaped, and its details.
constexpr size_t kMaxTurnBytes = 16 * kMaxAnswerBytes;

std::string message_text(const Body& body) {
  std::string text = body.text("text", kMaxMessageBytes);
  if (code_points(text).size() > kMaxMessageCodePoints) {
    throw refusal(400, "too_long", cat("[body] text must have at most ", kMaxMessageCodePoints, " characters."));
  }
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw refusal(400, "empty", "[body] text must say something, but is blank.");
  }
  return text;
}

/// An answer may follow only where the turn before was answered and, if it was a pair, judged.
void check_may_go_on(const std::vector<Turn>& turns, TurnRunner& runner) {
  if (turns.empty() || turns.back().assistant != nullptr) return;
  const Turn& last = turns.back();
  if (runner.find(last.user->id) != nullptr) {
    throw refusal(409, "busy", "[message] must wait for the answer before, but that is still being written.");
  }
  if (!last.answered()) throw refusal(409, "retry_first", "[message] must follow an answer, but the last one failed.");
  if (last.exposure != nullptr && last.vote == nullptr) {
    throw refusal(409, "vote_first", "[message] must follow a judgement of the pair, but there is none yet.");
  }
}

Pairing pairing_of(const Body& body, const CollectorConfig& config, const storage::Visitor& visitor) {
  Pairing pairing = config.pairing;
  if (!body.has("pairing")) return pairing;
  if (visitor.source == storage::Source::web || !from_string(body.text("pairing", 40), pairing)) {
    throw refusal(400, "bad_request",
                  "[body] pairing must be random, self, base_vs_adapter or informative, and is for programs.");
  }
  return pairing;
}

const Turn* find_turn(const std::vector<Turn>& turns, const std::string& id) {
  for (const Turn& turn : turns) {
    if (turn.user->id == id) return &turn;
  }
  return nullptr;
}

const Turn& require_last(const std::vector<Turn>& turns, const std::string& id) {
  if (turns.empty() || turns.back().user->id != id) {
    throw NotFound("[turn] must be the conversation's last, but is not.");
  }
  return turns.back();
}

void stream_stored(http::Response& response, Json turn) {
  http::EventPipe events(2 * kMaxTurnBytes);
  const std::string data = dump_json(turn);
  events.push(data, "start");
  events.push(data, "done");
  response.stream_events(events.reader());
}

void stream_live(http::Response& response, const std::shared_ptr<LiveTurn>& live,
                 const std::string& last_event_id = "") {
  response.stream_events(live->follow(last_event_id));
}

/// Where a client that lost its connection goes on.
constexpr size_t kMaxEventIdBytes = 64;

std::string last_event_id(const http::Request& request) {
  const std::string* header = request.headers.find("Last-Event-ID");
  const std::string id = header != nullptr ? *header : request.query_value("last_event_id").value_or("");
  if (id.size() > kMaxEventIdBytes) throw refusal(400, "bad_request", "[last_event_id] must be an event's id.");
  return id;
}

}  // namespace

void Collector::add_conversations() {
  person_route("GET", "/api/conversations", &Collector::list_conversations);
  person_route("POST", "/api/conversations", &Collector::create_conversation);
  person_route("GET", "/api/conversations/{id}", &Collector::show_conversation);
  person_route("POST", "/api/conversations/{id}/messages", &Collector::send_message, kMaxMessageBody);
  person_route("POST", "/api/conversations/{id}/turns/{turn}/retry", &Collector::retry_turn);
  person_route("POST", "/api/conversations/{id}/turns/{turn}/regenerate", &Collector::regenerate_turn);
  person_route("GET", "/api/conversations/{id}/turns/{turn}/stream", &Collector::follow_turn);
}

void Collector::list_conversations(const storage::Visitor& visitor, const Request& request, Response& response) {
  storage::ConversationFilter filter;
  filter.visitor_id = visitor.id;
  filter.limit = kListed;
  if (const auto before = request.query_value("before")) filter.before_id = require_id(*before);
  const auto list = database_.read([&](storage::Transaction& t) { return storage::list_conversations(t, filter); });
  Json json{{"conversations", Json::array()}, {"next", list.next_before_id}};
  for (const auto& row : list.rows) {
    json["conversations"].push_back(
        {{"id", row.conversation.id}, {"title", row.title}, {"created_at", iso8601_utc(row.conversation.created_at)}});
  }
  response.set_json(json);
}

void Collector::create_conversation(const storage::Visitor& visitor, const Request& request, Response& response) {
  const Body body(request, {"locale", "mode", "source"});
  storage::Conversation conversation;
  conversation.visitor_id = visitor.id;
  conversation.locale = body.text_or("locale", 16, visitor.locale);
  conversation.source = visitor.source;
  conversation.client_key = idempotency_key(request);
  if (body.has("mode") && !from_string(body.text("mode", 20), conversation.mode)) {
    throw refusal(400, "bad_request", "[body] mode must be chat or arena.");
  }
  if (body.has("source")) {
    const bool known = from_string(body.text("source", 20), conversation.source);
    const bool web = conversation.source == storage::Source::web, person = visitor.source == storage::Source::web;
    if (!known || web != person || conversation.source == storage::Source::import) {
      throw refusal(400, "bad_request", "[body] source must be web for people, api or demo for programs.");
    }
  }
  const auto stored = database_.transaction([&](storage::Transaction& t) {
    auto made = storage::create_conversation(t, conversation);
    if (!config_.system_prompt.empty() && made.id == conversation.id) {
      storage::Message system;
      system.id = conversation.id;  // known before the call, so that a repeated transaction finds its own row
      system.conversation_id = made.id;
      system.role = "system";
      system.content = config_.system_prompt;
      storage::append_message(t, system, visitor.id);
    }
    if (made.id == conversation.id) {
      storage::emit_events(t, {conversation_created(storage::WorkspaceScope::current(), made.id, made.source)});
    }
    return made;
  });
  response.set_json(Json{{"id", stored.id}}, 201);
}

void Collector::show_conversation(const storage::Visitor& visitor, const Request& request, Response& response) {
  const std::string id = require_id(request.param("id"));
  const auto read = [&] {
    return database_.read([&](storage::Transaction& t) {
      const auto view = storage::load_own_conversation(t, id, visitor.id);
      Json json{{"id", id}, {"locale", view.conversation.locale}, {"turns", Json::array()}};
      for (const Turn& turn : turns_of(view)) {
        json["turns"].push_back(turn_json(turn, runner_.is_running(turn.user->id)));
        add_own_details(t, view, turn, json["turns"].back());
      }
      return json;
    });
  };
  Json json = read();
  // Its answer may have been committed between the read and the look at what is running: then it is there now.
  if (!json["turns"].empty() && json["turns"].back()["state"] == "interrupted") json = read();
  response.set_json(json);
}

void Collector::send_message(const storage::Visitor& visitor, const Request& request, Response& response) {
  const std::string id = require_id(request.param("id")), key = idempotency_key(request);
  const Body body(request, {"text", "answers", "pairing", "attempt"});
  std::optional<int> attempt;  // of the single answer before, where the person went back to an earlier one
  if (body.has("attempt")) attempt = static_cast<int>(body.whole("attempt", 0, 100));
  const int answers = body.has("answers") ? static_cast<int>(body.whole("answers", 1, 2)) : 2;
  const Pairing pairing = pairing_of(body, config_, visitor);
  storage::Message message;
  message.conversation_id = id;
  message.role = "user";
  message.content = message_text(body);
  message.client_key = key;
  message.wishes = cat("answers=", answers, " pairing=", body.has("pairing") ? to_string(pairing) : "-",
                       " attempt=", attempt ? std::to_string(*attempt) : "-");
  const std::string assistant_id = new_uuid();

  auto place = runner_.reserve();
  const auto claim = runner_.claim(message.id);  // a retry may come as soon as the message is committed
  struct Outcome {
    storage::ConversationView view;
    bool repeated = false;
  };
  const Outcome outcome = database_.transaction([&](storage::Transaction& t) {
    Outcome result;
    result.view = storage::load_own_conversation(t, id, visitor.id);
    for (const auto& earlier : result.view.messages) {
      if (earlier.client_key != key) continue;
      if (earlier.content != message.content || !storage::same_wishes(earlier, message))
        throw refusal(409, "key_reused", "[Idempotency-Key] came with another text, answers, pairing or attempt.");
      result.repeated = true;
      message.id = earlier.id;
      return result;
    }
    const auto turns = turns_of(result.view);
    check_may_go_on(turns, runner_);
    if (!turns.empty() && turns.back().assistant == nullptr) {
      const auto* chosen = chosen_answer(turns.back(), attempt);
      if (chosen == nullptr) throw refusal(400, "bad_request", "[body] attempt must be one of the single answers.");
      storage::Message answer;
      answer.id = assistant_id;
      answer.conversation_id = id;
      answer.turn = turns.back().user->turn + 1;
      answer.role = "assistant";
      answer.content = chosen->text;
      answer.generation_id = chosen->id;
      result.view.messages.push_back(storage::append_message(t, answer, visitor.id));
    }
    message.turn = next_position(result.view);
    result.view.messages.push_back(storage::append_message(t, message, visitor.id));
    const std::string& stored = result.view.messages.back().id;
    result.repeated = stored != message.id;  // the same request wrote it at the same moment
    message.id = stored;
    return result;
  });
  if (outcome.repeated) return stream_begun(visitor, id, message.id, response);
  const TurnContext context{
      storage::WorkspaceScope::current(), id, message.id, visitor.id, message.content, message.turn + 1, 0};
  stream_live(response, start_turn(context, history_of(outcome.view), answers, pairing, std::move(place)));
}

void Collector::retry_turn(const storage::Visitor& visitor, const Request& request, Response& response) {
  const std::string id = require_id(request.param("id")), turn_id = require_id(request.param("turn"));
  const Body body(request, {"answers", "pairing"});
  const int answers = body.has("answers") ? static_cast<int>(body.whole("answers", 1, 2)) : 2;
  const Pairing pairing = pairing_of(body, config_, visitor);
  auto place = runner_.reserve();
  const auto read = [&] {
    return database_.read([&](storage::Transaction& t) { return storage::load_own_conversation(t, id, visitor.id); });
  };
  // Whose it is comes first: what is being written for others is nobody else's.
  require_last(turns_of(read()), turn_id);
  const auto claim = runner_.claim(turn_id);
  if (auto live = runner_.find(turn_id)) return stream_live(response, live);
  if (!claim) throw refusal(409, "busy", "[retry] must wait for another try of the same turn, which has just begun.");
  const auto view = read();  // once more: the try before may have ended meanwhile
  const auto turns = turns_of(view);
  const Turn* turn = &require_last(turns, turn_id);
  // A whole answer or a whole pair stands: another try would let people shop for answers, unrecorded.
  if (turn->exposure != nullptr || turn->whole()) return stream_stored(response, turn_json(*turn, false));
  const TurnContext context{storage::WorkspaceScope::current(),
                            id,
                            turn_id,
                            visitor.id,
                            turn->user->content,
                            turn->user->turn + 1,
                            turn->next_attempt()};
  stream_live(response, start_turn(context, history_of(view), answers, pairing, std::move(place)));
}

void Collector::follow_turn(const storage::Visitor& visitor, const Request& request, Response& response) {
  const std::string id = require_id(request.param("id")), turn_id = require_id(request.param("turn"));
  stream_begun(visitor, id, turn_id, response, last_event_id(request));
}

void Collector::stream_begun(const storage::Visitor& visitor, const std::string& conversation_id,
                             const std::string& turn_id, Response& response, const std::string& from_event) {
  // Both before the read: what ends in between is in the read.
  const bool running = runner_.is_running(turn_id);
  const auto live = runner_.find(turn_id);
  const auto view = database_.read(
      [&](storage::Transaction& t) { return storage::load_own_conversation(t, conversation_id, visitor.id); });
  const auto turns = turns_of(view);
  const Turn* turn = find_turn(turns, turn_id);
  if (turn == nullptr) throw NotFound("[turn] must be of this conversation, but is not.");
  if (live != nullptr) return stream_live(response, live, from_event);
  if (running && turn->answers.empty()) {
    throw refusal(409, "busy", "[turn] must have its models asked first, which is about to happen.");
  }
  stream_stored(response, turn_json(*turn, false));
}

}  // namespace afina::collector
