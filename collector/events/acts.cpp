// SPDX-License-Identifier: Apache-2.0
#include "collector/events/acts.h"

namespace afina::collector {

storage::OutboxEvent conversation_created(const std::string& workspace_id, const std::string& conversation_id,
                                          storage::Source source) {
  return {workspace_id,
          "conversation.created",
          {{"conversation", conversation_id}, {"source", to_string(source)}},
          conversation_id};
}

std::vector<storage::OutboxEvent> answers_created(const std::string& workspace_id,
                                                  const std::vector<storage::Generation>& answers,
                                                  storage::Source source) {
  std::vector<storage::OutboxEvent> events;
  for (const storage::Generation& answer : answers) {
    events.push_back({workspace_id,
                      "answer.created",
                      {{"conversation", answer.conversation_id},
                       {"generation", answer.id},
                       {"error", answer.error},
                       {"source", to_string(source)}},
                      answer.id});
  }
  return events;
}

storage::OutboxEvent answer_note_created(const std::string& workspace_id, const storage::AnswerNote& note,
                                         storage::Source source) {
  return {workspace_id,
          "answer_note.created",
          {{"answer_note", note.id}, {"generation", note.generation_id}, {"source", to_string(source)}},
          note.id};
}

}  // namespace afina::collector
