// SPDX-License-Identifier: Apache-2.0
// Who am I, signing in and out, one's passphrase, one's sessions.
#include "base/cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "collector/accounts/routes.h"
#include "collector/accounts/sign_in.h"
#include "collector/wire.h"
#include "storage/accounts/sessions.h"
#include "storage/audit.h"

namespace afina::collector {
namespace {

using http::Request;
using http::Response;

constexpr size_t kMaxPassphraseBytes = 512, kMaxTypedNameBytes = 200;

http::HttpError login_failed() {
  return refusal(401, "login_failed", "[login] must be by a name and its passphrase, but is not.");
}

void note_alone(AccountRooms& rooms, const Actor& actor, const Request& request, const std::string& action,
                const std::string& object) {
  rooms.services.database.transaction([&](storage::Transaction& t) { note(t, actor, request, action, object); },
                                      {.workspace = actor.workspace_id});
}

// The first workspace's admins are told; what was typed as a name is not kept where nobody has it. After the reply: the
// time of a write that only known names cause would tell which are known.
void note_failure(AccountRooms& rooms, const storage::Account& account, const Request& request) {
  rooms.afterwards.run([&database = rooms.services.database, account, id = request.request_id] {
    const auto places = database.read([&](storage::Transaction& t) { return storage::memberships(t, account.id); });
    database.transaction(
        [&](storage::Transaction& t) {
          storage::append_audit(t, cat("account:", account.name), "login.failed", account.id, {{"request", id}});
        },
        {.workspace = places.empty() ? storage::kPublicWorkspace : places.front().workspace_id});
  });
}

/// The account whose passphrase this is. The same time and the same answer whether the name or the passphrase is wrong.
storage::Account prove(AccountRooms& rooms, const std::string& name, const std::string& passphrase,
                       const Request& request) {
  storage::Database& database = rooms.services.database;
  std::string hash;
  const auto account = database.read([&](storage::Transaction& t) {
    const auto found = storage::find_account_by_name(t, name);
    // Asked in either case, of an id that is nobody's too.
    hash = storage::password_hash_of(t, found ? found->id : new_uuid());
    return found;
  });
  if (!rooms.hasher.verify(hash, passphrase)) {
    rooms.guard.failed(name);
    log_info("collector", "request ", request.request_id, ": a sign-in failed");
    if (account) note_failure(rooms, *account, request);
    throw login_failed();
  }
  rooms.guard.succeeded(name);
  if (rooms.hasher.needs_rehash(hash)) {
    const std::string fresh = rooms.hasher.hash(passphrase);
    database.transaction([&](storage::Transaction& t) { storage::renew_password_hash(t, account->id, hash, fresh); });
  }
  return *account;
}

void login(AccountRooms& rooms, const Request& request, Response& response) {
  const Body body(request, {"name", "password", "workspace"});
  const std::string name = body.text("name", kMaxTypedNameBytes);
  const std::string passphrase = body.text("password", kMaxPassphraseBytes);
  const std::string workspace = body.text_or("workspace", kMaxTypedNameBytes, "");
  rooms.guard.admit(name, request.remote_ip);
  const storage::Account account = prove(rooms, name, passphrase, request);
  storage::Database& database = rooms.services.database;
  const Actor actor = begin_account_session(database, rooms.services.config, request, response, account.id, workspace);
  note_alone(rooms, actor, request, "login", actor.session_id);
  response.set_json(me_json(database, rooms.services.consents, actor));
}

void logout(AccountRooms& rooms, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {});
  if (!actor.session_id.empty()) {
    rooms.services.database.transaction([&](storage::Transaction& t) {
      storage::end_account_session(t, actor.member().id, actor.session_id);
      note(t, actor, request, "logout", actor.session_id);
    });
  }
  set_account_cookie(response, rooms.services.config, "", 0);
  response.set_json(Json::object());
}

void change_password(AccountRooms& rooms, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {"old", "new"});
  const std::string old = body.text("old", kMaxPassphraseBytes), fresh = body.text("new", kMaxPassphraseBytes);
  const storage::Account account = actor.member();
  rooms.guard.admit(account.name, request.remote_ip);
  require_passphrase(fresh, account.name);
  prove(rooms, account.name, old, request);
  const std::string hash = rooms.hasher.hash(fresh);
  storage::Database& database = rooms.services.database;
  database.transaction([&](storage::Transaction& t) {
    const int64_t revoked = storage::set_password_hash(t, account.id, hash, actor.session_id);
    note(t, actor, request, "password.change", account.id, {{"tokens_revoked", revoked}});
  });
  // The session that stays gets a new reference too.
  const Actor renewed =
      begin_account_session(database, rooms.services.config, request, response, account.id, actor.workspace_id);
  response.set_json(me_json(database, rooms.services.consents, renewed));
}

void list_sessions(AccountRooms& rooms, const Actor& actor, Response& response) {
  const auto rows = rooms.services.database.read(
      [&](storage::Transaction& t) { return storage::live_sessions(t, actor.member().id); });
  Json list = Json::array();
  for (const auto& row : rows) {
    list.push_back({{"id", row.id},
                    {"workspace", row.workspace_name},
                    {"created_at", iso8601_utc(row.created_at)},
                    {"last_used_at", iso8601_utc(row.last_used_at)},
                    {"expires_at", iso8601_utc(row.expires_at)},
                    {"current", row.id == actor.session_id}});
  }
  response.set_json(Json{{"sessions", list}, {"next", ""}});
}

void end_session(AccountRooms& rooms, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {});
  const std::string id = require_id(request.param("id"));
  rooms.services.database.transaction([&](storage::Transaction& t) {
    storage::end_account_session(t, actor.member().id, id);
    note(t, actor, request, "session.end", id);
  });
  if (id == actor.session_id) set_account_cookie(response, rooms.services.config, "", 0);
  response.set_json(Json{{"ended", true}});
}

}  // namespace

void add_sign_in_routes(RouteTable& routes, const SharedRooms& rooms) {
  RouteSpec me{.method = "GET", .pattern = "/api/me", .access = kEverybody};
  me.summary = "Who is calling: account, workspace, role, consent and the token against forged requests";
  routes.add(me, [rooms](const Actor& actor, const Request&, Response& response) {
    response.set_json(me_json(rooms->services.database, rooms->services.consents, actor));
  });
  RouteSpec in{.method = "POST", .pattern = "/api/login", .access = kEverybody};
  in.rate_class = "door";
  in.csrf = false;
  in.summary = "Sign in with a name and its passphrase";
  routes.add(in,
             [rooms](const Actor&, const Request& request, Response& response) { login(*rooms, request, response); });
  RouteSpec out{.method = "POST", .pattern = "/api/logout", .access = kEverybody};
  out.summary = "End this session";
  routes.add(out, [rooms](const Actor& actor, const Request& request, Response& response) {
    logout(*rooms, actor, request, response);
  });
  RouteSpec password{.method = "POST", .pattern = "/api/password", .access = kAccounts};
  password.rate_class = "door";
  password.summary = "Change one's passphrase, which ends every other session and revokes one's API tokens";
  routes.add(password, [rooms](const Actor& actor, const Request& request, Response& response) {
    change_password(*rooms, actor, request, response);
  });
  RouteSpec list{.method = "GET", .pattern = "/api/sessions", .access = kAccounts};
  list.summary = "One's living sessions";
  routes.add(list, [rooms](const Actor& actor, const Request&, Response& response) {
    list_sessions(*rooms, actor, response);
  });
  RouteSpec end{.method = "POST", .pattern = "/api/sessions/{id}/end", .access = kAccounts};
  end.summary = "End one of one's sessions";
  routes.add(end, [rooms](const Actor& actor, const Request& request, Response& response) {
    end_session(*rooms, actor, request, response);
  });
}

}  // namespace afina::collector
