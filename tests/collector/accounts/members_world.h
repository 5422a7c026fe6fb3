// SPDX-License-Identifier: Apache-2.0
// A collector that acts as afina_web, as in production, and people of every role with sessions and tokens.
#pragma once
#include "storage/accounts/accounts.h"
#include "storage/transaction.h"
#include "tests/collector/world.h"

namespace afina::collector {

/// What a browser or a program sends with each request.
struct Credentials {
  http::Headers headers;
  std::string account_id, visitor_id, session_id, csrf;
};

class MembersWorld : public World {
 protected:
  /// Limits of rates are off unless config sets them.
  void start_as_web(CollectorConfig config = {}, std::vector<std::string> models = {"good", "other"});
  storage::Database& owner() { return *owner_; }
  template <typename F>
  auto as_owner(F&& fn) {
    return owner_->transaction(std::forward<F>(fn), {.workspace = storage::kEveryWorkspace});
  }
  std::string workspace(const std::string& name);
  /// How many rows there are in all tables together but these. Refused acts of accounts leave one in audit_event.
  int64_t rows_but(const std::vector<std::string>& tables);

  /// A member with consent and a fresh browser session, made in the store.
  Credentials member(storage::Role role, const std::string& workspace_id = storage::kPublicWorkspace,
                     const std::string& name = "");
  /// The same person as a program, with those scopes.
  Credentials token_of(const Credentials& member, const std::vector<std::string>& scopes,
                       const std::string& workspace_id = storage::kPublicWorkspace);
  /// A visitor who consented, as a program.
  Credentials visitor_credentials();
  Reply call(const Credentials& who, const std::string& method, const std::string& path, const Json& body = nullptr,
             const std::string& key = new_uuid()) const;
  Reply get(const Credentials& who, const std::string& path) const { return call(who, "GET", path); }
  Reply post(const Credentials& who, const std::string& path, const Json& body = Json::object()) const {
    return call(who, "POST", path, body);
  }
  /// The consent fields of POST /api/visits and /api/join.
  Json consent_fields() const;
  /// The credentials of a sign-in's reply.
  static Credentials signed_in(const Reply& reply);
  std::string invite(const Credentials& admin, const Json& wish = {{"role", "annotator"}});
  Reply join(const std::string& token, const std::string& name, const std::string& passphrase = kPassphrase) const;

  static constexpr const char* kPassphrase = "tres ñandúes cruzan el puente";
  std::unique_ptr<storage::Database> owner_;
};

}  // namespace afina::collector
