// SPDX-License-Identifier: Apache-2.0
// Joining by an invitation: account, annotator, consent and receipt code in one act; for somebody who is signed in, one
// more place or a better one.
#include "base/password.h"
#include "collector/accounts/consent_form.h"
#include "collector/accounts/repeats.h"
#include "collector/accounts/routes.h"
#include "collector/accounts/sign_in.h"
#include "storage/accounts/invitations.h"

namespace afina::collector {
namespace {

using http::Request;
using http::Response;

constexpr size_t kMaxPassphraseBytes = 512;

http::HttpError invitation_invalid() {
  return refusal(404, "invitation_invalid", "[invitation] must be open, but was used, revoked or is too old.");
}

struct Joining {
  std::string token;
  storage::NewAccount account;
  ConsentForm consent;
  storage::NewVisitor visitor;
};

Joining read_joining(const Body& body, const Services& services, const Request& request) {
  Joining joining;
  joining.token = body.text("token", 200);
  joining.account.name = checked_name(body.text("name", 200));
  joining.consent = read_consent(body, services.consents);
  joining.visitor = visitor_of(joining.consent);
  // Whoever repeats the act knows the invitation and the key: they find what they did by the code they were given.
  joining.visitor.receipt_code = storage::receipt_code_of(repeatable_secret(request, joining.token, "join"));
  joining.visitor.annotator_id = joining.account.annotator_id;
  return joining;
}

/// Everything or nothing: a name that is taken does not use the invitation up.
void store_joining(storage::Transaction& t, const Joining& joining, const Request& request) {
  const bool done_before =
      storage::find_account_by_name(t, joining.account.name).value_or(storage::Account{}).id == joining.account.id;
  if (done_before) return;
  const storage::Invitation invitation = storage::use_invitation(t, joining.token);
  if (!invitation.name.empty() && invitation.name != joining.account.name) {
    throw refusal(400, "name_not_invited", "[body] name must be the one that was invited.");
  }
  Actor joined;
  joined.workspace_id = invitation.workspace_id;
  joined.account = storage::create_account(t, joining.account);
  storage::add_member(t, invitation.workspace_id, joining.account.id, invitation.role, invitation.project_id);
  store_visitor(t, joining.consent, joining.visitor);
  storage::set_account_visitor(t, joining.account.id, joining.visitor.id);
  note(t, joined, request, "join", invitation.id, {{"role", to_string(invitation.role)}});
}

/// With an account already: nothing but the token, and the session's own secret, so that no other site can do it.
void accept(AccountRooms& rooms, const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {"token"});
  const std::string token = body.text("token", 200);
  if (actor.by_token) throw refusal(403, "forbidden", "[join] must be by a browser's session, but is by an API token.");
  if (!same_secret(request.headers.get("X-CSRF-Token"), actor.csrf_token)) {
    throw refusal(403, "cross_site", "[X-CSRF-Token] must be that of GET /api/me, but is not.");
  }
  storage::Database& database = rooms.services.database;
  // Used up or not: this may be the repetition of the act that used it up.
  const auto place = database.read([&](storage::Transaction& t) { return storage::find_invitation(t, token); });
  if (!place) throw invitation_invalid();
  // Not the project that this person is held to where they come from.
  const storage::WorkspaceScope there(place->workspace_id);
  storage::Accepted accepted;
  try {
    accepted = database.transaction([&](storage::Transaction& t) {
      const auto result = storage::accept_invitation(t, token, actor.member());
      if (result.changed) {
        note(t, actor, request, "join", result.invitation_id,
             {{"role", to_string(result.place.role)}, {"project", result.place.project_id}});
      }
      return result;
    });
  } catch (const Conflict& conflict) {
    throw refusal(409, "already_member", conflict.what());
  } catch (const NotFound&) {
    throw invitation_invalid();
  }
  const Actor entered = begin_account_session(database, rooms.services.config, request, response, actor.member().id,
                                              accepted.workspace_id);
  response.set_json(me_json(database, rooms.services.consents, entered), accepted.changed ? 201 : 200);
}

/// The account that the same request made before, with the same passphrase; nothing where this is the first time.
std::optional<storage::Account> joined_before(AccountRooms& rooms, const Joining& joining,
                                              const std::string& passphrase) {
  std::string hash;
  const auto account = rooms.services.database.read([&](storage::Transaction& t) {
    auto found = storage::find_account_by_name(t, joining.account.name);
    const bool same = found && !found->visitor_id.empty() &&
                      storage::is_receipt_of(t, found->visitor_id, joining.visitor.receipt_code);
    if (!same) found.reset();
    hash = found ? storage::password_hash_of(t, found->id) : "";
    return found;
  });
  if (account && !rooms.hasher.verify(hash, passphrase)) {
    throw refusal(409, "key_reused", "[Idempotency-Key] came with another passphrase.");
  }
  return account;
}

void join(AccountRooms& rooms, const Request& request, Response& response) {
  const Body body(request,
                  {"token", "name", "password", "locale", "consent_version", "consent_sha256", "purposes", "adult"});
  const std::string passphrase = body.text("password", kMaxPassphraseBytes);
  Joining joining = read_joining(body, rooms.services, request);
  require_passphrase(passphrase, joining.account.name);
  storage::Database& database = rooms.services.database;
  const auto answer = [&](const std::string& account_id, const std::string& workspace_id, int status) {
    const Actor actor =
        begin_account_session(database, rooms.services.config, request, response, account_id, workspace_id);
    Json json = me_json(database, rooms.services.consents, actor);
    json["receipt_code"] = joining.visitor.receipt_code;
    response.set_json(json, status);
  };
  const auto answered_before = [&] {
    const auto account = joined_before(rooms, joining, passphrase);
    if (!account) return false;
    const auto known =
        database.read([&](storage::Transaction& t) { return storage::find_invitation(t, joining.token); });
    answer(account->id, known ? known->workspace_id : "", 200);
    return true;
  };
  if (answered_before()) return;
  // Before the costly hash: guesses of tokens must stay cheap for us.
  const auto place = database.read([&](storage::Transaction& t) { return storage::peek_invitation(t, joining.token); });
  if (!place) throw invitation_invalid();
  joining.account.password_hash = rooms.hasher.hash(passphrase);
  try {
    database.transaction([&](storage::Transaction& t) { store_joining(t, joining, request); },
                         {.workspace = place->workspace_id});
  } catch (const Conflict& conflict) {
    if (answered_before()) return;  // the same request came twice at one moment
    throw refusal(409, "name_taken", conflict.what());
  } catch (const NotFound&) {
    if (answered_before()) return;
    throw invitation_invalid();
  }
  answer(joining.account.id, place->workspace_id, 201);
}

}  // namespace

void add_join_routes(RouteTable& routes, const SharedRooms& rooms) {
  RouteSpec spec{.method = "POST", .pattern = "/api/join", .access = kEverybody};
  spec.rate_class = "door";
  spec.csrf = false;
  spec.summary = "Become a member by an invitation, with consent; signed in, take one more place or a better one";
  routes.add(spec, [rooms](const Actor& actor, const Request& request, Response& response) {
    // Somebody else may sit down where one is signed in, and join by a name of their own.
    if (actor.account && !request.json().contains("name")) return accept(*rooms, actor, request, response);
    join(*rooms, request, response);
  });
}

}  // namespace afina::collector
