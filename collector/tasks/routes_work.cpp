// SPDX-License-Identifier: Apache-2.0
// An annotator's work: the next task, still here, draft, skip, hand in.
#include "base/cat.h"
#include "base/clock.h"
#include "base/hash.h"
#include "collector/tasks/routes.h"
#include "collector/tasks/wire.h"

namespace afina::collector {
namespace {

using http::Request;
using http::Response;
using storage::LeaseLost;

constexpr size_t kDraftBodyBytes = 48 * 1024;
constexpr size_t kSubmissionBodyBytes = 512 * 1024;  // a rewrite, a hundred span notes, all escaped

storage::WhoseAssignment whose(const Actor& actor, const Request& request) {
  actor.person();  // who withdrew acts on nothing any more
  return {require_id(request.param("id")), actor.workspace_id, actor.member().id};
}

http::HttpError lost(const LeaseLost& error) {
  const bool done = dynamic_cast<const storage::AlreadySubmitted*>(&error) != nullptr;
  return refusal(409, done ? "already_submitted" : "lease_lost", error.what());
}

void next(Services& services, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {"ahead"});
  storage::NextRequest wanted;
  wanted.project_id = require_id(request.param("id"));
  wanted.workspace_id = actor.workspace_id;
  wanted.account_id = actor.member().id;
  wanted.visitor_id = actor.person().id;
  wanted.ahead = body.has("ahead") && body.truth("ahead");
  wanted.luck = services.random() / 4294967296.0;
  wanted.shuffle = (uint64_t{services.random()} << 32) | services.random();
  const auto got =
      services.database.transaction([&](storage::Transaction& t) { return storage::next_task(t, wanted); });
  if (got.task)
    response.set_json(Json{{"task", task_json(*got.task)}});
  else
    response.set_json(Json{{"task", nullptr}, {"reason", to_string(got.reason)}});
}

void heartbeat(Services& services, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {});
  const auto mine = whose(actor, request);
  try {
    const auto until =
        services.database.transaction([&](storage::Transaction& t) { return storage::heartbeat(t, mine); });
    response.set_json(Json{{"lease_until", iso8601_utc(until)}});
  } catch (const LeaseLost& error) {
    throw lost(error);
  }
}

// U+0000 anywhere in it: PostgreSQL could not give it back.
bool holds_zero(const Json& json) {
  if (json.is_string()) return json.get_ref<const std::string&>().find('\0') != std::string::npos;
  if (!json.is_structured()) return false;
  for (const auto& [name, value] : json.items())
    if ((json.is_object() && name.find('\0') != std::string::npos) || holds_zero(value)) return true;
  return false;
}

void draft(Services& services, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {"rev", "body"});
  const auto mine = whose(actor, request);
  const auto rev = static_cast<int>(body.whole("rev", 0, 1'000'000'000));
  const Json& content = body.at("body");
  if (!content.is_object() || holds_zero(content))
    throw refusal(400, "bad_request", "[body] body must be an object without U+0000.");
  if (dump_json(content).size() > 32 * 1024) throw refusal(400, "too_long", "[body] body must be at most 32768 bytes.");
  try {
    const auto put = services.database.transaction(
        [&](storage::Transaction& t) { return storage::put_draft(t, mine, rev, content); });
    if (!put.stale) return response.set_json(Json{{"rev", put.stored.rev}});
    response.set_json(
        Json{{"error",
              {{"kind", "conflict"},
               {"code", "draft_stale"},
               {"message", cat("[draft] must follow revision ", put.stored.rev, ", but follows ", rev, ".")},
               {"request_id", request.request_id}}},
             {"draft", {{"rev", put.stored.rev}, {"body", put.stored.body}}}},
        409);
  } catch (const LeaseLost& error) {
    throw lost(error);
  }
}

void skip(Services& services, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {"reason"});
  const auto mine = whose(actor, request);
  const std::string reason = body.text("reason", 1000);
  try {
    services.database.transaction([&](storage::Transaction& t) { storage::skip_task(t, mine, reason); });
  } catch (const LeaseLost& error) {
    throw lost(error);
  }
  response.set_json(Json{{"skipped", true}});
}

void submit(Services& services, const Actor& actor, const Request& request, Response& response) {
  const std::string key = idempotency_key(request);
  const Body body(request, {"outcome", "tiers", "aspects", "flags", "spans", "rewrite", "reason", "reason_language",
                            "confidence", "ms_to_decide", "shown"});
  const auto mine = whose(actor, request);
  const auto shape = services.database.read([&](storage::Transaction& t) { return storage::task_shape(t, mine); });
  storage::NewSubmission submission = read_submission(body, shape.kind, shape.answers);
  submission.whose = mine;
  submission.visitor_id = actor.person().id;
  submission.idempotency_key = key;
  submission.body_sha256 = sha256_hex(dump_json(request.json()));
  submission.source = actor.by_token ? storage::Source::api : actor.person().source;
  submission.reveals = [&leaks = services.leaks](std::string_view text) { return leaks.reveals(text); };
  try {
    const auto put =
        services.database.transaction([&](storage::Transaction& t) { return storage::submit(t, submission); });
    Json answer{{"id", put.id}};
    if (put.feedback) answer["feedback"] = feedback_json(*put.feedback);
    response.set_json(answer, put.created ? 201 : 200);
  } catch (const LeaseLost& error) {
    throw lost(error);
  }
}

}  // namespace

void add_work_routes(RouteTable& routes, Services& services) {
  const auto add = [&](const std::string& pattern, auto handler, size_t max_body_bytes, const std::string& summary) {
    RouteSpec spec{.method = "POST", .pattern = pattern, .access = kMembers, .scope = "tasks"};
    spec.max_body_bytes = max_body_bytes;
    spec.summary = summary;
    routes.add(spec, [&services, handler](const Actor& actor, const Request& request, Response& response) {
      handler(services, actor, request, response);
    });
  };
  add("/api/projects/{id}/next", next, 1024, "The task on screen, or the next one; ahead: one more to load meanwhile");
  add("/api/assignments/{id}/heartbeat", heartbeat, 1024, "Still here: the lease begins anew");
  add("/api/assignments/{id}/draft", draft, kDraftBodyBytes,
      "Keep what was begun, following the revision it was read at");
  add("/api/assignments/{id}/skip", skip, 8 * 1024, "Not this one, with a reason");
  add("/api/assignments/{id}/submit", submit, kSubmissionBodyBytes, "Hand a task in; repeatable by its key");
}

}  // namespace afina::collector
