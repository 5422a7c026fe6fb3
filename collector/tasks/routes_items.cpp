// SPDX-License-Identifier: Apache-2.0
// Items: from a file, from conversations, from the trainer's review queue; and their list for reviewers.
#include "base/hash.h"
#include "collector/accounts/routes.h"
#include "collector/tasks/routes.h"
#include "collector/tasks/wire.h"

namespace afina::collector {
namespace {

using http::Request;
using http::Response;

constexpr size_t kItemsBodyBytes = 4 * 1024 * 1024;
/// As many as the reader of bodies takes at all: a file of items names the same few keys for each.
constexpr size_t kMaxItemsKeys = 100'000;
constexpr int64_t kMaxFromItems = 10'000;

storage::ItemRequest item_request(const Actor& actor, const Request& request) {
  storage::ItemRequest out;
  out.project_id = require_id(request.param("id"));
  out.workspace_id = actor.workspace_id;
  out.account_id = actor.member().id;
  out.idempotency_key = idempotency_key(request);
  out.body_sha256 = sha256_hex(request.body);
  return out;
}

/// An engineer's file brings them: what is wrong with one has a code of its own, and the message names the place.
template <typename Act>
auto of_items(const Act& act) {
  try {
    return act();
  } catch (const http::HttpError& error) {
    if (error.code() != "bad_request") throw;
    throw refusal(400, "bad_item", error.what());
  } catch (const DataError& error) {
    throw refusal(422, "bad_item", error.what());
  }
}

void add(Services& services, const Actor& actor, const Request& request, Response& response) {
  const auto wanted = item_request(actor, request);
  const Body body(request, {"items"}, kMaxItemsKeys);
  const auto items = of_items([&] { return read_items(body); });
  const auto counts = services.database.transaction([&](storage::Transaction& t) {
    const auto added = of_items([&] { return storage::add_items(t, wanted, items); });
    note(t, actor, request, "items.add", wanted.project_id, {{"added", added.added}, {"existing", added.existing}});
    return added;
  });
  response.set_json(Json{{"added", counts.added}, {"existing", counts.existing}}, 201);
}

void add_from(Services& services, const Actor& actor, const Request& request, Response& response) {
  const auto wanted = item_request(actor, request);
  const Body body(request, {"source", "locale", "limit", "run_id"});
  const std::string source = body.text("source", 20);
  const int64_t limit = body.whole("limit", 1, kMaxFromItems);
  const bool review = source == "review";
  if ((!review && source != "conversations") || (review && body.has("locale")) || (!review && body.has("run_id")))
    throw refusal(400, "bad_request",
                  "[body] source must be \"conversations\" (with locale) or \"review\" (with run_id).");
  std::string run_id = body.has("run_id") ? require_id(body.text("run_id", 36)) : "";
  if (review) {
    // Somebody else's project is not found before a run's folder is read for it.
    services.database.read(
        [&](storage::Transaction& t) { return storage::get_project(t, wanted.project_id, actor.workspace_id); });
    run_id = bring_example_losses(services.database, run_id);
  }
  const std::string locale = body.text_or("locale", 35, "");
  const auto counts = services.database.transaction([&](storage::Transaction& t) {
    const auto added = review ? storage::add_items_from_review(t, wanted, run_id, limit)
                              : storage::add_items_from_conversations(t, wanted, locale, limit);
    note(t, actor, request, "items.add", wanted.project_id, {{"added", added.added}, {"source", source}});
    return added;
  });
  response.set_json(Json{{"added", counts.added}}, 201);
}

/// "?decided=true": those with a verdict that stands.
storage::WhichItems which_items(const Request& request) {
  const std::string decided = request.query_value("decided").value_or("false");
  if (decided != "true" && decided != "false")
    throw refusal(400, "bad_request", "[query] decided must be true or false.");
  return decided == "true" ? storage::WhichItems::decided : storage::WhichItems::all;
}

void list(Services& services, const Actor& actor, const Request& request, Response& response, bool disputed) {
  const auto which = disputed ? storage::WhichItems::disputed : which_items(request);
  const std::string id = require_id(request.param("id"));
  const int64_t limit = page_limit(request);
  const std::string before = page_cursor(request, "before");
  storage::ProjectKind kind{};
  const auto items = services.database.read([&](storage::Transaction& t) {
    const auto project = storage::get_project(t, id, actor.workspace_id, actor.member().id);
    kind = project.settings.kind;
    return storage::list_items(t, project, which, limit, before);
  });
  Json rows = Json::array();
  for (const auto& item : items)
    rows.push_back(item_json(item, kind));
  const bool more = static_cast<int64_t>(items.size()) == limit;
  response.set_json(Json{{disputed ? "disagreements" : "items", rows}, {"next", more ? items.back().id : ""}});
}

}  // namespace

void add_item_routes(RouteTable& routes, Services& services) {
  RouteSpec file{.method = "POST", .pattern = "/api/projects/{id}/items", .access = kEngineers, .scope = "data"};
  file.max_body_bytes = kItemsBodyBytes;
  file.summary = "Bring items: prompts with their answers, gold and training among them; all or nothing";
  routes.add(file, [&services](const Actor& a, const Request& q, Response& r) { add(services, a, q, r); });
  RouteSpec from{.method = "POST", .pattern = "/api/projects/{id}/items/from", .access = kEngineers, .scope = "data"};
  from.summary = "Items from conversations that may be reviewed, or from what a run and the votes disagree on";
  routes.add(from, [&services](const Actor& a, const Request& q, Response& r) { add_from(services, a, q, r); });
  RouteSpec all{
      .method = "GET", .pattern = "/api/projects/{id}/items", .access = kReviewersAndAuditors, .scope = "review"};
  all.summary = "Items with their counts and submissions, under pseudonyms";
  routes.add(all, [&services](const Actor& a, const Request& q, Response& r) { list(services, a, q, r, false); });
  RouteSpec parted{.method = "GET",
                   .pattern = "/api/projects/{id}/disagreements",
                   .access = kReviewersAndAuditors,
                   .scope = "review"};
  parted.summary = "Items whose submissions part too far and that nobody has decided on";
  routes.add(parted, [&services](const Actor& a, const Request& q, Response& r) { list(services, a, q, r, true); });
}

}  // namespace afina::collector
