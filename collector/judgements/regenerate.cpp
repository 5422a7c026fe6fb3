// SPDX-License-Identifier: Apache-2.0
// Other answers to the same message. The new attempt stands beside the old ones: a pair nobody voted on stays stored,
// unjudged. After a vote it is refused, so that nobody shops for answers until one suits their vote.
#include "base/cat.h"
#include "collector/collector.h"
#include "collector/generations.h"
#include "collector/turns.h"
#include "storage/conversations.h"
#include "storage/judgements/regenerations.h"

namespace afina::collector {
namespace {

constexpr int kMaxAttempts = 20;

const Turn& last_turn(const std::vector<Turn>& turns, const std::string& id) {
  if (turns.empty() || turns.back().user->id != id) {
    throw NotFound("[turn] must be the conversation's last, but is not.");
  }
  return turns.back();
}

void check_may_regenerate(const Turn& turn) {
  if (turn.vote != nullptr) {
    throw refusal(409, "already_voted", "[regenerate] must come before the vote, but there is one.");
  }
  if (turn.attempts >= kMaxAttempts) {
    throw refusal(429, "rate_limited", cat("[regenerate] must be asked at most ", kMaxAttempts, " times for a turn."));
  }
}

}  // namespace

void Collector::regenerate_turn(const storage::Visitor& visitor, const Request& request, Response& response) {
  const std::string id = require_id(request.param("id")), turn_id = require_id(request.param("turn"));
  const std::string key = idempotency_key(request);
  const Body body(request, {"answers"});
  std::optional<int> asked;  // read before anything is written: what is no number leaves no attempt behind
  if (body.has("answers")) asked = static_cast<int>(body.whole("answers", 1, 2));
  auto place = runner_.reserve();
  storage::Regeneration wanted;
  wanted.conversation_id = id;
  wanted.client_key = key;
  wanted.wishes = cat("answers=", asked ? std::to_string(*asked) : "-");
  storage::ConversationView view;
  std::shared_ptr<void> claim;
  const auto put = database_.transaction([&](storage::Transaction& t) {
    last_turn(turns_of(storage::load_own_conversation(t, id, visitor.id)), turn_id);  // whose it is comes first
    if (!claim) claim = runner_.claim(turn_id);
    view = storage::load_own_conversation(t, id, visitor.id);  // once more: a try before may have ended meanwhile
    const auto turns = turns_of(view);
    const Turn& turn = last_turn(turns, turn_id);
    wanted.turn = turn.user->turn + 1;
    wanted.attempt = turn.next_attempt();
    // A turn without any stored answer has nothing to stand beside: that is what retry is for.
    if (wanted.attempt < 1) throw refusal(409, "retry_first", "[regenerate] must follow an answer, but there is none.");
    auto result = storage::put_regeneration(t, wanted);
    if (result.created) {
      check_may_regenerate(turn);
      if (!claim) {
        throw refusal(409, "busy", "[regenerate] must wait for the answer that is being written.");
      }
    }
    return result;
  });
  const auto turns = turns_of(view);
  const Turn& turn = last_turn(turns, turn_id);
  if (!put.created) {
    claim.reset();  // which would read as a try that is about to begin
    return stream_begun(visitor, id, turn_id, response);
  }
  const int answers = asked.value_or(static_cast<int>(turn.answers.size()));
  const TurnContext context{storage::WorkspaceScope::current(),
                            id,
                            turn_id,
                            visitor.id,
                            turn.user->content,
                            put.stored.turn,
                            put.stored.attempt};
  response.stream_events(start_turn(context, history_of(view), answers, config_.pairing, std::move(place))->follow());
}

}  // namespace afina::collector
