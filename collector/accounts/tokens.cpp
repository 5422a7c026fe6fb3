// SPDX-License-Identifier: Apache-2.0
// API tokens: one's own for engineers, everybody's of the workspace for admins. A browser session makes them: a token
// cannot make another.
#include "storage/accounts/tokens.h"

#include <algorithm>

#include "base/clock.h"
#include "collector/accounts/repeats.h"
#include "collector/accounts/routes.h"
#include "collector/wire.h"

namespace afina::collector {
namespace {

using http::Request;
using http::Response;

/// Whose tokens this caller may see and end: "" for everybody's.
std::string whose(const Actor& actor) {
  return actor.who == Who::admin ? "" : actor.member().id;
}

Json token_json(const storage::TokenRow& k) {
  return {{"id", k.id},
          {"name", k.name},
          {"account", k.account_name},
          {"scopes", k.scopes},
          {"rate_class", k.rate_class},
          {"created_at", iso8601_utc(k.created_at)},
          {"expires_at", iso8601_utc(k.expires_at)},
          {"last_used_at", k.last_used_at ? Json(iso8601_utc(*k.last_used_at)) : Json()},
          {"revoked", k.revoked_at.has_value()}};
}

void list(AccountRooms& rooms, const Actor& actor, const Request& request, Response& response) {
  const int64_t limit = page_limit(request);
  const std::string before = page_cursor(request, "before");
  const auto rows = rooms.services.database.read(
      [&](storage::Transaction& t) { return storage::tokens(t, actor.workspace_id, whose(actor), limit, before); });
  response.set_json(page_json("tokens", rows, limit, token_json, [](const auto& k) { return k.id; }));
}

std::vector<std::string> read_scopes(const Body& body, const Actor& actor) {
  std::vector<std::string> scopes = body.words("scopes", storage::kTokenScopes.size());
  std::ranges::sort(scopes);
  scopes.erase(std::unique(scopes.begin(), scopes.end()), scopes.end());
  if (scopes.empty()) throw refusal(400, "scope_missing", "[body] scopes must have at least one word.");
  for (const std::string& scope : scopes) {
    if (std::ranges::find(storage::kTokenScopes, scope) == storage::kTokenScopes.end()) {
      throw refusal(400, "bad_request",
                    "[body] scopes must be of chat, judge, tasks, review, read, data, admin and proxy.");
    }
    if (scope == "admin" && actor.who != Who::admin) {
      throw refusal(403, "forbidden", "[body] scopes must not reach beyond one's role, but \"admin\" does.");
    }
  }
  return scopes;
}

void create(AccountRooms& rooms, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {"name", "scopes", "days", "rate_class"});
  storage::NewToken token;
  token.secret = repeatable_secret(request, credential_of(request, rooms.services.config), "token");
  token.account_id = actor.member().id;
  token.workspace_id = actor.workspace_id;
  token.name = checked_name(body.text("name", 200));
  token.scopes = read_scopes(body, actor);
  token.days = static_cast<int>(body.whole("days", 1, 366));
  token.rate_class = body.text_or("rate_class", 20, "normal");
  if (token.rate_class != "normal" && token.rate_class != "bulk") {
    throw refusal(400, "bad_request", "[body] rate_class must be normal or bulk.");
  }
  const auto put = rooms.services.database.transaction([&](storage::Transaction& t) {
    auto result = storage::create_token(t, token);
    if (!result.created) return result;
    note(t, actor, request, "token.create", token.id,
         {{"scopes", token.scopes}, {"days", token.days}, {"rate_class", token.rate_class}});
    return result;
  });
  token.id = put.id;  // of the first time, where this is a repetition
  response.set_json(Json{{"id", token.id}, {"token", storage::token_text(token)}}, put.created ? 201 : 200);
}

void revoke(AccountRooms& rooms, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {});
  const std::string id = require_id(request.param("id"));
  rooms.services.database.transaction([&](storage::Transaction& t) {
    storage::revoke_token(t, actor.workspace_id, whose(actor), id);
    note(t, actor, request, "token.revoke", id);
  });
  response.set_json(Json{{"revoked", true}});
}

}  // namespace

void add_token_routes(RouteTable& routes, const SharedRooms& rooms) {
  RouteSpec all{.method = "GET", .pattern = "/api/tokens", .access = kEngineers};
  all.summary = "API tokens without their secrets: an engineer's own, for an admin all of the workspace";
  routes.add(all, [rooms](const Actor& actor, const Request& request, Response& response) {
    list(*rooms, actor, request, response);
  });
  RouteSpec make{.method = "POST", .pattern = "/api/tokens", .access = kEngineers};
  make.summary = "Make an API token of one's own; it is shown once";
  routes.add(make, [rooms](const Actor& actor, const Request& request, Response& response) {
    create(*rooms, actor, request, response);
  });
  RouteSpec end{.method = "POST", .pattern = "/api/tokens/{id}/revoke", .access = kEngineers};
  end.summary = "Revoke an API token";
  routes.add(end, [rooms](const Actor& actor, const Request& request, Response& response) {
    revoke(*rooms, actor, request, response);
  });
}

}  // namespace afina::collector
