// SPDX-License-Identifier: Apache-2.0
// Events of the outbox: written in the transaction of the act together with the deliveries that webhooks wait for, so
// that neither a crash nor a busy moment loses one. An event that no webhook asked for is not kept.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/uuid.h"

namespace afina::storage {

class Transaction;

/// What webhooks may ask for.
inline constexpr std::string_view kEventTypes[] = {
    "conversation.created", "answer.created",   "preference.created", "preference.retracted", "answer_note.created",
    "task.submitted",       "project.finished", "visitor.withdrawn",  "import.finished",      "webhook.test"};

struct OutboxEvent {
  std::string workspace_id;
  std::string type;             ///< one of kEventTypes
  Json payload;                 ///< ids and words, never people's texts, at most 16 KiB
  std::string id = new_uuid();  ///< made before the transaction where that may run again: written once
};

/// Commits them with the act or not at all. One statement for any number; where no active webhook of their workspaces
/// wants them it is an index look-up that writes nothing. Throws DataError for an unknown type: nobody could ask for
/// it.
void emit_events(Transaction& t, const std::vector<OutboxEvent>& events);
/// One, for acts whose transaction writes nothing the second time.
void emit_event(Transaction& t, const std::string& workspace_id, const std::string& type, const Json& payload);

}  // namespace afina::storage
