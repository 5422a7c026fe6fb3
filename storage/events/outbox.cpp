// SPDX-License-Identifier: Apache-2.0
#include "storage/events/outbox.h"

#include <algorithm>

#include "base/error.h"
#include "base/uuid.h"
#include "storage/transaction.h"

namespace afina::storage {

void emit_event(Transaction& t, const std::string& workspace_id, const std::string& type, const Json& payload) {
  if (std::ranges::find(kEventTypes, type) == std::end(kEventTypes)) {
    throw DataError(cat("[storage.events] an event's type must be a known one, but is '", type, "'."));
  }
  // One statement: this stands in the way of every vote.
  t.exec(
      "WITH event AS (INSERT INTO outbox (id, workspace_id, type, payload) VALUES ($1::uuid, $2::uuid, $3, $4::jsonb) "
      "RETURNING id) INSERT INTO delivery (event_id, webhook_id) SELECT event.id, w.id FROM event, webhook w "
      "WHERE w.workspace_id = $2::uuid AND w.state = 'active' AND (w.types @> ARRAY[$3] OR w.types @> ARRAY['*'])",
      Params().text(new_uuid()).text(workspace_id).text(type).json(payload));
}

}  // namespace afina::storage
