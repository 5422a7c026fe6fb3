// SPDX-License-Identifier: Apache-2.0
// Starts the models on a turn and commits what they said: generations, the pair and its exposure in one transaction,
// before the page may offer a vote.
#include "base/cat.h"
#include "collector/collector.h"
#include "collector/events/acts.h"
#include "collector/generations.h"
#include "collector/turns.h"
#include "storage/conversations.h"

namespace afina::collector {
namespace {

/// Everything a commit needs, with ids made before, so that it may run again after a doubtful commit.
struct Draft {
  TurnContext context;
  std::vector<storage::Generation> generations;  ///< by slot
  storage::Exposure exposure;                    ///< of a pair
};

storage::ConversationView commit_draft(storage::Transaction& t, const Draft& draft) {
  const TurnContext& context = draft.context;
  // Somebody may have withdrawn while the models were writing: then nothing more is kept.
  const auto before = storage::load_own_conversation(t, context.conversation_id, context.visitor_id);
  for (storage::Generation generation : draft.generations) {
    generation.adapter_id = known_adapter(t, generation.adapter_id);
    storage::append_generation(t, generation);
  }
  const auto whole = [](const storage::Generation& generation) { return generation.error.empty(); };
  if (draft.generations.size() == 2 && whole(draft.generations[0]) && whole(draft.generations[1])) {
    storage::Exposure exposure = draft.exposure;
    exposure.pair_id = storage::create_pair(t, draft.generations[0].id, draft.generations[1].id).id;
    storage::create_exposure(t, exposure);
  }
  storage::emit_events(t, answers_created(context.workspace_id, draft.generations, before.conversation.source));
  // Which answer the conversation goes on with is known with the next message: until then another may be asked for.
  return storage::load_own_conversation(t, context.conversation_id, context.visitor_id);
}

Json committed_turn(const storage::ConversationView& view, const std::string& turn_id) {
  for (const Turn& turn : turns_of(view)) {
    if (turn.user->id == turn_id) return turn_json(turn, false);
  }
  throw InternalError(cat("[turn ", turn_id, "] must be in its conversation after the commit, but is not."));
}

}  // namespace

std::shared_ptr<LiveTurn> Collector::start_turn(const TurnContext& context, std::vector<ChatMessage> history,
                                                int answers, Pairing pairing, std::shared_ptr<void> place) {
  const std::vector<size_t> chosen = choose_upstreams(
      config_, pairing, answers, random_, [this](const auto& random) { return informative_.choose(random); });
  const bool a_on_left = chosen.size() == 1 || draw_a_on_left(random_);
  // Sides in the order of the screen; slots are the pair's A and B.
  std::vector<int> slot_of_side = chosen.size() == 1 ? std::vector<int>{0}
                                  : a_on_left        ? std::vector<int>{0, 1}
                                                     : std::vector<int>{1, 0};
  TurnPlan plan;
  plan.turn_id = context.turn_id;
  plan.messages = std::move(history);
  std::vector<std::string> names, ids;
  for (size_t side = 0; side < chosen.size(); ++side) {
    names.push_back(chosen.size() == 1 ? "only" : side == 0 ? "a" : "b");
    ids.push_back(new_uuid());  // the left one first: by_side in turns.cpp reads it back
    plan.sides.push_back({names.back(), upstreams_[chosen[slot_of_side[side]]].get(), draw_seed(random_),
                          [watch = std::make_shared<LeakWatch>(leaks_)](std::string_view piece) {
                            return piece.empty() ? watch->end() : watch->append(piece);
                          }});
  }
  plan.start = new_turn_json(context.turn_id, context.text, names);
  Draft draft;
  draft.context = context;
  draft.exposure.visitor_id = context.visitor_id;
  draft.exposure.a_on_left = a_on_left;
  plan.commit = [this, draft = std::move(draft), sides = plan.sides, ids, slot_of_side,
                 context](const std::vector<Completion>& said) mutable {
    draft.generations.resize(said.size());
    for (size_t side = 0; side < said.size(); ++side) {
      storage::Generation& generation = draft.generations[slot_of_side[side]];
      generation = to_generation(said[side], *sides[side].upstream, sides[side].seed);
      generation.id = ids[side];
      generation.conversation_id = context.conversation_id;
      generation.turn = context.position;
      generation.attempt = context.attempt;
      generation.slot = slot_of_side[side];
    }
    draft.exposure.leak_a = leaks_.reveals(draft.generations[0].text);
    draft.exposure.leak_b = leaks_.reveals(draft.generations.back().text);
    const auto view = database_.transaction([&](storage::Transaction& t) { return commit_draft(t, draft); });
    return committed_turn(view, context.turn_id);
  };
  return runner_.start(std::move(plan), std::move(place));
}

}  // namespace afina::collector
