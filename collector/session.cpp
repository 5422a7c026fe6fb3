// SPDX-License-Identifier: Apache-2.0
// Sessions: a random token in a cookie that scripts cannot read, or as a bearer for programs. The database knows its
// hash only.
#include <cmath>

#include "base/cat.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/password.h"
#include "collector/accounts/sign_in.h"
#include "collector/collector.h"
#include "storage/accounts/tokens.h"

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
  return visitors_.get(token);
}

Actor Collector::authenticate(const Request& request, const RouteSpec& spec) {
  const std::string authorization = request.headers.get("Authorization");
  if (authorization.starts_with(cat(kBearer, storage::kTokenPrefix))) {
    return actor_of_token(database_, authorization.substr(kBearer.size()));
  }
  if (authorization.empty()) {
    const auto actor = actor_of_session(database_, request.cookie(account_cookie_name(config_)));
    if (actor) return *actor;
  }
  Actor actor;
  const std::string token = spec.checks_session ? session_token(request) : "";
  const std::string session = token.empty() ? "" : sha256_hex(token);
  if (!session.empty()) actor.visitor = sessions_.find(session);
  if (actor.visitor) {
    actor.unchecked_session = session;
  } else {
    actor.visitor = find_visitor(request);
    if (actor.visitor && !session.empty()) sessions_.keep(session, *actor.visitor);
  }
  if (actor.visitor) actor.who = Who::visitor;
  return actor;
}

void Collector::admit(const Actor& actor, const RouteSpec& spec, const Request& request) {
  const bool changes = request.method != "GET" && request.method != "HEAD";
  // A program's token is never sent by a browser on its own; a cookie is.
  if (changes && spec.csrf && !actor.csrf_token.empty() &&
      !same_secret(request.headers.get("X-CSRF-Token"), actor.csrf_token)) {
    throw refusal(403, "cross_site", "[X-CSRF-Token] must be that of GET /api/me, but is not.");
  }
  const std::string person = actor.account ? actor.account->id : actor.visitor ? actor.visitor->id : "";
  if (person.empty()) return;
  take(actor.rate_class == "bulk" ? bulk_rate_.get() : act_rate_.get(), person);
  if (request.method == "POST" && (request.path.ends_with("/messages") || request.path.ends_with("/retry") ||
                                   request.path.ends_with("/regenerate"))) {
    take(message_rate_.get(), person);
  }
}

void Collector::denied(const Actor& actor, const RouteSpec& spec, const Request& request, int status) {
  // Strangers and visitors could fill the trail; who has an account is known and limited.
  if (!actor.account) return;
  try {
    database_.transaction([&](storage::Transaction& t) {
      note(t, actor, request, "denied", cat(spec.method, " ", spec.pattern), {{"status", status}});
    });
  } catch (const StorageError& error) {
    log_error("collector", "request ", request.request_id, ": a refusal was not written to the trail: ", error.what());
  }
}

}  // namespace afina::collector
