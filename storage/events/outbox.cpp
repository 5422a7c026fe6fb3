// SPDX-License-Identifier: Apache-2.0
#include "storage/events/outbox.h"

#include "base/uuid.h"
#include "storage/transaction.h"

namespace afina::storage {

void emit_event(Transaction& t, const std::string& workspace_id, const std::string& type, const Json& payload) {
  t.exec("INSERT INTO outbox (id, workspace_id, type, payload) VALUES ($1::uuid, $2::uuid, $3, $4::jsonb)",
         Params().text(new_uuid()).text(workspace_id).text(type).json(payload));
}

}  // namespace afina::storage
