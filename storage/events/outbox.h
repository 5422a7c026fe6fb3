// SPDX-License-Identifier: Apache-2.0
// Events of the outbox: written in the transaction of the act together with the deliveries that webhooks wait for, so
// that neither a crash nor a busy moment loses one.
#pragma once
#include <string>
#include <string_view>

#include "base/json.h"

namespace afina::storage {

class Transaction;

/// What webhooks may ask for.
inline constexpr std::string_view kEventTypes[] = {
    "conversation.created", "answer.created",   "preference.created", "preference.retracted", "answer_note.created",
    "task.submitted",       "project.finished", "visitor.withdrawn",  "import.finished",      "webhook.test"};

/// One event, committed with the act or not at all. type: one of kEventTypes (DataError otherwise: nobody could ask for
/// it); payload: ids and words, never people's texts, at most 16 KiB.
void emit_event(Transaction& t, const std::string& workspace_id, const std::string& type, const Json& payload);

}  // namespace afina::storage
