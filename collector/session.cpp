// SPDX-License-Identifier: Apache-2.0
// Sessions: a random token in a cookie that scripts cannot read, or as a bearer for programs. The database knows its
// hash only.
#include <cmath>

#include "base/cat.h"
#include "collector/collector.h"

namespace afina::collector {
namespace {

constexpr int kSessionSeconds = 180 * 24 * 3600;
constexpr size_t kTokenDigits = 64;
constexpr std::string_view kBearer = "Bearer ";

void take(http::RateLimiter* limiter, const std::string& key) {
  const double wait_s = limiter == nullptr ? 0 : limiter->take(key);
  if (wait_s <= 0) return;
  throw http::HttpError(ErrorKind::usage, 429, "[requests] must come more slowly, but came too fast.", "rate_limited",
                        std::max(1, static_cast<int>(std::ceil(std::min(wait_s, 3600.0)))));
}

}  // namespace

std::string Collector::cookie_name() const {
  return config_.public_hosts.empty() ? "afina" : "__Host-afina";
}

std::string Collector::session_token(const Request& request) const {
  const std::string authorization = request.headers.get("Authorization");
  const std::string token =
      authorization.starts_with(kBearer) ? authorization.substr(kBearer.size()) : request.cookie(cookie_name());
  return token.size() == kTokenDigits ? token : "";
}

void Collector::set_session(Response& response, const std::string& token) const {
  // Behind TLS the cookie never travels in the clear, and no other host of the domain can set it.
  const std::string secure = config_.public_hosts.empty() ? "" : "; Secure";
  response.headers.add("Set-Cookie", cat(cookie_name(), "=", token, "; Path=/; HttpOnly; SameSite=Strict; Max-Age=",
                                         token.empty() ? 0 : kSessionSeconds, secure));
}

std::optional<storage::Visitor> Collector::find_visitor(const Request& request) {
  const std::string token = session_token(request);
  if (token.empty()) return std::nullopt;
  return database_.read([&](storage::Transaction& t) { return storage::find_visitor_by_session(t, token); });
}

Actor Collector::authenticate(const Request& request) {
  Actor actor;
  actor.visitor = find_visitor(request);
  if (actor.visitor) actor.who = Who::visitor;
  return actor;
}

void Collector::admit(const Actor& actor, const RouteSpec&, const Request& request) {
  if (!actor.visitor) return;
  take(act_rate_.get(), actor.visitor->id);
  if (request.method == "POST" && (request.path.ends_with("/messages") || request.path.ends_with("/retry"))) {
    take(message_rate_.get(), actor.visitor->id);
  }
}

}  // namespace afina::collector
