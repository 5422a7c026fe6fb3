// SPDX-License-Identifier: Apache-2.0
// The page's files, from the program itself.
#include "base/cat.h"
#include "base/hash.h"
#include "collector/collector.h"

namespace afina::collector {
namespace {

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

}  // namespace

void Collector::add_site() {
  for (const std::string_view name : site_files()) {
    // Consent documents are served by the API, with the operator's name in them.
    if (name.starts_with("consent/")) continue;
    const std::string tag = cat("\"", sha256_hex(site_file(name)).substr(0, 16), "\"");
    http::RouteOptions route = options(1024);
    route.cache_control = "no-cache";
    const auto answer = [name, tag, type = content_type(name)](const Request& request, Response& response) {
      response.headers.set("ETag", tag);
      if (request.headers.get("If-None-Match") == tag) {
        response.status = 304;
        return;
      }
      response.set_body(std::string(site_file(name)), type);
    };
    for (const std::string& path : paths_of(name))
      server_.route("GET", path, answer, route);
  }
}

}  // namespace afina::collector
