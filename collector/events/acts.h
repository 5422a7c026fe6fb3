// SPDX-License-Identifier: Apache-2.0
// What acts are told as to webhooks. An event of a new object has the object's id: a transaction that runs again tells
// it once. No people's texts, and nothing that names a model: a pair may still be blind.
#pragma once
#include <string>
#include <vector>

#include "storage/conversations.h"
#include "storage/events/outbox.h"
#include "storage/judgements/answer_notes.h"

namespace afina::collector {

storage::OutboxEvent conversation_created(const std::string& workspace_id, const std::string& conversation_id,
                                          storage::Source source);
/// One for each, failed ones too.
std::vector<storage::OutboxEvent> answers_created(const std::string& workspace_id,
                                                  const std::vector<storage::Generation>& answers,
                                                  storage::Source source);
storage::OutboxEvent answer_note_created(const std::string& workspace_id, const storage::AnswerNote& note,
                                         storage::Source source);

}  // namespace afina::collector
