// SPDX-License-Identifier: Apache-2.0
#include "http/request_checks.h"

#include <algorithm>
#include <string_view>

#include "base/utf8.h"

namespace afina::http {
namespace {

/// "name:80" -> "name", "[::1]:80" -> "::1".
std::string host_name(std::string_view host) {
  if (host.starts_with('[')) return std::string(host.substr(1, host.find(']') - 1));
  return std::string(host.substr(0, host.rfind(':')));
}

bool is_utf8_charset(std::string_view parameter) {
  return equal_without_case(parameter, "charset=utf-8") || equal_without_case(parameter, "charset=\"utf-8\"");
}

}  // namespace

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

void check_origin(const Request& request, const ServerOptions& options) {
  const auto known = [&](const std::string& name) {
    return std::any_of(options.public_hosts.begin(), options.public_hosts.end(),
                       [&](const std::string& other) { return equal_without_case(name, other); });
  };
  const std::string host = request.headers.get("Host");
  const std::string name = host_name(host);
  const bool any_host = options.allow_remote && options.public_hosts.empty();
  if (!host.empty() && !any_host && !is_loopback(name) && !known(name)) {
    throw HttpError(ErrorKind::usage, 421, cat("[Host] must be a name of this server, but got \"", name, "\"."));
  }
  if (request.method == "GET" || request.method == "HEAD") return;
  const std::string site = request.headers.get("Sec-Fetch-Site"), origin = request.headers.get("Origin");
  const size_t scheme = origin.find("://");
  const std::string origin_host = scheme == std::string::npos ? "" : origin.substr(scheme + 3);
  const bool own = origin.empty() || equal_without_case(origin_host, host) || known(host_name(origin_host));
  if (site == "cross-site" || !own) {
    throw HttpError(ErrorKind::usage, 403,
                    "[Origin] must be this server's own page, but the request comes from another site.", "cross_site");
  }
}

void check_json_type(const Request& request) {
  const std::string whole = request.headers.get("Content-Type");
  const size_t semicolon = whole.find(';');
  const std::string_view type = trimmed(std::string_view(whole).substr(0, semicolon));
  const bool named = semicolon != std::string::npos;
  if (!equal_without_case(type, "application/json") ||
      (named && !is_utf8_charset(trimmed(std::string_view(whole).substr(semicolon + 1))))) {
    throw HttpError(ErrorKind::usage, 415, "[Content-Type] must be application/json in UTF-8, but is not.");
  }
}

void check_query(const Request& request) {
  // Two readers take different ones of them.
  if (request.repeats_query) throw UsageError("[query] must name each value once, but names one twice.");
  for (const auto& [name, value] : request.query) {
    if (!is_valid_utf8(name) || !is_valid_utf8(value)) throw UsageError("[query] must be UTF-8, but is not.");
  }
}

}  // namespace afina::http
