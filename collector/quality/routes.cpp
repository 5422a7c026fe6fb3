// SPDX-License-Identifier: Apache-2.0
// Routes of quality: leaderboard and statistics for everybody, agreement and annotators for reviewers, one's own
// dashboard. All of them read; nothing of a group of fewer than five people leaves.
#include <memory>
#include <regex>

#include "base/cat.h"
#include "base/clock.h"
#include "collector/accounts/routes.h"
#include "collector/quality/annotator_report.h"
#include "collector/quality/leaderboard.h"
#include "collector/quality/report_cache.h"
#include "collector/services.h"
#include "collector/wire.h"
#include "storage/quality/reliability.h"
#include "storage/quality/statistics.h"
#include "storage/transaction.h"

namespace afina::collector {
namespace {

constexpr std::string_view kAspects[] = {"helpful", "truthful", "harmless",          "cultural_fit",
                                         "dialect", "clarity",  "follows_regulation"};

std::string query_word(const http::Request& request, const char* name, const char* form, const char* must) {
  const std::string value = request.query_value(name).value_or("");
  if (value.empty() || std::regex_match(value, std::regex(form))) return value;
  throw refusal(400, "bad_request", cat("[query] ", name, " must be ", must, "."));
}

std::string query_locale(const http::Request& request) {
  return query_word(request, "locale", "[A-Za-z0-9-]{1,35}", "a language tag such as es-CL");
}

std::string query_aspect(const http::Request& request) {
  const std::string aspect = request.query_value("aspect").value_or("");
  if (aspect.empty() || std::ranges::find(kAspects, aspect) != std::end(kAspects)) return aspect;
  throw refusal(400, "bad_request", "[query] aspect must be one of those that answers are rated in.");
}

/// What agreement is told about: aspects, kinds of flags, and verdicts by class (without the grade).
std::string query_group(const http::Request& request) {
  constexpr std::string_view kOthers[] = {"verdict_class", "toxic", "personal_data", "hallucination"};
  const std::string group = request.query_value("aspect").value_or("");
  return std::ranges::find(kOthers, group) == std::end(kOthers) ? query_aspect(request) : group;
}

quality::TieModel query_model(const http::Request& request) {
  const std::string word = request.query_value("model").value_or("bradley_terry");
  for (const auto model : {quality::TieModel::half_wins, quality::TieModel::davidson, quality::TieModel::rao_kupper}) {
    if (word == quality::to_string(model)) return model;
  }
  throw refusal(400, "bad_request", "[query] model must be bradley_terry, davidson or rao_kupper.");
}

std::string query_source(const http::Request& request) {
  const std::string source = request.query_value("source").value_or("");
  storage::Source known{};
  if (source.empty() || storage::from_string(source, known)) return source;
  throw refusal(400, "bad_request", "[query] source must be web, api, demo or import.");
}

storage::RatingFilter query_filter(const Actor& actor, const http::Request& request) {
  return {actor.workspace_id, query_locale(request),
          query_word(request, "country", "[A-Z]{2}", "two capitals of ISO 3166-1"), query_aspect(request),
          query_source(request)};
}

Json published_json(const storage::RatingSnapshot& one) {
  Json out{{"id", one.id}, {"published_at", iso8601_utc(one.created_at)}, {"filter", one.filter}};
  out.update(one.body);
  return out;
}

Json counts_json(const storage::GroupCounts& counts, const char* name) {
  Json groups = Json::array();
  for (const auto& group : counts.groups) {
    groups.push_back(
        {{name, group.name}, {"people", group.people}, {"conversations", group.conversations}, {"votes", group.votes}});
  }
  return groups;
}

Json statistics(storage::Transaction& t, const std::string& workspace_id) {
  using storage::GroupBy;
  constexpr int64_t kDays = 90, kEver = 3660;
  const auto days = storage::group_counts(t, workspace_id, GroupBy::day, kDays);
  const auto locales = storage::group_counts(t, workspace_id, GroupBy::locale, kEver);
  const auto countries = storage::group_counts(t, workspace_id, GroupBy::country, kEver);
  return {
      {"days", counts_json(days, "day")},
      {"locales", counts_json(locales, "locale")},
      {"countries", counts_json(countries, "country")},
      {"suppressed", {{"days", days.suppressed}, {"locales", locales.suppressed}, {"countries", countries.suppressed}}},
      {"at_least", storage::kSmallestGroup}};
}

Json own_row(Json annotators, const std::string& account_id, const std::string& project_id) {
  for (Json& row : annotators["annotators"]) {
    if (row["account"] != account_id) continue;
    // Warnings are a reviewer's business: telling them would teach how to stay below.
    row.erase("warnings");
    row.erase("account");
    row["project"] = project_id;
    return row;
  }
  return nullptr;
}

Json own_votes_json(const storage::OwnVotes& votes) {
  const bool decided = votes.decided > 0;
  return {{"count", votes.votes},
          {"today", votes.today},
          {"left_share", decided ? Json(static_cast<double>(votes.left) / static_cast<double>(votes.decided)) : Json()},
          {"median_ms", votes.median_ms ? Json(*votes.median_ms) : Json()}};
}

// Shared by the handlers of one collector.
struct Reports {
  storage::Database& database;
  ReportCache cache{ReportCache::Limits{}};

  /// read: what the report is of, in a transaction; report: what takes time, after it.
  template <typename Read, typename Report>
  Json get(const std::string& key, Read read, Report report) {
    return cache.get(
        key, [&] { return database.read([](storage::Transaction& t) { return storage::votes_stamp(t); }); },
        [&] { return report(database.read([&](storage::Transaction& t) { return read(t); })); });
  }

  // Asked of the database, not of the cache, which is everybody's.
  void admit(const Actor& actor, const std::string& project_id) {
    database.read([&](storage::Transaction& t) {
      storage::quality_project(t, project_id, actor.workspace_id, actor.member().id);
    });
  }

  Json annotators(const std::string& workspace_id, const std::string& project_id) {
    return get(
        cat("annotators/", workspace_id, "/", project_id),
        [&](storage::Transaction& t) { return read_material(t, project_id, workspace_id); },
        [](const ProjectMaterial& material) {
          return Json{{"annotators", annotator_rows(material)}};
        });
  }
};

Json dashboard(Reports& reports, const Actor& actor) {
  const auto& account = actor.member();
  Json out{{"name", account.name}, {"projects", Json::array()}};
  const auto projects = reports.database.read([&](storage::Transaction& t) {
    out["votes"] = own_votes_json(storage::own_votes(t, account.annotator_id));
    return storage::projects_of(t, actor.workspace_id, account.id);
  });
  for (const auto& id : projects) {
    Json row = own_row(reports.annotators(actor.workspace_id, id), account.id, id);
    if (!row.is_null()) out["projects"].push_back(std::move(row));
  }
  return out;
}

void add_public(RouteTable& routes, const std::shared_ptr<Reports>& reports) {
  RouteSpec board{.method = "GET", .pattern = "/api/leaderboard", .access = kEverybody, .scope = "read"};
  board.summary = "Ratings of the models by blind votes, with intervals by person and the advantage of the left side.";
  routes.add(board, [reports](const Actor& actor, const http::Request& request, http::Response& response) {
    const storage::RatingFilter filter = query_filter(actor, request);
    const LeaderboardOptions options{.model = query_model(request), .at_least = storage::kSmallestGroup};
    const std::string key = cat("leaderboard/", filter.workspace_id, "/", filter.locale, "/", filter.country, "/",
                                filter.aspect, "/", filter.source, "/", quality::to_string(options.model));
    response.set_json(reports->get(
        key, [&](storage::Transaction& t) { return storage::rating_votes(t, filter); },
        [&](const std::vector<storage::RatingVote>& votes) { return leaderboard(votes, options); }));
  });
  RouteSpec counts{.method = "GET", .pattern = "/api/statistics", .access = kEverybody, .scope = "read"};
  counts.summary = "How many conversations and votes there are by day, language and country.";
  routes.add(counts, [reports](const Actor& actor, const http::Request&, http::Response& response) {
    response.set_json(reports->get(
        cat("statistics/", actor.workspace_id),
        [&](storage::Transaction& t) { return statistics(t, actor.workspace_id); },
        [](Json counts) { return counts; }));
  });
}

// A leaderboard as it stands now, kept for ever: what was said of the models at that time.
void publish(Reports& reports, const Actor& actor, const http::Request& request, http::Response& response) {
  const Body body(request, {});
  const storage::RatingFilter filter = query_filter(actor, request);
  storage::RatingSnapshot snapshot;
  snapshot.workspace_id = actor.workspace_id;
  snapshot.account_id = actor.member().id;
  snapshot.idempotency_key = idempotency_key(request);
  const LeaderboardOptions options{.model = query_model(request), .at_least = storage::kSmallestGroup};
  snapshot.model = quality::to_string(options.model);
  snapshot.filter = {
      {"locale", filter.locale}, {"country", filter.country}, {"aspect", filter.aspect}, {"source", filter.source}};
  const auto votes = reports.database.read([&](storage::Transaction& t) { return storage::rating_votes(t, filter); });
  snapshot.body = leaderboard(votes, options);
  snapshot.votes = snapshot.body["votes"];
  snapshot.annotators = snapshot.body["annotators"];
  const auto put = reports.database.transaction([&](storage::Transaction& t) {
    const auto result = storage::put_rating_snapshot(t, snapshot);
    if (result.created) note(t, actor, request, "leaderboard.publish", result.id, {{"model", snapshot.model}});
    return result;
  });
  response.set_json(Json{{"id", put.id}}, put.created ? 201 : 200);
}

void add_published(RouteTable& routes, const std::shared_ptr<Reports>& reports) {
  RouteSpec store{.method = "POST", .pattern = "/api/leaderboards", .access = kReviewers, .scope = "review"};
  store.summary = "Publish the leaderboard as it stands now: it is kept and listed.";
  routes.add(store, [reports](const Actor& actor, const http::Request& request, http::Response& response) {
    publish(*reports, actor, request, response);
  });
  RouteSpec list{.method = "GET", .pattern = "/api/leaderboards", .access = kEverybody, .scope = "read"};
  list.summary = "Leaderboards as they were published, newest first.";
  routes.add(list, [reports](const Actor& actor, const http::Request& request, http::Response& response) {
    const int64_t limit = page_limit(request);
    const std::string before = page_cursor(request, "before");
    const auto found = reports->database.read(
        [&](storage::Transaction& t) { return storage::list_rating_snapshots(t, actor.workspace_id, limit, before); });
    Json rows = Json::array();
    for (const auto& one : found)
      rows.push_back(published_json(one));
    const bool more = static_cast<int64_t>(found.size()) == limit;
    response.set_json(Json{{"leaderboards", std::move(rows)}, {"next", more ? found.back().id : ""}});
  });
  RouteSpec one{.method = "GET", .pattern = "/api/leaderboards/{id}", .access = kEverybody, .scope = "read"};
  one.summary = "One leaderboard as it was published: an address that can be cited.";
  routes.add(one, [reports](const Actor& actor, const http::Request& request, http::Response& response) {
    const std::string id = require_id(request.param("id"));
    response.set_json(published_json(reports->database.read(
        [&](storage::Transaction& t) { return storage::rating_snapshot(t, actor.workspace_id, id); })));
  });
}

void add_projects(RouteTable& routes, const std::shared_ptr<Reports>& reports) {
  RouteSpec agreement{
      .method = "GET", .pattern = "/api/projects/{id}/agreement", .access = kReviewersAndAuditors, .scope = "review"};
  agreement.summary = "How far a project's annotators agree, by aspect and language, with intervals.";
  routes.add(agreement, [reports](const Actor& actor, const http::Request& request, http::Response& response) {
    const std::string id = require_id(request.param("id"));
    reports->admit(actor, id);
    const std::string wanted = query_group(request);
    Json report = reports->get(
        cat("agreement/", actor.workspace_id, "/", id),
        [&](storage::Transaction& t) { return read_material(t, id, actor.workspace_id); },
        [&](const ProjectMaterial& material) {
          return Json{
              {"project", id}, {"kind", material.project.kind}, {"groups", agreement_groups(all_units(material))}};
        });
    if (!wanted.empty()) {
      Json groups = Json::array();
      for (Json& group : report["groups"]) {
        if (group["aspect"] == wanted) groups.push_back(std::move(group));
      }
      report["groups"] = std::move(groups);
    }
    response.set_json(report);
  });
  RouteSpec people{
      .method = "GET", .pattern = "/api/projects/{id}/annotators", .access = kReviewersAndAuditors, .scope = "review"};
  people.summary = "What is known of each annotator of a project, with warnings.";
  routes.add(people, [reports](const Actor& actor, const http::Request& request, http::Response& response) {
    const std::string id = require_id(request.param("id"));
    reports->admit(actor, id);
    response.set_json(reports->annotators(actor.workspace_id, id));
  });
  RouteSpec own{.method = "GET", .pattern = "/api/me/dashboard", .access = kMembers, .scope = "tasks"};
  own.summary = "One's own speed, agreement, side and known-answer score.";
  routes.add(own, [reports](const Actor& actor, const http::Request&, http::Response& response) {
    response.set_json(dashboard(*reports, actor));
  });
}

}  // namespace

void add_quality_routes(RouteTable& routes, Services& services) {
  const auto reports = std::make_shared<Reports>(services.database);
  add_public(routes, reports);
  add_published(routes, reports);
  add_projects(routes, reports);
}

}  // namespace afina::collector
