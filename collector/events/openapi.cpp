// SPDX-License-Identifier: Apache-2.0
#include "collector/events/openapi.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "embedded/openapi_parts_files.h"

namespace afina::collector {
namespace {

constexpr const char* kApiVersion = "0.8.0";

std::string key_of(const RouteSpec& spec) {
  return cat(spec.method, " ", spec.pattern);
}

std::vector<std::string> path_names(const std::string& pattern) {
  std::vector<std::string> names;
  for (size_t open = pattern.find('{'); open != std::string::npos; open = pattern.find('{', open + 1)) {
    names.push_back(pattern.substr(open + 1, pattern.find('}', open) - open - 1));
  }
  return names;
}

Json load_parts() {
  Json all{{"schemas", Json::object()}, {"routes", Json::object()}};
  for (const EmbeddedFile& file : openapi_parts_files()) {
    const Json part = parse_json(file.bytes, std::string(file.name));
    for (const char* kind : {"schemas", "routes"}) {
      const Json entries = part.value(kind, Json::object());
      for (const auto& [name, entry] : entries.items()) {
        if (!all[kind].emplace(name, entry).second) {
          throw InternalError(cat("[openapi] ", name, " must be described once, but is described twice."));
        }
      }
    }
  }
  return all;
}

Json ref(const std::string& schema) {
  return {{"$ref", cat("#/components/schemas/", schema)}};
}

Json or_also(const Json& schema, const Json& other) {
  return {{"anyOf", {schema, other}}};
}

/// A body's optional field that is null is as one that is absent (wire.h, Body::has).
Json with_nulls(Json schema) {
  if (schema.contains("anyOf")) {
    for (Json& way : schema["anyOf"])
      way = with_nulls(way);
  }
  if (!schema.contains("properties")) return schema;
  const Json required = schema.value("required", Json::array());
  for (auto& [name, field] : schema["properties"].items()) {
    if (std::find(required.begin(), required.end(), Json(name)) == required.end())
      field = or_also(field, {{"type", "null"}});
  }
  return schema;
}

/// An id, a number of rows or a code that is empty is as one that is absent.
Json with_empty(const Json& parameter) {
  const Json& schema = parameter.at("schema");
  const bool form = schema.contains("$ref") || schema.contains("pattern") || schema.value("type", "") == "integer";
  return form && !parameter.value("required", false) ? or_also(schema, {{"const", ""}}) : schema;
}

Json parameters_of(const RouteSpec& spec, const Json& part) {
  Json all = Json::array();
  const Json own = part.value("path", Json::object());
  for (const std::string& name : path_names(spec.pattern)) {
    const bool plain = own.contains(name);
    all.push_back({{"name", name},
                   {"in", "path"},
                   {"required", true},
                   {"schema", plain ? own[name] : Json{{"type", "string"}, {"format", "uuid"}}}});
  }
  for (const Json& query : part.value("query", Json::array())) {
    Json parameter = query;
    parameter["in"] = "query";
    parameter["schema"] = with_empty(query);
    all.push_back(std::move(parameter));
  }
  // A `key` must come; what is `repeatable` may come without one, and is then another act each time.
  const bool required = part.value("key", false);
  if (required || part.value("repeatable", false)) {
    all.push_back({{"name", "Idempotency-Key"},
                   {"in", "header"},
                   {"required", required},
                   {"description", "The same key with the same body again changes nothing and gets the same answer."},
                   {"schema", {{"type", "string"}, {"pattern", "^[!-~]{1,64}$"}}}});
  }
  return all;
}

Json content(const std::string& type, const Json& schema) {
  return {{type, {{"schema", schema}}}};
}

Json responses_of(const RouteSpec& spec, const Json& part) {
  Json all = Json::object();
  const Json answers = part.value("answers", Json::object());
  for (const auto& [status, answer] : answers.items()) {
    Json response{{"description", answer.value("description", "Done.")}};
    if (answer.contains("content")) {
      response["content"] = answer["content"];
    } else if (answer.contains("schema")) {
      response["content"] = content("application/json", answer["schema"]);
    }
    all[status] = std::move(response);
  }
  if (answers.empty()) all["200"] = {{"description", "Done."}};
  Json error = ref("Error");
  // What is no well-formed request is refused before it has a route, in our own form.
  if (spec.error_form == http::ErrorForm::openai) error = {{"anyOf", {ref("OpenAiError"), ref("Error")}}};
  all["default"] = {{"description", "Refused, with a code."}, {"content", content("application/json", error)}};
  return all;
}

Json security_of(const RouteSpec& spec) {
  Json ways = Json::array();
  if (spec.access.allows(Who::anyone)) ways.push_back(Json::object());
  if (spec.access.allows(Who::visitor)) {
    ways.push_back({{"visitor_cookie", Json::array()}});
    ways.push_back({{"visitor_token", Json::array()}});
  }
  const bool accounts = spec.access.allows(Who::admin) || spec.access.allows(Who::auditor);
  const bool programs_only = spec.error_form == http::ErrorForm::openai;
  if (accounts && !programs_only) ways.push_back({{"account_cookie", Json::array()}, {"csrf", Json::array()}});
  if (accounts && !spec.scope.empty()) ways.push_back({{"api_token", {spec.scope}}});
  return ways;
}

Json roles_of(const RouteSpec& spec) {
  Json roles = Json::array();
  for (const Who who :
       {Who::anyone, Who::visitor, Who::annotator, Who::reviewer, Who::engineer, Who::admin, Who::auditor}) {
    if (spec.access.allows(who)) roles.push_back(to_string(who));
  }
  return roles;
}

std::string operation_id(const RouteSpec& spec) {
  std::string id;
  for (const char c : cat(spec.method, spec.pattern)) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (word) {
      id += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    } else if (!id.empty() && id.back() != '_') {
      id += '_';
    }
  }
  while (id.ends_with('_'))
    id.pop_back();
  return id;
}

Json operation_of(const RouteSpec& spec, const Json& part) {
  Json operation{{"operationId", operation_id(spec)},
                 {"summary", spec.summary.empty() ? part.value("summary", key_of(spec)) : spec.summary},
                 {"parameters", parameters_of(spec, part)},
                 {"responses", responses_of(spec, part)},
                 {"security", security_of(spec)},
                 {"x-roles", roles_of(spec)},
                 {"x-rate-class", spec.rate_class},
                 {"x-max-body-bytes", spec.max_body_bytes}};
  if (part.contains("tag")) operation["tags"] = {part["tag"]};
  if (part.contains("description")) operation["description"] = part["description"];
  if (part.contains("body")) {
    const std::string type = part.value("body_type", "application/json");
    const bool own = spec.error_form == http::ErrorForm::afina;
    const Json body = own ? with_nulls(part["body"]) : part["body"];
    operation["requestBody"] = {{"required", true}, {"content", content(type, body)}};
  } else if (part.contains("body_content")) {
    operation["requestBody"] = {{"required", true}, {"content", part["body_content"]}};
  }
  return operation;
}

Json cookie(const std::string& name) {
  return {
      {"type", "apiKey"},
      {"in", "cookie"},
      {"name", name},
      {"description", cat("Where the site has a public name (public_hosts), the cookie is called __Host-", name, ".")}};
}

Json security_schemes() {
  return {
      {"visitor_cookie", cookie("afina")},
      {"visitor_token", {{"type", "http"}, {"scheme", "bearer"}, {"description", "session_token of POST /api/visits"}}},
      {"account_cookie", cookie("afina-account")},
      {"csrf",
       {{"type", "apiKey"},
        {"in", "header"},
        {"name", "X-CSRF-Token"},
        {"description", "csrf of GET /api/me, with every POST of a cookie session"}}},
      {"api_token",
       {{"type", "http"}, {"scheme", "bearer"}, {"description", "afina_<id>_<secret> of POST /api/tokens"}}}};
}

}  // namespace

const Json& openapi_parts() {
  static const Json parts = load_parts();
  return parts;
}

Json openapi_document(const std::vector<RouteSpec>& specs) {
  const Json& parts = openapi_parts();
  Json paths = Json::object();
  for (const RouteSpec& spec : specs) {
    std::string method = spec.method;
    std::ranges::transform(method, method.begin(), [](char c) { return static_cast<char>(c - 'A' + 'a'); });
    paths[spec.pattern][method] = operation_of(spec, parts["routes"].value(key_of(spec), Json::object()));
  }
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "Afina collector"},
            {"version", kApiVersion},
            {"description",
             "Conversations with language models, judgements of their answers, tasks for annotators. Times are ISO "
             "8601 in UTC, ids UUIDv7; lists are paged by the id in next."},
            {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
          {"servers", {{{"url", "/"}}}},
          {"paths", std::move(paths)},
          {"components", {{"schemas", parts["schemas"]}, {"securitySchemes", security_schemes()}}}};
}

std::vector<std::string> openapi_gaps(const std::vector<RouteSpec>& specs) {
  std::vector<std::string> gaps;
  std::set<std::string> known;
  const Json& routes = openapi_parts()["routes"];
  for (const RouteSpec& spec : specs) {
    const std::string key = key_of(spec);
    known.insert(key);
    if (!routes.contains(key)) gaps.push_back(cat(key, " has no entry in collector/events/openapi"));
    if (spec.summary.empty() && !routes.value(key, Json::object()).contains("summary")) {
      gaps.push_back(cat(key, " has no summary"));
    }
  }
  for (const auto& [key, _] : routes.items()) {
    if (!known.contains(key)) gaps.push_back(cat(key, " is described, but is no route"));
  }
  return gaps;
}

}  // namespace afina::collector
