// SPDX-License-Identifier: Apache-2.0
// The members of a workspace: who they are, their roles, closing the door.
#include "base/clock.h"
#include "collector/accounts/routes.h"
#include "collector/wire.h"

namespace afina::collector {
namespace {

using http::Request;
using http::Response;

Json member_json(const storage::Member& member) {
  return {{"id", member.account.id},
          {"name", member.account.name},
          {"role", to_string(member.role)},
          {"status", member.active ? "active" : "disabled"},
          {"consent", !member.account.visitor_id.empty()},
          {"project", member.project_id.empty() ? Json() : Json(member.project_id)},
          {"since", iso8601_utc(member.since)}};
}

void list(AccountRooms& rooms, const Actor& actor, const Request& request, Response& response) {
  const int64_t limit = page_limit(request);
  const std::string after = page_cursor(request, "after");
  const auto rows = rooms.services.database.read(
      [&](storage::Transaction& t) { return storage::members(t, actor.workspace_id, limit, after); });
  response.set_json(page_json("accounts", rows, limit, member_json, [](const auto& m) { return m.account.id; }));
}

void change(AccountRooms& rooms, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {"role", "status", "project"});
  const std::string id = require_id(request.param("id"));
  std::optional<storage::Role> role;
  if (body.has("role")) {
    role.emplace();
    if (!storage::from_string(body.text("role", 20), *role)) {
      throw refusal(400, "bad_request", "[body] role must be annotator, reviewer, engineer, admin or auditor.");
    }
  }
  const std::string status = body.text_or("status", 20, "");
  if (!status.empty() && status != "active" && status != "disabled") {
    throw refusal(400, "bad_request", "[body] status must be active or disabled.");
  }
  std::optional<std::string> project;
  if (body.has("project")) project = body.text_or("project", 36, "");
  const auto changed = rooms.services.database.transaction([&](storage::Transaction& t) {
    const auto before = storage::find_member(t, actor.workspace_id, id);
    if (!before) throw NotFound("[id] must be a member of this workspace, but is none.");
    // So that a workspace never loses its last admin by a slip.
    if (id == actor.member().id) throw refusal(400, "bad_request", "[id] must be somebody else's, but is one's own.");
    const bool active = status.empty() ? before->active : status == "active";
    const storage::Place place{role.value_or(before->role), project.value_or(before->project_id)};
    storage::change_member(t, actor.workspace_id, id, place, active);
    const auto after = storage::find_member(t, actor.workspace_id, id);
    note(t, actor, request, "account.change", id,
         {{"role", to_string(after->role)},
          {"was", to_string(before->role)},
          {"project", after->project_id},
          {"active", after->active}});
    return *after;
  });
  response.set_json(member_json(changed));
}

}  // namespace

void add_member_routes(RouteTable& routes, const SharedRooms& rooms) {
  RouteSpec all{.method = "GET", .pattern = "/api/accounts", .access = kAdminsAndAuditors, .scope = "admin"};
  all.summary = "The members of this workspace";
  routes.add(all, [rooms](const Actor& actor, const Request& request, Response& response) {
    list(*rooms, actor, request, response);
  });
  RouteSpec one{.method = "POST", .pattern = "/api/accounts/{id}", .access = kAdmins, .scope = "admin"};
  one.summary = "Change a member's role or project, or close the workspace to them and open it again";
  routes.add(one, [rooms](const Actor& actor, const Request& request, Response& response) {
    change(*rooms, actor, request, response);
  });
}

}  // namespace afina::collector
