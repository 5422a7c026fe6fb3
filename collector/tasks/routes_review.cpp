// SPDX-License-Identifier: Apache-2.0
// Reviewers decide where annotators part.
#include "base/hash.h"
#include "collector/tasks/routes.h"
#include "collector/tasks/wire.h"

namespace afina::collector {
namespace {

using http::Request;
using http::Response;

void adjudicate(Services& services, const Actor& actor, const Request& request, Response& response) {
  const std::string key = idempotency_key(request), item_id = require_id(request.param("id"));
  const Body body(request, {"outcome", "tiers", "ratings", "flags", "submission", "note"});
  // Who never gave a consent may decide; whose consent ended may not.
  if (!actor.member().visitor_id.empty()) actor.person();
  storage::NewAdjudication a = read_adjudication(body);
  a.idempotency_key = key;
  a.item_id = item_id;
  a.workspace_id = actor.workspace_id;
  a.account_id = actor.member().id;
  a.note = body.text_or("note", 4000, "");
  a.body_sha256 = sha256_hex(dump_json(request.json()));
  const auto put = services.database.transaction([&](storage::Transaction& t) {
    const auto result = storage::adjudicate(t, a);
    if (result.created) note(t, actor, request, "item.adjudicate", a.item_id, {{"adjudication", result.id}});
    return result;
  });
  response.set_json(Json{{"id", put.id}}, put.created ? 201 : 200);
}

}  // namespace

void add_review_routes(RouteTable& routes, Services& services) {
  RouteSpec decide{.method = "POST", .pattern = "/api/items/{id}/adjudicate", .access = kReviewers, .scope = "review"};
  decide.max_body_bytes = 64 * 1024;
  decide.summary = "A verdict on an item that stands for exports in place of its submissions";
  routes.add(decide, [&services](const Actor& actor, const Request& request, Response& response) {
    adjudicate(services, actor, request, response);
  });
}

}  // namespace afina::collector
