// SPDX-License-Identifier: Apache-2.0
#include "collector/judgements/shown_details.h"

#include "collector/judgements/details_wire.h"
#include "storage/judgements/answer_notes.h"

namespace afina::collector {

std::map<std::string, std::string> answers_of_sides(const storage::ShownPair& shown) {
  const bool a_left = shown.exposure.a_on_left;
  return {{"a", a_left ? shown.generation_a_id : shown.generation_b_id},
          {"b", a_left ? shown.generation_b_id : shown.generation_a_id}};
}

Json said_json(const storage::JudgementDetails& sided, const std::string& rewrite) {
  Json json = details_json(sided, {{"a", "a"}, {"b", "b"}, {"only", "only"}});
  json["rewrite"] = rewrite;
  return json;
}

void add_own_details(storage::Transaction& t, const storage::ConversationView& view, const Turn& turn, Json& json) {
  if (turn.vote != nullptr) {
    storage::ShownPair shown;
    shown.exposure = *turn.exposure;
    for (const auto& pair : view.pairs) {
      if (pair.id != turn.exposure->pair_id) continue;
      shown.generation_a_id = pair.generation_a_id;
      shown.generation_b_id = pair.generation_b_id;
    }
    const storage::JudgementDetails said = storage::get_details(t, turn.vote->id);
    std::string rewritten;
    for (const auto& rewrite : view.rewrites) {
      if (rewrite.act_id == turn.vote->id) rewritten = rewrite.text;
    }
    if (said.empty() && rewritten.empty()) return;
    Json details = details_json(said, answers_of_sides(shown));
    details["rewrite"] = rewritten;
    json["vote"]["details"] = std::move(details);
  } else if (turn.exposure == nullptr && turn.answers.size() == 1) {
    const auto note = storage::standing_answer_note(t, turn.answers[0]->id, view.conversation.visitor_id);
    if (!note) return;
    Json details = details_json(note->details, {{"only", note->generation_id}});
    details["rewrite"] = note->rewrite;
    json["note"] = {{"id", note->id}, {"reason", note->reason}, {"details", std::move(details)}};
  }
}

}  // namespace afina::collector
