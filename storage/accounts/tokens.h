// SPDX-License-Identifier: Apache-2.0
// API tokens: afina_<id>_<secret>, found by id, the secret's SHA-256 compared in constant time. A token is its account
// in one workspace, within its scopes; it dies with either. OWASP ASVS 5.0 6.5.2.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/accounts/accounts.h"

namespace afina::storage {

class Transaction;

inline constexpr std::array<std::string_view, 8> kTokenScopes = {"chat", "judge", "tasks", "review",
                                                                 "read", "data",  "admin", "proxy"};
inline constexpr std::string_view kTokenPrefix = "afina_";

struct NewToken {
  std::string id = new_uuid();
  std::string secret;  ///< random_hex(32)
  std::string account_id, workspace_id, name;
  std::vector<std::string> scopes;    ///< of kTokenScopes
  std::string rate_class = "normal";  ///< or "bulk"
  int days = 90;                      ///< 1 to 366
};
/// The words that a program sends; never stored.
std::string token_text(const NewToken& token);
/// The same secret again finds the account's token that it is of. Throws Conflict where that one says something else.
PutRow create_token(Transaction& t, const NewToken& token);

struct TokenOwner {
  std::string token_id, rate_class;
  std::vector<std::string> scopes;
  Member member;
  bool stale = false;  ///< last_used_at is older than a minute: call touch_token
};
/// Nothing for what is no token, a wrong secret, a revoked or expired one, a disabled account or one that is no active
/// member any more.
std::optional<TokenOwner> find_token(Transaction& t, std::string_view text);
void touch_token(Transaction& t, const std::string& token_id);

struct TokenRow {
  std::string id, name, account_name, rate_class;
  std::vector<std::string> scopes;
  Time created_at{}, expires_at{};
  std::optional<Time> last_used_at, revoked_at;
};
/// Newest first; account_id "" for everybody's of the workspace; `before` is an id or "".
std::vector<TokenRow> tokens(Transaction& t, const std::string& workspace_id, const std::string& account_id,
                             int64_t limit, const std::string& before);
/// account_id "" for anybody's of the workspace. Throws NotFound; revoking twice is revoking once.
void revoke_token(Transaction& t, const std::string& workspace_id, const std::string& account_id,
                  const std::string& token_id);
/// All of the account, in every workspace. Returns how many had been alive.
int64_t revoke_account_tokens(Transaction& t, const std::string& account_id);

}  // namespace afina::storage
