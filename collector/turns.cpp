// SPDX-License-Identifier: Apache-2.0
#include "collector/turns.h"

#include <algorithm>
#include <map>

#include "collector/judgements/leak.h"
#include "collector/wire.h"

namespace afina::collector {
namespace {

const storage::Generation* answer_of(const Turn& turn, const std::string& generation_id) {
  for (const auto* answer : turn.answers) {
    if (answer->id == generation_id) return answer;
  }
  return nullptr;
}

/// Slots 0 and 1 as they stand on the screen. Without an exposure (a side failed) the ids tell: the left one was made
/// first.
std::vector<const storage::Generation*> by_side(const Turn& turn) {
  auto sides = turn.answers;
  if (sides.size() != 2) return sides;
  const bool swap = turn.exposure != nullptr ? !turn.exposure->a_on_left : sides[1]->id < sides[0]->id;
  if (swap) std::swap(sides[0], sides[1]);
  return sides;
}

const storage::Preference* standing_vote(const storage::ConversationView& view, const std::string& exposure_id) {
  const storage::Preference* standing = nullptr;
  for (const auto& vote : view.preferences) {
    if (vote.exposure_id == exposure_id && !vote.superseded) standing = &vote;
  }
  return standing != nullptr && standing->outcome == storage::Outcome::retracted ? nullptr : standing;
}

bool is_whole(const storage::Generation* answer) {
  return answer->error.empty();
}

// A newer attempt that failed does not hide a whole one, nor does a new one delete the old.
void add_answers(const storage::ConversationView& view, Turn& turn) {
  std::map<int, std::vector<const storage::Generation*>> attempts;
  for (const auto& generation : view.generations) {
    if (generation.turn == turn.user->turn + 1) attempts[generation.attempt].push_back(&generation);
  }
  if (attempts.empty()) return;
  turn.attempts = attempts.rbegin()->first + 1;
  const std::string went_on = turn.assistant == nullptr ? "" : turn.assistant->generation_id;
  const auto rank = [&](const std::vector<const storage::Generation*>& answers) {
    const bool chosen = std::any_of(answers.begin(), answers.end(), [&](auto* a) { return a->id == went_on; });
    if (chosen) return 3;
    if (std::all_of(answers.begin(), answers.end(), is_whole)) return 2;
    return std::any_of(answers.begin(), answers.end(), is_whole) ? 1 : 0;
  };
  auto best = attempts.rbegin();
  for (auto at = attempts.rbegin(); at != attempts.rend(); ++at) {
    if (rank(at->second) > rank(best->second)) best = at;
  }
  turn.answers = best->second;
  std::sort(turn.answers.begin(), turn.answers.end(), [](auto* x, auto* y) { return x->slot < y->slot; });
  for (const auto& [attempt, answers] : attempts) {
    if (attempt != best->first && answers.size() == 1 && is_whole(answers[0])) turn.earlier.push_back(answers[0]);
  }
}

// A pair's marks were made when it was committed, with the names of the upstreams at hand. A single answer hides no
// name that matters: vendors' words are enough.
bool reveals(const Turn& turn, const storage::Generation& answer) {
  static const LeakDetector kVendors;
  if (turn.exposure == nullptr) return kVendors.reveals(answer.text);
  return answer.slot == 0 ? turn.exposure->leak_a : turn.exposure->leak_b;
}

void add_pair(const storage::ConversationView& view, Turn& turn) {
  for (const auto& pair : view.pairs) {
    if (answer_of(turn, pair.generation_a_id) == nullptr || answer_of(turn, pair.generation_b_id) == nullptr) continue;
    for (const auto& exposure : view.exposures) {
      if (exposure.pair_id == pair.id) turn.exposure = &exposure;
    }
  }
  if (turn.exposure != nullptr) turn.vote = standing_vote(view, turn.exposure->id);
}

}  // namespace

bool Turn::answered() const {
  return std::any_of(answers.begin(), answers.end(), is_whole);
}

bool Turn::whole() const {
  return !answers.empty() && std::all_of(answers.begin(), answers.end(), is_whole);
}

int Turn::next_attempt() const {
  return attempts;
}

std::vector<Turn> turns_of(const storage::ConversationView& view) {
  std::vector<Turn> turns;
  for (const auto& message : view.messages) {
    if (message.role == "assistant" && !turns.empty()) turns.back().assistant = &message;
    if (message.role != "user") continue;
    Turn turn;
    turn.user = &message;
    turns.push_back(std::move(turn));
  }
  for (Turn& turn : turns) {
    add_answers(view, turn);
    add_pair(view, turn);
  }
  return turns;
}

Json vote_json(const storage::Preference* vote, bool a_on_left) {
  if (vote == nullptr) return nullptr;
  Json json{{"id", vote->id}, {"outcome", verdict_json(vote->outcome, flip_unless(a_on_left, vote->grade))}};
  json["reason"] = vote->reason;
  return json;
}

Json new_turn_json(const std::string& id, const std::string& text, const std::vector<std::string>& sides) {
  Json turn{{"id", id},
            {"text", text},
            {"state", "running"},
            {"answers", Json::array()},
            {"exposure", nullptr},
            {"vote", nullptr},
            {"votable", false},
            {"reveal", nullptr},
            {"attempts", 0}};
  for (const std::string& side : sides)
    turn["answers"].push_back({{"side", side}, {"text", ""}});
  return turn;
}

Json turn_json(const Turn& turn, bool running) {
  Json json = new_turn_json(turn.user->id, turn.user->content, {});
  const auto sides = by_side(turn);
  static constexpr const char* kNames[] = {"a", "b"};
  for (size_t i = 0; i < sides.size() && i < 2; ++i) {
    const storage::Generation& answer = *sides[i];
    Json entry{{"side", sides.size() == 1 ? "only" : kNames[i]}, {"text", answer.text}};
    entry["finish_reason"] = answer.finish_reason;
    entry["error"] = answer.error.empty() ? Json() : Json(answer.error);
    entry["reveals"] = reveals(turn, answer);
    if (sides.size() == 1) entry["attempt"] = answer.attempt;
    json["answers"].push_back(std::move(entry));
  }
  json["attempts"] = turn.attempts;
  for (const auto* answer : turn.earlier)
    json["earlier"].push_back({{"attempt", answer->attempt}, {"text", answer->text}});
  json["state"] = running ? "running" : turn.answers.empty() ? "interrupted" : "ready";
  if (turn.exposure == nullptr) return json;
  json["exposure"] = turn.exposure->id;
  json["votable"] = true;
  json["vote"] = vote_json(turn.vote, turn.exposure->a_on_left);
  if (turn.exposure->revealed_at) json["reveal"] = {{"a", sides[0]->upstream}, {"b", sides[1]->upstream}};
  return json;
}

const storage::Generation* chosen_answer(const Turn& turn, std::optional<int> attempt) {
  if (attempt) {
    if (turn.answers.size() == 1 && turn.answers[0]->attempt == *attempt && is_whole(turn.answers[0])) {
      return turn.answers[0];
    }
    for (const auto* answer : turn.earlier) {
      if (answer->attempt == *attempt) return answer;
    }
    return nullptr;
  }
  if (turn.assistant != nullptr) return answer_of(turn, turn.assistant->generation_id);
  const auto sides = by_side(turn);
  if (turn.exposure != nullptr && turn.vote != nullptr) {
    const int left = flip_unless(turn.exposure->a_on_left, turn.vote->grade);
    return sides[left < 0 ? 1 : 0];
  }
  for (const auto* answer : sides) {
    if (answer->error.empty()) return answer;
  }
  return nullptr;
}

std::vector<ChatMessage> history_of(const storage::ConversationView& view) {
  std::vector<ChatMessage> history;
  for (const auto& message : view.messages)
    history.push_back({message.role, message.content});
  return history;
}

int next_position(const storage::ConversationView& view) {
  int next = 0;
  for (const auto& message : view.messages)
    next = std::max(next, message.turn + 1);
  return next;
}

}  // namespace afina::collector
