// SPDX-License-Identifier: Apache-2.0
#include "storage/events/outbox.h"

#include <algorithm>

#include "base/error.h"
#include "storage/transaction.h"

namespace afina::storage {

void emit_events(Transaction& t, const std::vector<OutboxEvent>& events) {
  if (events.empty()) return;
  std::vector<std::string> ids, workspaces, types, payloads;
  for (const OutboxEvent& event : events) {
    if (std::ranges::find(kEventTypes, event.type) == std::end(kEventTypes)) {
      throw DataError(cat("[storage.events] an event's type must be a known one, but is '", event.type, "'."));
    }
    ids.push_back(event.id);
    workspaces.push_back(event.workspace_id);
    types.push_back(event.type);
    payloads.push_back(dump_json(event.payload));
  }
  t.exec(
      "WITH wanted AS (SELECT e.*, w.id AS webhook_id FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) "
      "AS e(id, workspace_id, type, payload) JOIN webhook w ON w.workspace_id = e.workspace_id AND w.state = 'active' "
      "AND (w.types @> ARRAY[e.type] OR w.types @> ARRAY['*'])), "
      "event AS (INSERT INTO outbox (id, workspace_id, type, payload) "
      "SELECT DISTINCT id, workspace_id, type, payload::jsonb FROM wanted ON CONFLICT (id) DO NOTHING RETURNING id) "
      "INSERT INTO delivery (event_id, webhook_id) SELECT id, webhook_id FROM event JOIN wanted USING (id)",
      Params().texts(ids).texts(workspaces).texts(types).texts(payloads));
}

void emit_event(Transaction& t, const std::string& workspace_id, const std::string& type, const Json& payload) {
  emit_events(t, {{workspace_id, type, payload}});
}

}  // namespace afina::storage
