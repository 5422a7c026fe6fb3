// SPDX-License-Identifier: Apache-2.0
// The groups of routes about accounts, each in a file of its own.
#pragma once
#include <memory>

#include "base/password.h"
#include "collector/accounts/afterwards.h"
#include "collector/accounts/login_guard.h"
#include "collector/services.h"

namespace afina::collector {

/// What these routes share. Owned by their handlers.
struct AccountRooms {
  Services& services;
  PasswordHasher hasher;
  LoginGuard guard;
  Afterwards afterwards;
  explicit AccountRooms(Services& s) : services(s), guard(s.config.acts_per_minute <= 0) {}
};
using SharedRooms = std::shared_ptr<AccountRooms>;

inline constexpr Access kAccounts{Who::annotator, Who::reviewer, Who::engineer, Who::admin, Who::auditor};
inline constexpr Access kAdminsAndAuditors{Who::admin, Who::auditor};

void add_sign_in_routes(RouteTable& routes, const SharedRooms& rooms);     // sign_in_routes.cpp
void add_join_routes(RouteTable& routes, const SharedRooms& rooms);        // join.cpp
void add_member_routes(RouteTable& routes, const SharedRooms& rooms);      // members.cpp
void add_invitation_routes(RouteTable& routes, const SharedRooms& rooms);  // invitations.cpp
void add_token_routes(RouteTable& routes, const SharedRooms& rooms);       // tokens.cpp
void add_audit_routes(RouteTable& routes, const SharedRooms& rooms);       // audit.cpp

/// "?limit=" 1 to 200, 50 where absent. Throws HttpError 400 bad_request.
int64_t page_limit(const http::Request& request);
/// "?name=", an id or "". Throws HttpError 400 bad_request for what is no id.
std::string page_cursor(const http::Request& request, const std::string& name);
/// A page of a list under `name`, each row as `json` makes it, and "next": the id of the last one (`id_of`) where there
/// may be more, else "".
template <typename Row, typename ToJson, typename IdOf>
Json page_json(const char* name, const std::vector<Row>& rows, int64_t limit, ToJson json, IdOf id_of) {
  Json list = Json::array();
  for (const Row& row : rows)
    list.push_back(json(row));
  const bool more = static_cast<int64_t>(rows.size()) == limit;
  return {{name, std::move(list)}, {"next", more ? id_of(rows.back()) : std::string()}};
}
/// A sign-in name: 1 to 60 bytes, no control or direction characters, no blank at either end, no @ (an e-mail is no
/// pseudonym). Throws HttpError 400 name_refused.
std::string checked_name(const std::string& name);
/// What check_passphrase (base/password.h) asks of a new passphrase. Throws HttpError 400 passphrase_weak.
void require_passphrase(const std::string& passphrase, const std::string& name);

}  // namespace afina::collector
