// SPDX-License-Identifier: Apache-2.0
// Judgements: votes with their details, corrections, undo, reveal, pairs of other people, notes on single answers.
// Ownership is in the SQL: what is not one's own is not found.
#include "base/cat.h"
#include "base/uuid.h"
#include "collector/events/acts.h"
#include "collector/judgements/details_wire.h"
#include "collector/judgements/screen_wire.h"
#include "collector/judgements/shown_details.h"
#include "collector/judgements/vote_writer.h"
#include "collector/services.h"
#include "collector/turns.h"
#include "collector/wire.h"
#include "storage/conversations.h"
#include "storage/judgements/answer_notes.h"

namespace afina::collector {
namespace {

using http::Request;
using http::Response;

constexpr size_t kMaxReasonBytes = 4000;
constexpr int64_t kMaxDecideMs = 24LL * 3600 * 1000;
constexpr size_t kMaxVoteBody = 64 * 1024;

storage::NewPreference read_vote(const Body& body, const std::string& key, const storage::Visitor& visitor) {
  storage::NewPreference vote;
  // A UUID as key is the row's id too, so that a client can name its vote before it has heard back.
  if (is_uuid(key)) vote.id = key;
  vote.exposure_id = require_id(body.text("exposure", 36));
  vote.visitor_id = visitor.id;
  vote.source = visitor.source;
  vote.idempotency_key = key;
  vote.reason = body.text_or("reason", kMaxReasonBytes, "");
  if (body.has("supersedes")) vote.supersedes_id = require_id(body.text("supersedes", 36));
  if (body.has("confidence")) vote.confidence = static_cast<int>(body.whole("confidence", 1, 4));
  if (body.has("ms_to_decide")) vote.ms_to_decide = body.whole("ms_to_decide", 0, kMaxDecideMs);
  vote.rewrite = body.text_or("rewrite", storage::kMaxRewriteBytes, "");
  vote.details = read_details(body, {"a", "b"});
  vote.screen = read_screen(body);
  return vote;
}

http::HttpError already_revealed() {
  return refusal(409, "already_revealed", "[vote] must stand once the models' names were shown.");
}

[[noreturn]] void refuse_vote(storage::VoteRefusal reason, const storage::NewPreference& vote) {
  using enum storage::VoteRefusal;
  if (reason == revealed) throw already_revealed();
  if (reason == session_ended) {
    throw refusal(401, "consent_required", "[session] must begin with a consent, but it has ended.");
  }
  try {
    storage::throw_refusal(reason, vote);
  } catch (const Conflict& conflict) {
    throw refusal(409, reason == key_reused ? "key_reused" : "already_voted", conflict.what());
  }
}

Json written_json(const storage::VoteResult& result, const storage::NewPreference& sent) {
  if (result.refusal != storage::VoteRefusal::none) refuse_vote(result.refusal, sent);
  Json json = vote_json(&result.put.stored, result.shown.exposure.a_on_left);
  // What was just said, in the words of the sides: a repeat has the same body.
  json["details"] = said_json(sent.details, sent.rewrite);
  return json;
}

// The writer answers once the vote's batch is committed; until then the request holds no thread.
void vote(VoteWriter& writer, const Actor& actor, const Request& request, Response& response) {
  const storage::Visitor& visitor = actor.person();
  const std::string key = idempotency_key(request);
  const Body body(request, {"exposure", "outcome", "confidence", "reason", "ms_to_decide", "supersedes", "aspects",
                            "flags", "spans", "reason_language", "rewrite", "shown"});
  storage::VoteDraft draft;
  draft.vote = read_vote(body, key, visitor);
  draft.blind_only = true;
  draft.session_sha256 = actor.unchecked_session;
  draft.workspace_id = actor.workspace_id;
  const Verdict verdict = parse_verdict(body.at("outcome"));
  draft.vote.outcome = verdict.outcome;
  draft.resolve = [left_grade = verdict.left_grade](storage::NewPreference& said, const storage::ShownPair& shown) {
    said.grade = flip_unless(shown.exposure.a_on_left, left_grade);
    name_answers(said.details, answers_of_sides(shown));
  };
  response.answer_later([&writer, draft = std::move(draft)](const http::Reply& reply) {
    writer.put(draft, [reply, sent = draft.vote](const VoteWriter::Outcome& outcome) {
      reply([&](Response& answer) {
        if (outcome.error) std::rethrow_exception(outcome.error);
        answer.set_json(written_json(outcome.result, sent), outcome.result.put.created ? 201 : 200);
      });
    });
  });
}

void undo(storage::Database& database, const storage::Visitor& visitor, const Request& request, Response& response) {
  const std::string id = require_id(request.param("id")), key = idempotency_key(request);
  const Body body(request, {});
  const auto put = database.transaction([&](storage::Transaction& t) {
    auto result = storage::retract_preference(t, id, visitor.id, key);
    if (result.created && !result.stored.blind) throw already_revealed();
    return result;
  });
  response.set_json(Json{{"undone", true}, {"id", put.stored.id}});
}

Json names_json(storage::Transaction& t, const storage::Exposure& exposure) {
  const storage::Pair pair = storage::get_pair(t, exposure.pair_id);
  Json a = storage::get_generation(t, pair.generation_a_id).upstream;
  Json b = storage::get_generation(t, pair.generation_b_id).upstream;
  if (!exposure.a_on_left) std::swap(a, b);
  return {{"a", a}, {"b", b}};
}

void reveal(storage::Database& database, const storage::Visitor& visitor, const Request& request, Response& response) {
  const std::string id = require_id(request.param("exposure"));
  const Body body(request, {});
  try {
    response.set_json(database.transaction(
        [&](storage::Transaction& t) { return names_json(t, storage::reveal_exposure(t, id, visitor.id)); }));
  } catch (const Conflict& error) {
    throw refusal(409, "vote_first", error.what());
  }
}

Json pair_json(storage::Transaction& t, const storage::Pair& pair, const storage::Exposure& exposure) {
  const auto view = storage::load_conversation(t, pair.conversation_id);
  Json prompt = Json::array();
  for (const auto& message : view.messages) {
    if (message.turn < pair.turn) prompt.push_back({{"role", message.role}, {"content", message.content}});
  }
  Json a{{"text", storage::get_generation(t, pair.generation_a_id).text}, {"reveals", exposure.leak_a}};
  Json b{{"text", storage::get_generation(t, pair.generation_b_id).text}, {"reveals", exposure.leak_b}};
  if (!exposure.a_on_left) std::swap(a, b);
  a["side"] = "a";
  b["side"] = "b";
  return {{"exposure", exposure.id},
          {"locale", view.conversation.locale},
          {"prompt", std::move(prompt)},
          {"answers", {std::move(a), std::move(b)}}};
}

void next_pair(const Services& services, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {});
  const bool a_on_left = draw_a_on_left(services.random);
  const std::string exposure_id = new_uuid();
  response.set_json(services.database.transaction([&](storage::Transaction& t) -> Json {
    const auto pairs = storage::pairs_to_judge(t, actor.person().id, actor.workspace_id, 1);
    if (pairs.empty()) return {{"pair", nullptr}};
    storage::Exposure wanted;
    wanted.id = exposure_id;
    wanted.pair_id = pairs[0].id;
    wanted.visitor_id = actor.person().id;
    wanted.a_on_left = a_on_left;
    storage::inherit_leaks(t, wanted);
    return {{"pair", pair_json(t, pairs[0], storage::create_exposure(t, wanted))}};
  }));
}

/// The whole answer of a turn that a note may be about: the newest one where there is only one side.
const storage::Generation* single_answer(const storage::ConversationView& view, const std::string& turn_id) {
  for (const Turn& turn : turns_of(view)) {
    if (turn.user->id != turn_id) continue;
    if (turn.answers.size() != 1 || turn.exposure != nullptr) {
      throw refusal(409, "not_votable", "[note] must be about a single answer, but the turn has a pair: vote on it.");
    }
    if (!turn.answers[0]->error.empty()) {
      throw refusal(409, "not_votable", "[note] must be about a whole answer, but that one failed.");
    }
    return turn.answers[0];
  }
  return nullptr;
}

void note(storage::Database& database, const storage::Visitor& visitor, const Request& request, Response& response) {
  const std::string key = idempotency_key(request);
  const std::string conversation = require_id(request.param("conversation")), turn = require_id(request.param("turn"));
  const Body body(request, {"aspects", "flags", "spans", "reason_language", "rewrite", "reason"});
  storage::NewAnswerNote draft;
  if (is_uuid(key)) draft.id = key;
  draft.conversation_id = conversation;
  draft.visitor_id = visitor.id;
  draft.source = visitor.source;
  draft.idempotency_key = key;
  draft.reason = body.text_or("reason", kMaxReasonBytes, "");
  draft.rewrite = body.text_or("rewrite", storage::kMaxRewriteBytes, "");
  const storage::JudgementDetails said = read_details(body, {"only"});
  if (draft.reason.empty() && draft.rewrite.empty() && said.aspects.empty() && said.flags.empty() &&
      said.spans.empty()) {
    throw refusal(400, "empty", "[body] must say something about the answer, but says nothing.");
  }
  const auto put = database.transaction([&](storage::Transaction& t) {
    const auto view = storage::load_own_conversation(t, conversation, visitor.id);
    const storage::Generation* answer = single_answer(view, turn);
    if (answer == nullptr) throw NotFound("[turn] must be of this conversation, but is not.");
    storage::NewAnswerNote whole = draft;
    whole.generation_id = answer->id;
    whole.details = said;
    name_answers(whole.details, {{"only", answer->id}});
    const auto note = storage::put_answer_note(t, whole);
    if (note.created) {
      storage::emit_events(t, {answer_note_created(storage::WorkspaceScope::current(), note.stored, whole.source)});
    }
    return note;
  });
  Json json{{"id", put.stored.id}, {"reason", put.stored.reason}};
  json["details"] = said_json(said, put.stored.rewrite);
  response.set_json(json, put.created ? 201 : 200);
}

void add(RouteTable& routes, const std::string& path, const std::string& summary, ActorHandler handler,
         size_t max_body_bytes = 8 * 1024) {
  RouteSpec spec{.method = "POST", .pattern = path, .access = kPeople, .scope = "judge"};
  spec.max_body_bytes = max_body_bytes;
  spec.summary = summary;
  routes.add(spec, [handler = std::move(handler)](const Actor& actor, const Request& request, Response& response) {
    handler(actor, request, response);
  });
}

}  // namespace

void add_judgement_routes(RouteTable& routes, Services& services) {
  storage::Database& database = services.database;
  const auto writer = std::make_shared<VoteWriter>(database);
  RouteSpec votes{.method = "POST", .pattern = "/api/votes", .access = kPeople, .scope = "judge"};
  votes.max_body_bytes = kMaxVoteBody;
  votes.summary = "Judges a pair of answers, once for each person, with details; may correct an earlier vote.";
  votes.checks_session = true;
  routes.add(votes, [writer](const Actor& who, const Request& in, Response& out) { vote(*writer, who, in, out); });
  add(routes, "/api/votes/{id}/undo", "Takes a vote back.",
      [&database](const auto& who, const Request& in, Response& out) { undo(database, who.person(), in, out); });
  add(routes, "/api/pairs/{exposure}/reveal", "Names the models of a pair that was voted on.",
      [&database](const auto& who, const Request& in, Response& out) { reveal(database, who.person(), in, out); });
  add(routes, "/api/pairs/next", "A pair of other people's answers to judge, fewest votes first.",
      [&services](const auto& who, const Request& in, Response& out) { next_pair(services, who, in, out); });
  add(
      routes, "/api/answers/{conversation}/{turn}/notes",
      "Judges the single answer of a turn in details, without a grade.",
      [&database](const auto& who, const Request& in, Response& out) { note(database, who.person(), in, out); },
      kMaxVoteBody);
}

}  // namespace afina::collector
