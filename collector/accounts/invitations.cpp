// SPDX-License-Identifier: Apache-2.0
// Invitations of a workspace. The token is shown once; in the link it stands after the #, which no server's log sees.
#include "storage/accounts/invitations.h"

#include "base/cat.h"
#include "base/clock.h"
#include "collector/accounts/repeats.h"
#include "collector/accounts/routes.h"
#include "collector/wire.h"

namespace afina::collector {
namespace {

using http::Request;
using http::Response;

Json invitation_json(const storage::Invitation& i) {
  return {{"id", i.id},
          {"role", to_string(i.role)},
          {"project", i.project_id.empty() ? Json() : Json(i.project_id)},
          {"note", i.note},
          {"max_uses", i.max_uses},
          {"uses", i.uses},
          {"by", i.created_by_name},
          {"created_at", iso8601_utc(i.created_at)},
          {"expires_at", iso8601_utc(i.expires_at)},
          {"revoked", i.revoked_at.has_value()}};
}

void list(AccountRooms& rooms, const Actor& actor, const Request& request, Response& response) {
  const int64_t limit = page_limit(request);
  const std::string before = page_cursor(request, "before");
  const auto rows = rooms.services.database.read(
      [&](storage::Transaction& t) { return storage::invitations(t, actor.workspace_id, limit, before); });
  response.set_json(page_json("invitations", rows, limit, invitation_json, [](const auto& i) { return i.id; }));
}

void create(AccountRooms& rooms, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {"role", "project", "max_uses", "hours", "note"});
  storage::NewInvitation invitation;
  invitation.token = repeatable_secret(request, credential_of(request, rooms.services.config), "invitation");
  invitation.workspace_id = actor.workspace_id;
  invitation.created_by = actor.member().id;
  if (!storage::from_string(body.text("role", 20), invitation.role)) {
    throw refusal(400, "bad_request", "[body] role must be annotator, reviewer, engineer, admin or auditor.");
  }
  invitation.project_id = body.text_or("project", 36, "");
  if (body.has("project") && !is_uuid(invitation.project_id)) {
    throw refusal(400, "bad_request", "[body] project must be an id, but is none.");
  }
  if (body.has("max_uses")) invitation.max_uses = static_cast<int>(body.whole("max_uses", 1, 1000));
  if (body.has("hours")) invitation.hours = static_cast<int>(body.whole("hours", 1, 72));
  invitation.note = body.text_or("note", 500, "");
  const auto put = rooms.services.database.transaction([&](storage::Transaction& t) {
    auto result = storage::create_invitation(t, invitation);
    if (!result.created) return result;
    note(t, actor, request, "invitation.create", invitation.id,
         {{"role", to_string(invitation.role)},
          {"project", invitation.project_id},
          {"max_uses", invitation.max_uses},
          {"hours", invitation.hours}});
    return result;
  });
  response.set_json(Json{{"id", put.id}, {"token", invitation.token}, {"link", cat("/join#", invitation.token)}},
                    put.created ? 201 : 200);
}

void revoke(AccountRooms& rooms, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {});
  const std::string id = require_id(request.param("id"));
  rooms.services.database.transaction([&](storage::Transaction& t) {
    storage::revoke_invitation(t, actor.workspace_id, id);
    note(t, actor, request, "invitation.revoke", id);
  });
  response.set_json(Json{{"revoked", true}});
}

}  // namespace

void add_invitation_routes(RouteTable& routes, const SharedRooms& rooms) {
  RouteSpec all{.method = "GET", .pattern = "/api/invitations", .access = kAdmins, .scope = "admin"};
  all.summary = "Invitations of this workspace, without their tokens";
  routes.add(all, [rooms](const Actor& actor, const Request& request, Response& response) {
    list(*rooms, actor, request, response);
  });
  RouteSpec make{.method = "POST", .pattern = "/api/invitations", .access = kAdmins, .scope = "admin"};
  make.summary = "Invite people to this workspace; the token is shown once";
  routes.add(make, [rooms](const Actor& actor, const Request& request, Response& response) {
    create(*rooms, actor, request, response);
  });
  RouteSpec end{.method = "POST", .pattern = "/api/invitations/{id}/revoke", .access = kAdmins, .scope = "admin"};
  end.summary = "Close an invitation";
  routes.add(end, [rooms](const Actor& actor, const Request& request, Response& response) {
    revoke(*rooms, actor, request, response);
  });
}

}  // namespace afina::collector
