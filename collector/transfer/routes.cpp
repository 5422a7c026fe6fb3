// SPDX-License-Identifier: Apache-2.0
// Files in and out: POST /api/imports, GET /api/imports, GET /api/exports/{kind}.{form}.
#include <charconv>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "collector/accounts/routes.h"
#include "collector/services.h"
#include "collector/wire.h"
#include "datasets/transfer/export_data.h"
#include "datasets/transfer/import_file.h"
#include "storage/sql.h"
#include "storage/tasks/projects.h"

namespace afina::collector {
namespace {

using http::Request;
using http::Response;

constexpr size_t kImportBodyBytes = size_t{64} << 20;

constexpr size_t kMaxLocaleBytes = 35;

std::string query_or(const Request& request, const std::string& name, const std::string& otherwise) {
  return request.query_value(name).value_or(otherwise);
}

/// What a person misspells must not be taken for what was not asked: here it would let out more than was meant.
void only_query(const Request& request, const std::set<std::string>& known) {
  for (const auto& [name, value] : request.query) {
    if (known.contains(name)) continue;
    const std::string near = nearest_name(name, {known.begin(), known.end()});
    throw refusal(400, "bad_request",
                  cat("[query] has no place for \"", name.substr(0, 40), "\".",
                      near.empty() ? "" : cat(" Did you mean \"", near, "\"?")));
  }
}

double number_of(const std::string& text, const std::string& name) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size())
    throw refusal(400, "bad_request",
                  cat("[query] must have a number as ", name, ", but got \"", text.substr(0, 40), "\"."));
  return value;
}

// Of a list of words that are known; 400 for another.
std::vector<std::string> purposes_of(const std::string& words) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= words.size();) {
    const size_t end = std::min(words.find(',', begin), words.size());
    const std::string word = words.substr(begin, end - begin);
    if (word != storage::kPurposeTrain && word != storage::kPurposeReview && word != storage::kPurposePublish)
      throw refusal(400, "bad_request", "[query] must have purposes of train, review and publish, but got another.");
    out.push_back(word);
    begin = end + 1;
  }
  return out;
}

datasets::ImportRequest read_import(const Actor& actor, const Request& request) {
  only_query(request, {"format", "name", "licence", "declaration", "locale", "purposes", "rating_max", "suggestions",
                       "project"});
  datasets::ImportRequest out;
  const std::string format = query_or(request, "format", "");
  if (!datasets::from_string(format, out.format))
    throw refusal(400, "bad_request",
                  "[query] must have format text, markdown, qa, jsonl, argilla, label_studio, open_assistant, lmsys or "
                  "sharegpt.");
  const std::string scale = query_or(request, "rating_max", "5");
  out.parse.rating_max = number_of(scale, "rating_max");
  out.parse.suggestions = query_or(request, "suggestions", "") == "true";
  out.about.workspace_id = actor.workspace_id;
  out.about.source = query_or(request, "name", "");
  out.about.licence = query_or(request, "licence", "");
  out.about.declaration = query_or(request, "declaration", "");
  out.about.locale = query_or(request, "locale", "");
  out.about.purposes = purposes_of(query_or(request, "purposes", "train,review"));
  out.about.actor = actor.audit_name();
  if (out.about.source.empty() || out.about.licence.empty() || out.about.declaration.empty())
    throw refusal(400, "bad_request",
                  "[query] must have name, licence and declaration: where the file comes from and why it may be used.");
  if (out.about.locale.size() > 35) throw refusal(400, "too_long", "[query] must have a locale of at most 35 bytes.");
  out.project_id = query_or(request, "project", "");
  if (!out.project_id.empty()) {
    require_id(out.project_id);
    out.account_id = actor.member().id;
  }
  return out;
}

void bring(Services& services, const Actor& actor, const Request& request, Response& response) {
  datasets::ImportRequest wanted = read_import(actor, request);
  if (request.body.empty()) throw refusal(400, "empty", "[body] must be a file, but is empty.");
  const datasets::ImportFile file{[&] { return datasets::memory_source(request.body); }, {}};
  const datasets::ImportReport report = datasets::import_file(services.database, file, std::move(wanted));
  Json skipped = Json::array();
  for (const datasets::SkippedRow& row : report.skipped)
    skipped.push_back({{"line", row.line}, {"why", row.why}});
  Json answer{{"id", report.id},
              {"conversations", report.counts.conversations},
              {"answers", report.counts.answers},
              {"judgements", report.counts.judgements},
              {"existing", report.counts.existing},
              {"narrower", report.counts.narrower},
              {"items", report.items},
              {"repeated", report.repeated},
              {"skipped_total", report.counts.skipped},
              {"skipped", skipped}};
  if (!report.receipt_code.empty()) answer["receipt_code"] = report.receipt_code;
  response.set_json(answer, report.repeated ? 200 : 201);
}

Json import_json(const storage::Import& import) {
  return {{"id", import.id},
          {"name", import.source},
          {"format", import.format},
          {"sha256", import.sha256},
          {"bytes", import.bytes},
          {"licence", import.licence},
          {"declaration", import.declaration},
          {"purposes", import.purposes},
          {"finished", import.finished},
          {"conversations", import.counts.conversations},
          {"answers", import.counts.answers},
          {"judgements", import.counts.judgements},
          {"skipped_total", import.counts.skipped},
          {"created_at", iso8601_utc(import.created_at)}};
}

void list(Services& services, const Actor& actor, const Request& request, Response& response) {
  const int64_t limit = page_limit(request);
  const std::string before = page_cursor(request, "before");
  const auto rows = services.database.read(
      [&](storage::Transaction& t) { return storage::list_imports(t, actor.workspace_id, limit, before); });
  Json imports = Json::array();
  for (const storage::Import& row : rows)
    imports.push_back(import_json(row));
  const bool more = static_cast<int64_t>(rows.size()) == limit;
  response.set_json(Json{{"imports", imports}, {"next", more ? rows.back().id : ""}});
}

datasets::ExportRequest read_export(Services& services, const Actor& actor, const Request& request) {
  datasets::ExportRequest out;
  const std::string file = request.param("file");
  const size_t dot = file.find('.');
  if (dot == std::string::npos || !datasets::from_string(file.substr(0, dot), out.kind) ||
      !datasets::from_string(file.substr(dot + 1), out.form)) {
    throw refusal(404, "not_found",
                  cat("[export] must be ", datasets::export_kind_words(), ", as .jsonl or .parquet."));
  }
  if (!datasets::can_write(out.form))
    throw refusal(400, "bad_request", "[export] must be .jsonl: this collector was built without Parquet.");
  only_query(request, {"purpose", "locale", "project", "since", "margin_scale", "include_revealed"});
  out.filter.workspace_id = actor.workspace_id;
  const std::vector<std::string> purposes = purposes_of(query_or(request, "purpose", "train"));
  if (purposes.size() != 1)
    throw refusal(400, "bad_request", "[query] must have one purpose, train, review or publish, but has several.");
  out.filter.purpose = purposes.front();
  out.filter.locale = query_or(request, "locale", "");
  if (out.filter.locale.size() > kMaxLocaleBytes) {
    throw refusal(400, "bad_request", "[query] locale must be a language tag such as es-CL.");
  }
  out.filter.project_id = query_or(request, "project", "");
  if (!out.filter.project_id.empty()) {
    require_id(out.filter.project_id);
    services.database.read(
        [&](storage::Transaction& t) { storage::get_project(t, out.filter.project_id, actor.workspace_id); });
  }
  if (const auto since = request.query_value("since")) {
    try {
      out.filter.since = storage::since_from_text(*since);
    } catch (const Error&) {
      throw refusal(400, "bad_request", "[query] must have a time such as 2026-11-21 as since.");
    }
  }
  out.margin_scale = number_of(query_or(request, "margin_scale", "0"), "margin_scale");
  if (!(out.margin_scale >= 0 && out.margin_scale < 1e6))
    throw refusal(400, "bad_request", "[query] must have a margin_scale of 0 or more.");
  const std::string revealed = query_or(request, "include_revealed", "false");
  if (revealed != "true" && revealed != "false") {
    throw refusal(400, "bad_request", "[query] include_revealed must be true or false.");
  }
  out.blind_only = revealed == "false";
  out.actor = actor.audit_name();
  return out;
}

void send(Services& services, const Actor& actor, const Request& request, Response& response) {
  const datasets::ExportRequest wanted = read_export(services, actor, request);
  const bool parquet = wanted.form == datasets::ExportForm::parquet;
  const std::string name = cat("afina-", datasets::to_string(wanted.kind), ".", datasets::to_string(wanted.form));
  response.headers.set("Content-Disposition", cat("attachment; filename=\"", name, "\""));
  storage::Database& database = services.database;
  response.stream_body(
      parquet ? "application/vnd.apache.parquet" : "application/jsonl", [&database, wanted](http::BodyWriter& body) {
        const auto report =
            datasets::export_data(database, wanted, [&](std::string_view bytes) { return body.write(bytes); });
        log_info("export", datasets::to_string(wanted.kind), ": ", report.rows, " rows, ", report.bytes, " bytes",
                 report.complete ? "" : ", cut off by the client");
      });
}

}  // namespace

void add_transfer_routes(RouteTable& routes, Services& services) {
  RouteSpec import_spec{.method = "POST", .pattern = "/api/imports", .access = kEngineers, .scope = "data"};
  import_spec.max_body_bytes = kImportBodyBytes;
  import_spec.json_only = false;
  import_spec.summary =
      "Bring a file of prompts, conversations or judgements, under a licence that the importer declares";
  routes.add(import_spec, [&services](const Actor& a, const Request& q, Response& r) { bring(services, a, q, r); });
  RouteSpec list_spec{.method = "GET", .pattern = "/api/imports", .access = kEngineersAndAuditors, .scope = "data"};
  list_spec.summary = "Files that were brought, newest first";
  routes.add(list_spec, [&services](const Actor& a, const Request& q, Response& r) { list(services, a, q, r); });
  RouteSpec export_spec{.method = "GET", .pattern = "/api/exports/{file}", .access = kEngineers, .scope = "data"};
  export_spec.rate_class = "export";
  export_spec.summary = cat("A file of ", datasets::export_kind_words(),
                            ", as .jsonl or .parquet, streamed; people under pseudonyms that "
                            "hold for this file only");
  routes.add(export_spec, [&services](const Actor& a, const Request& q, Response& r) { send(services, a, q, r); });
}

}  // namespace afina::collector
