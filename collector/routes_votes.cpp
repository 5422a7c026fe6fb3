// SPDX-License-Identifier: Apache-2.0
// Judgements: votes, corrections, undo, reveal, and pairs of other people. Ownership is in the SQL: what is not one's
// own is not found.
#include "base/cat.h"
#include "base/uuid.h"
#include "collector/collector.h"
#include "collector/turns.h"
#include "storage/conversations.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxReasonBytes = 4000;
constexpr int64_t kMaxDecideMs = 24LL * 3600 * 1000;

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
  return vote;
}

http::HttpError already_revealed() {
  return refusal(409, "already_revealed", "[vote] must stand once the models' names were shown.");
}

Json names_json(storage::Transaction& t, const storage::Exposure& exposure) {
  const storage::Pair pair = storage::get_pair(t, exposure.pair_id);
  Json a = storage::get_generation(t, pair.generation_a_id).upstream;
  Json b = storage::get_generation(t, pair.generation_b_id).upstream;
  if (!exposure.a_on_left) std::swap(a, b);
  return {{"a", a}, {"b", b}};
}

}  // namespace

void Collector::add_votes() {
  person_route("POST", "/api/votes", &Collector::vote, 64 * 1024);
  person_route("POST", "/api/votes/{id}/undo", &Collector::undo);
  person_route("POST", "/api/pairs/{exposure}/reveal", &Collector::reveal);
  person_route("POST", "/api/pairs/next", &Collector::next_pair);
}

void Collector::vote(const storage::Visitor& visitor, const Request& request, Response& response) {
  const std::string key = idempotency_key(request);
  const Body body(request, {"exposure", "outcome", "confidence", "reason", "ms_to_decide", "supersedes"});
  const storage::NewPreference draft = read_vote(body, key, visitor);
  const Verdict verdict = parse_verdict(body.at("outcome"));
  try {
    storage::Exposure exposure;
    const auto put = database_.transaction([&](storage::Transaction& t) {
      exposure = storage::get_exposure(t, draft.exposure_id, visitor.id);
      storage::NewPreference vote = draft;
      vote.outcome = verdict.outcome;
      vote.grade = flip_unless(exposure.a_on_left, verdict.left_grade);
      const auto result = storage::put_preference(t, vote);
      if (result.created && !result.stored.blind) throw already_revealed();
      return result;
    });
    response.set_json(vote_json(&put.stored, exposure.a_on_left), put.created ? 201 : 200);
  } catch (const Conflict& conflict) {
    // One kind of error, two reasons: the page must know whether the pair has a vote or the key another body.
    const auto standing = database_.read(
        [&](storage::Transaction& t) { return storage::standing_preference(t, draft.exposure_id, visitor.id); });
    const bool other_vote = standing && standing->idempotency_key != key && standing->id != draft.supersedes_id;
    throw refusal(409, other_vote ? "already_voted" : "key_reused", conflict.what());
  }
}

void Collector::undo(const storage::Visitor& visitor, const Request& request, Response& response) {
  const std::string id = require_id(request.param("id")), key = idempotency_key(request);
  const Body body(request, {});
  const auto put = database_.transaction([&](storage::Transaction& t) {
    auto result = storage::retract_preference(t, id, visitor.id, key);
    if (result.created && !result.stored.blind) throw already_revealed();
    return result;
  });
  response.set_json(Json{{"undone", true}, {"id", put.stored.id}});
}

void Collector::reveal(const storage::Visitor& visitor, const Request& request, Response& response) {
  const std::string id = require_id(request.param("exposure"));
  const Body body(request, {});
  try {
    response.set_json(database_.transaction(
        [&](storage::Transaction& t) { return names_json(t, storage::reveal_exposure(t, id, visitor.id)); }));
  } catch (const Conflict& error) {
    throw refusal(409, "vote_first", error.what());
  }
}

void Collector::next_pair(const storage::Visitor& visitor, const Request& request, Response& response) {
  const Body body(request, {});
  const bool a_on_left = draw_a_on_left(random_);
  const std::string exposure_id = new_uuid();
  response.set_json(database_.transaction([&](storage::Transaction& t) -> Json {
    const auto pairs = storage::pairs_to_judge(t, visitor.id, 1);
    if (pairs.empty()) return {{"pair", nullptr}};
    storage::Exposure wanted;
    wanted.id = exposure_id;
    wanted.pair_id = pairs[0].id;
    wanted.visitor_id = visitor.id;
    wanted.a_on_left = a_on_left;
    const auto exposure = storage::create_exposure(t, wanted);
    const auto view = storage::load_conversation(t, pairs[0].conversation_id);
    Json prompt = Json::array();
    for (const auto& message : view.messages) {
      if (message.turn < pairs[0].turn) prompt.push_back({{"role", message.role}, {"content", message.content}});
    }
    Json a{{"text", storage::get_generation(t, pairs[0].generation_a_id).text}};
    Json b{{"text", storage::get_generation(t, pairs[0].generation_b_id).text}};
    if (!exposure.a_on_left) std::swap(a, b);
    a["side"] = "a";
    b["side"] = "b";
    return {{"pair",
             {{"exposure", exposure.id},
              {"locale", view.conversation.locale},
              {"prompt", std::move(prompt)},
              {"answers", {std::move(a), std::move(b)}}}}};
  }));
}

}  // namespace afina::collector
