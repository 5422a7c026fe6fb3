// SPDX-License-Identifier: Apache-2.0
// The page's files, from the program itself.
#include "base/cat.h"
#include "base/hash.h"
#include "collector/collector.h"

namespace afina::collector {
namespace {

constexpr std::string_view kWorker = "sw.js";

std::string content_type(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "application/json; charset=utf-8";
}

/// The page's addresses of a file. An invitation's token stands behind "/join#": it never reaches a server.
std::vector<std::string> paths_of(std::string_view name) {
  if (name == "index.html") return {"/", "/join"};
  if (name == "withdraw.html") return {"/withdraw"};
  return {cat("/", name)};
}

/// Consent documents are served by the API, with the operator's name in them.
bool is_served(std::string_view name) {
  return !name.starts_with("consent/");
}

/// The worker, told above its own text which files it keeps: a change of any file changes its bytes, by which browsers
/// notice a new version.
std::string worker_text() {
  Json files = Json::object();
  for (const std::string_view name : site_files()) {
    if (!is_served(name) || name == kWorker) continue;
    for (const std::string& path : paths_of(name))
      files[path] = sha256_hex(site_file(name));
  }
  const std::string list = dump_json(files);
  return cat("const files = ", list, ";\nconst version = \"", sha256_hex(list).substr(0, 16), "\";\n",
             site_file(kWorker));
}

}  // namespace

void Collector::add_site() {
  // The worker's address is the only one the page's scripts may make a script of.
  const std::string policy = cat(http::ServerOptions().content_security_policy, "; trusted-types afina-worker");
  for (const std::string_view name : site_files()) {
    if (!is_served(name)) continue;
    const auto text = std::make_shared<const std::string>(name == kWorker ? worker_text() : site_file(name));
    const std::string tag = cat("\"", sha256_hex(*text).substr(0, 16), "\"");
    http::RouteOptions route = options(1024, "page");
    route.cache_control = "no-cache";
    const auto answer = [text, tag, policy, type = content_type(name)](const Request& request, Response& response) {
      response.headers.set("ETag", tag);
      if (type.starts_with("text/html")) response.headers.set("Content-Security-Policy", policy);
      if (request.headers.get("If-None-Match") == tag) {
        response.status = 304;
        return;
      }
      response.set_body(*text, type);
    };
    for (const std::string& path : paths_of(name))
      server_.route("GET", path, answer, route);
  }
}

}  // namespace afina::collector
