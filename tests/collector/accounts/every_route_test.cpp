// SPDX-License-Identifier: Apache-2.0
// Every route of the table as every kind of caller: who may is never told 401 or 403, who may not is told exactly that
// and changes nothing. New routes are in it as soon as they are in the table.
#include <algorithm>

#include "collector/accounts/sign_in.h"
#include "storage/accounts/tokens.h"
#include "tests/collector/accounts/members_world.h"

namespace afina::collector {
namespace {

class EveryRouteTest : public MembersWorld {
 protected:
  void SetUp() override { start_as_web(); }
  int64_t rows() { return rows_but({"audit_event"}); }
  void sql(const std::string& script) {
    as_owner([&](storage::Transaction& t) { t.script(script); });
  }

  static std::string path_of(const RouteSpec& spec) {
    std::string path;
    for (size_t i = 0; i < spec.pattern.size(); ++i) {
      if (spec.pattern[i] != '{') {
        path += spec.pattern[i];
        continue;
      }
      i = spec.pattern.find('}', i);
      path += new_uuid();
    }
    return path;
  }
  int status(const RouteSpec& spec, const Credentials& who) {
    return call(who, spec.method, path_of(spec), spec.method == "GET" ? Json() : Json::object()).status;
  }
  void expect_allowed(const RouteSpec& spec, const Credentials& who, const std::string& kind) {
    const int got = status(spec, who);
    EXPECT_TRUE(got != 401 && got != 403) << kind << ": " << spec.method << " " << spec.pattern << " " << got;
    EXPECT_LT(got, 500) << kind << ": " << spec.method << " " << spec.pattern;
  }
  void expect_denied(const RouteSpec& spec, const Credentials& who, int wanted, const std::string& kind) {
    const int64_t before = rows();
    EXPECT_EQ(status(spec, who), wanted) << kind << ": " << spec.method << " " << spec.pattern;
    EXPECT_EQ(rows(), before) << kind << ": " << spec.method << " " << spec.pattern;
  }
  /// The OpenAI-compatible routes are for programs: a browser's session is refused there whatever its role.
  static bool tokens_only(const RouteSpec& spec) { return spec.pattern.starts_with("/v1/"); }
  /// By the table alone.
  void expect_by_table(const RouteSpec& spec, Who caller, const Credentials& who, const std::string& kind) {
    const bool stranger = caller == Who::anyone || caller == Who::visitor;
    if (!spec.access.allows(caller)) {
      expect_denied(spec, who, stranger ? 401 : 403, kind);
    } else if (tokens_only(spec)) {
      expect_denied(spec, who, 401, kind);
    } else {
      expect_allowed(spec, who, kind);
    }
  }
  static const std::vector<storage::Role>& roles() {
    using enum storage::Role;
    static const std::vector<storage::Role> all{annotator, reviewer, engineer, admin, auditor};
    return all;
  }
  /// Some role that may, or nothing for routes that are for visitors only.
  static std::optional<storage::Role> allowed_role(const RouteSpec& spec) {
    const auto found =
        std::ranges::find_if(roles(), [&](storage::Role role) { return spec.access.allows(who_of(role)); });
    return found == roles().end() ? std::nullopt : std::optional(*found);
  }
};

TEST_F(EveryRouteTest, TheTableHasRoutesAndEachSaysWhoMay) {
  ASSERT_GT(collector_->routes().size(), 30u);
  for (const RouteSpec& spec : collector_->routes()) {
    bool anybody = false;
    for (const Who who :
         {Who::anyone, Who::visitor, Who::annotator, Who::reviewer, Who::engineer, Who::admin, Who::auditor}) {
      anybody = anybody || spec.access.allows(who);
    }
    EXPECT_TRUE(anybody) << spec.pattern;
    const auto& known = storage::kTokenScopes;
    EXPECT_TRUE(spec.scope.empty() || std::ranges::find(known, spec.scope) != known.end())
        << spec.pattern << " has the scope " << spec.scope << ", which no token can carry";
  }
}

TEST_F(EveryRouteTest, StrangersVisitorsAndEveryRole) {
  for (const RouteSpec& spec : collector_->routes()) {
    expect_by_table(spec, Who::anyone, {}, "nobody");
    expect_by_table(spec, Who::visitor, visitor_credentials(), "visitor");
    for (const storage::Role role : roles())
      expect_by_table(spec, who_of(role), member(role), std::string(to_string(role)));
  }
}

TEST_F(EveryRouteTest, CredentialsThatNoLongerHold) {
  for (const RouteSpec& spec : collector_->routes()) {
    const auto role = allowed_role(spec).value_or(storage::Role::admin);
    const Credentials expired = member(role), idle = member(role), disabled = member(role), closed = member(role);
    sql(cat("UPDATE account_session SET expires_at = now() WHERE id = '", expired.session_id, "'"));
    sql(cat("UPDATE account_session SET last_used_at = now() - idle WHERE id = '", idle.session_id, "'"));
    sql(cat("UPDATE account SET status = 'disabled' WHERE id = '", disabled.account_id, "'"));
    sql(cat("UPDATE membership SET status = 'disabled' WHERE account_id = '", closed.account_id, "'"));
    expect_by_table(spec, Who::anyone, expired, "expired session");
    expect_by_table(spec, Who::anyone, idle, "idle session");
    expect_by_table(spec, Who::anyone, disabled, "disabled account");
    expect_by_table(spec, Who::anyone, closed, "closed door");
    const Credentials revoked = token_of(member(role), {storage::kTokenScopes.begin(), storage::kTokenScopes.end()});
    sql(cat("UPDATE api_token SET revoked_at = now() WHERE account_id = '", revoked.account_id, "'"));
    expect_denied(spec, revoked, 401, "revoked token");
  }
}

TEST_F(EveryRouteTest, TokensWithinTheirScopes) {
  for (const RouteSpec& spec : collector_->routes()) {
    const auto role = allowed_role(spec);
    if (!role) continue;
    std::vector<std::string> others{storage::kTokenScopes.begin(), storage::kTokenScopes.end()};
    std::erase(others, spec.scope);
    if (spec.access.allows(Who::anyone)) {
      // What people allowed is theirs to take back, not a program's that they lent a token to.
      const std::vector<std::string> every{storage::kTokenScopes.begin(), storage::kTokenScopes.end()};
      if (spec.pattern == "/api/withdraw") {
        expect_denied(spec, token_of(member(*role), every), 403, "a token");
      } else {
        expect_allowed(spec, token_of(member(*role), others), "open to everybody");
      }
      continue;
    }
    expect_denied(spec, token_of(member(*role), others), 403, "wrong scope");
    if (!spec.scope.empty()) expect_allowed(spec, token_of(member(*role), {spec.scope}), "right scope");
  }
}

TEST_F(EveryRouteTest, ForgedRequests) {
  for (const RouteSpec& spec : collector_->routes()) {
    if (spec.method == "GET") continue;
    const auto role = allowed_role(spec);
    if (!role) continue;
    Credentials forged = member(*role);
    forged.headers.set("X-CSRF-Token", "");
    if (spec.csrf) expect_denied(spec, forged, 403, "no CSRF token");
    forged.headers.set("X-CSRF-Token", member(*role).csrf);
    if (spec.csrf) expect_denied(spec, forged, 403, "another session's CSRF token");
    Credentials foreign = member(*role);
    foreign.headers.set("Origin", "https://evil.example");
    expect_denied(spec, foreign, 403, "foreign Origin");
    Credentials site = member(*role);
    site.headers.set("Sec-Fetch-Site", "cross-site");
    expect_denied(spec, site, 403, "foreign site");
  }
}

}  // namespace
}  // namespace afina::collector
