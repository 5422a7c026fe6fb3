// SPDX-License-Identifier: Apache-2.0
// Who calls a route, and who may. Deny by default: a route names everybody who may use it. Read anew for every request,
// so that a role taken away is gone with the next one.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "storage/accounts/accounts.h"
#include "storage/people.h"

namespace afina::collector {

/// Kinds of callers, as bits.
enum class Who : unsigned {
  anyone = 1,   ///< no session
  visitor = 2,  ///< gave consent, has no account
  annotator = 4,
  reviewer = 8,
  engineer = 16,
  admin = 32,
  auditor = 64
};
std::string_view to_string(Who who);
Who who_of(storage::Role role);

/// A set of callers.
class Access {
 public:
  constexpr Access(std::initializer_list<Who> who) {
    for (const Who one : who)
      bits_ |= static_cast<unsigned>(one);
  }
  constexpr bool allows(Who who) const { return (bits_ & static_cast<unsigned>(who)) != 0; }

 private:
  unsigned bits_ = 0;
};
inline constexpr Access kEverybody{Who::anyone,   Who::visitor, Who::annotator, Who::reviewer,
                                   Who::engineer, Who::admin,   Who::auditor};
/// Whoever may write, chat and judge: their consent is on record (see Actor::person).
inline constexpr Access kPeople{Who::visitor, Who::annotator, Who::reviewer, Who::engineer, Who::admin};
inline constexpr Access kMembers{Who::annotator, Who::reviewer, Who::engineer, Who::admin};
inline constexpr Access kReviewers{Who::reviewer, Who::engineer, Who::admin};
inline constexpr Access kEngineers{Who::engineer, Who::admin};
inline constexpr Access kAdmins{Who::admin};
/// Adds the auditor to those who may read.
inline constexpr Access kReviewersAndAuditors{Who::reviewer, Who::engineer, Who::admin, Who::auditor};
inline constexpr Access kEngineersAndAuditors{Who::engineer, Who::admin, Who::auditor};

/// Who makes this request.
struct Actor {
  Who who = Who::anyone;
  std::optional<storage::Visitor> visitor;  ///< whose consent covers what they write; absent where none was given
  /// SHA-256 of a visitor's session that was known before and not asked for now (RouteSpec::checks_session): the
  /// handler's transaction must find it, and of `visitor` only id, annotator and source may be used. Else empty.
  std::string unchecked_session;
  std::optional<storage::Account> account;
  std::string workspace_id = storage::kPublicWorkspace;
  std::string project_id;           ///< the only one this person works in; empty: every project of the workspace
  bool by_token = false;            ///< an API token, not a browser
  std::vector<std::string> scopes;  ///< of that token
  std::string session_id;           ///< of an account's browser session
  std::string csrf_token;           ///< of that session: the header X-CSRF-Token must repeat it
  std::string rate_class;           ///< of a token: "normal" or "bulk"

  /// Throws HttpError 401 consent_required where there is none.
  const storage::Visitor& person() const;
  /// Throws HttpError 401 login_required for people without an account.
  const storage::Account& member() const;
  /// For audit rows: "account:NAME", "visitor:ID" or "anyone".
  std::string audit_name() const;
};

/// append_audit with the caller, and the request's id in the detail. In the transaction of the act itself.
void note(storage::Transaction& t, const Actor& actor, const http::Request& request, const std::string& action,
          const std::string& object, Json detail = Json::object());

}  // namespace afina::collector
