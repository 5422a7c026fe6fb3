// SPDX-License-Identifier: Apache-2.0
// The audit trail of one's workspace, to read.
#include "storage/audit.h"

#include <charconv>

#include "collector/accounts/routes.h"
#include "collector/wire.h"

namespace afina::collector {
namespace {

constexpr int64_t kMostEvents = int64_t{1} << 62;

int64_t before_number(const http::Request& request) {
  const std::string text = request.query_value("before").value_or("");
  if (text.empty()) return 0;
  int64_t number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size() || number < 1 || number > kMostEvents) {
    throw refusal(400, "bad_request", "[before] must be a number from \"next\", but is none.");
  }
  return number;
}

}  // namespace

void add_audit_routes(RouteTable& routes, const SharedRooms& rooms) {
  RouteSpec spec{.method = "GET", .pattern = "/api/audit", .access = kAdminsAndAuditors, .scope = "admin"};
  spec.summary = "Who did what in this workspace, newest first";
  routes.add(spec, [rooms](const Actor& actor, const http::Request& request, http::Response& response) {
    const int64_t limit = page_limit(request), before = before_number(request);
    const auto rows = rooms->services.database.read(
        [&](storage::Transaction& t) { return storage::audit_events(t, actor.workspace_id, before, limit); });
    const auto event_json = [](const auto& e) -> Json {
      return {{"number", e.number}, {"at", e.at},         {"actor", e.actor},
              {"action", e.action}, {"object", e.object}, {"detail", e.detail}};
    };
    response.set_json(
        page_json("events", rows, limit, event_json, [](const auto& e) { return std::to_string(e.number); }));
  });
}

}  // namespace afina::collector
