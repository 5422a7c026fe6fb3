// SPDX-License-Identifier: Apache-2.0
// Projects: what there is to do here, and its rules.
#include "collector/accounts/routes.h"
#include "collector/tasks/routes.h"
#include "collector/tasks/wire.h"

namespace afina::collector {
namespace {

using http::Request;
using http::Response;

constexpr size_t kProjectBodyBytes = 256 * 1024;  // 32 KiB of guidelines, escaped

void list(Services& services, const Actor& actor, const Request& request, Response& response) {
  const int64_t limit = page_limit(request);
  const std::string before = page_cursor(request, "before");
  const auto lines = services.database.read([&](storage::Transaction& t) {
    return storage::list_projects(t, actor.workspace_id, actor.member().id, limit, before);
  });
  Json projects = Json::array();
  for (const auto& line : lines)
    projects.push_back(project_line_json(line));
  const bool more = static_cast<int64_t>(lines.size()) == limit;
  response.set_json(Json{{"projects", projects}, {"next", more ? lines.back().id : ""}});
}

void create(Services& services, const Actor& actor, const Request& request, Response& response) {
  storage::NewProject project;
  project.idempotency_key = idempotency_key(request);
  const Body body(request, {"name", "kind", "locale", "guidelines", "aspects", "flags", "overlap", "lease_seconds",
                            "gold_rate", "gold_pass", "training_items", "training_pass", "skip", "max_per_annotator"});
  project.workspace_id = actor.workspace_id;
  project.account_id = actor.member().id;
  project.settings = read_settings(body);
  try {
    const auto put = services.database.transaction([&](storage::Transaction& t) {
      const auto result = storage::create_project(t, project);
      if (result.created)
        note(t, actor, request, "project.create", result.id, {{"kind", to_string(project.settings.kind)}});
      return result;
    });
    response.set_json(Json{{"id", put.id}}, put.created ? 201 : 200);
  } catch (const storage::ProjectNameTaken& error) {
    throw refusal(409, "name_taken", error.what());
  }
}

void show(Services& services, const Actor& actor, const Request& request, Response& response) {
  const std::string id = require_id(request.param("id"));
  const auto project = services.database.read(
      [&](storage::Transaction& t) { return storage::get_project(t, id, actor.workspace_id, actor.member().id); });
  response.set_json(project_json(project, actor.who != Who::annotator));
}

void change(Services& services, const Actor& actor, const Request& request, Response& response) {
  const std::string id = require_id(request.param("id"));
  const Body body(request, {"state", "guidelines", "overlap"});
  storage::ProjectChange wanted;
  if (body.has("state")) {
    wanted.state.emplace();
    if (!from_string(body.text("state", 20), *wanted.state))
      throw refusal(400, "bad_request", "[body] state must be open, paused or finished.");
  }
  if (body.has("guidelines")) wanted.guidelines = body.text("guidelines", 32 * 1024);
  if (body.has("overlap")) wanted.overlap = static_cast<int>(body.whole("overlap", 1, 50));
  const auto project = services.database.transaction([&](storage::Transaction& t) {
    storage::change_project(t, id, actor.workspace_id, actor.member().id, wanted);
    const auto now = storage::get_project(t, id, actor.workspace_id);
    note(t, actor, request, "project.change", id,
         {{"state", to_string(now.state)}, {"guidelines", now.guidelines_version}, {"overlap", now.settings.overlap}});
    return now;
  });
  response.set_json(project_json(project, true));
}

}  // namespace

void add_project_routes(RouteTable& routes, Services& services) {
  const auto bind = [&services](auto handler) {
    return [&services, handler](const Actor& actor, const Request& request, Response& response) {
      handler(services, actor, request, response);
    };
  };
  RouteSpec all{.method = "GET", .pattern = "/api/projects", .access = kMembersAndAuditors, .scope = "tasks"};
  all.summary = "Projects of this workspace with one's own counts, newest first";
  routes.add(all, bind(list));
  RouteSpec make{.method = "POST", .pattern = "/api/projects", .access = kEngineers, .scope = "data"};
  make.max_body_bytes = kProjectBodyBytes;
  make.summary = "A new project; repeatable by its key";
  routes.add(make, bind(create));
  RouteSpec one{.method = "GET", .pattern = "/api/projects/{id}", .access = kMembersAndAuditors, .scope = "tasks"};
  one.summary = "A project's settings, guidelines and progress";
  routes.add(one, bind(show));
  RouteSpec edit{.method = "POST", .pattern = "/api/projects/{id}", .access = kEngineers, .scope = "data"};
  edit.max_body_bytes = kProjectBodyBytes;
  edit.summary = "Open, pause or finish a project, give its guidelines a new version, change its overlap";
  routes.add(edit, bind(change));
}

}  // namespace afina::collector
