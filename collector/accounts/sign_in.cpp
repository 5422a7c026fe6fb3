// SPDX-License-Identifier: Apache-2.0
#include "collector/accounts/sign_in.h"

#include <algorithm>

#include "base/cat.h"
#include "collector/wire.h"
#include "storage/accounts/sessions.h"
#include "storage/accounts/tokens.h"
#include "storage/consents.h"

namespace afina::collector {
namespace {

constexpr size_t kTokenDigits = 64;
const storage::TransactionOptions kLookUp{.read_only = true, .workspace = storage::kEveryWorkspace};
const storage::TransactionOptions kAnywhere{.workspace = storage::kEveryWorkspace};

Actor actor_of(storage::Transaction& t, const storage::Member& member) {
  Actor actor;
  actor.who = who_of(member.role);
  actor.account = member.account;
  actor.workspace_id = member.workspace_id;
  actor.project_id = member.project_id;
  if (!member.account.visitor_id.empty()) {
    auto visitor = storage::get_visitor(t, member.account.visitor_id);
    if (!visitor.withdrawn_at) actor.visitor = std::move(visitor);
  }
  return actor;
}

bool is_outdated(storage::Transaction& t, const std::map<std::string, ConsentDocument>& consents,
                 const storage::Visitor& visitor) {
  const storage::AgreedText agreed = storage::agreed_text(t, visitor.consent_event_id);
  const auto now = consents.find(agreed.locale);
  return now == consents.end() || now->second.sha256 != agreed.sha256;
}

/// Another request may have ended it since it was found.
void end_if_alive(storage::Transaction& t, const storage::SignedIn& session) {
  try {
    storage::end_account_session(t, session.member.account.id, session.session_id);
  } catch (const NotFound&) {
    return;
  }
}

}  // namespace

std::string account_cookie_name(const CollectorConfig& config) {
  return config.public_hosts.empty() ? "afina-account" : "__Host-afina-account";
}

void set_account_cookie(http::Response& response, const CollectorConfig& config, const std::string& token,
                        int max_age_s) {
  const std::string secure = config.public_hosts.empty() ? "" : "; Secure";
  response.headers.add("Set-Cookie", cat(account_cookie_name(config), "=", token,
                                         "; Path=/; HttpOnly; SameSite=Strict; Max-Age=", max_age_s, secure));
}

std::optional<Actor> actor_of_session(storage::Database& database, const std::string& cookie) {
  if (cookie.size() != kTokenDigits) return std::nullopt;
  bool stale = false;
  auto actor = database.transaction(
      [&](storage::Transaction& t) -> std::optional<Actor> {
        const auto found = storage::find_session(t, cookie);
        if (!found) return std::nullopt;
        Actor known = actor_of(t, found->member);
        known.session_id = found->session_id;
        known.csrf_token = found->csrf_token;
        stale = found->stale;
        return known;
      },
      kLookUp);
  if (actor && stale) {
    database.transaction([&](storage::Transaction& t) { storage::touch_session(t, actor->session_id); }, kAnywhere);
  }
  return actor;
}

Actor actor_of_token(storage::Database& database, const std::string& token) {
  std::string stale_id;
  const auto actor = database.transaction(
      [&](storage::Transaction& t) -> std::optional<Actor> {
        const auto found = storage::find_token(t, token);
        if (!found) return std::nullopt;
        Actor known = actor_of(t, found->member);
        known.by_token = true;
        known.scopes = found->scopes;
        known.rate_class = found->rate_class;
        stale_id = found->stale ? found->token_id : "";
        return known;
      },
      kLookUp);
  if (!actor) throw refusal(401, "login_required", "[Authorization] must be a living token, but is not.");
  if (!stale_id.empty()) {
    database.transaction([&](storage::Transaction& t) { storage::touch_token(t, stale_id); }, kAnywhere);
  }
  return *actor;
}

Actor begin_account_session(storage::Database& database, const CollectorConfig& config, const http::Request& request,
                            http::Response& response, const std::string& account_id, const std::string& workspace) {
  storage::NewSession session;
  session.token = storage::new_session_token();
  session.csrf_token = storage::new_session_token();
  session.account_id = account_id;
  const std::string brought = request.cookie(account_cookie_name(config));
  const Actor actor = database.transaction(
      [&](storage::Transaction& t) {
        const auto places = storage::memberships(t, account_id);
        const auto place = std::ranges::find_if(places, [&](const storage::Member& m) {
          return workspace.empty() || m.workspace_id == workspace || m.workspace_name == workspace;
        });
        if (place == places.end()) {
          throw refusal(401, "login_failed", "[login] must be by a name and its passphrase, but is not.");
        }
        if (const auto old = storage::find_session(t, brought)) {
          end_if_alive(t, *old);
        }
        storage::NewSession row = session;
        row.workspace_id = place->workspace_id;
        row.role = place->role;
        storage::create_session(t, row);
        Actor known = actor_of(t, *place);
        known.session_id = row.id;
        known.csrf_token = row.csrf_token;
        return known;
      },
      kAnywhere);
  const auto times = storage::session_times(actor.who == Who::admin ? storage::Role::admin : storage::Role::annotator);
  set_account_cookie(response, config, session.token, static_cast<int>(times.absolute.count()));
  return actor;
}

Json me_json(storage::Database& database, const std::map<std::string, ConsentDocument>& consents, const Actor& actor) {
  Json me{{"who", to_string(actor.who)},
          {"account", nullptr},
          {"workspace", nullptr},
          {"role", nullptr},
          {"project", nullptr},
          {"consent", actor.visitor.has_value()},
          {"consent_outdated", false},
          {"purposes", Json::array()},
          {"csrf", nullptr},
          {"visitor", nullptr},
          {"locale", ""}};
  if (actor.visitor) {
    me["visitor"] = actor.visitor->id;
    me["locale"] = actor.visitor->locale;
    me["purposes"] = actor.visitor->purposes;
  }
  if (!actor.project_id.empty()) me["project"] = actor.project_id;
  database.transaction(
      [&](storage::Transaction& t) {
        const auto workspace = storage::get_workspace(t, actor.workspace_id);
        me["workspace"] = {{"id", workspace.id}, {"name", workspace.name}};
        if (actor.visitor) me["consent_outdated"] = is_outdated(t, consents, *actor.visitor);
      },
      kLookUp);
  if (actor.account) {
    me["account"] = {{"id", actor.account->id}, {"name", actor.account->name}};
    me["role"] = to_string(actor.who);
    if (!actor.csrf_token.empty()) me["csrf"] = actor.csrf_token;
  }
  return me;
}

}  // namespace afina::collector
