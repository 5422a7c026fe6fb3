// SPDX-License-Identifier: Apache-2.0
// Events of the outbox: written in the transaction of the act, delivered later by webhooks.
#pragma once
#include <string>

#include "base/json.h"

namespace afina::storage {

class Transaction;

/// One event, committed with the act or not at all. type: "preference.created", "task.submitted",
/// "conversation.created", "visitor.withdrawn", "project.finished", …; payload: ids and words, never people's texts.
void emit_event(Transaction& t, const std::string& workspace_id, const std::string& type, const Json& payload);

}  // namespace afina::storage
