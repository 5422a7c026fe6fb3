// SPDX-License-Identifier: Apache-2.0
#include "storage/accounts/tokens.h"

#include "base/cat.h"
#include "base/hash.h"
#include "base/password.h"
#include "storage/accounts/rows.h"

namespace afina::storage {
namespace {

constexpr size_t kSecretDigits = 64;

}  // namespace

std::string token_text(const NewToken& token) {
  return cat(kTokenPrefix, token.id, "_", token.secret);
}

PutRow create_token(Transaction& t, const NewToken& token) {
  // One account's tokens queue here, so that two of one request are one.
  t.exec("SELECT FROM account WHERE id = $1::uuid FOR NO KEY UPDATE", Params().text(token.account_id));
  const Result found = t.exec(
      "SELECT id, workspace_id = $3::uuid AND name = $4 AND scopes = $5::text[] AND rate_class = $6 AND "
      "round(extract(epoch FROM expires_at - created_at) / 86400) = $7::bigint AS same FROM api_token "
      "WHERE account_id = $1::uuid AND secret_sha256 = $2",
      Params()
          .text(token.account_id)
          .text(sha256_hex(token.secret))
          .text(token.workspace_id)
          .text(token.name)
          .texts(token.scopes)
          .text(token.rate_class)
          .integer(int64_t{token.days}));
  if (!found.empty()) {
    const Row row = found.one();
    if (!row.boolean("same")) {
      throw Conflict("[storage.accounts] a token that is asked for again must be the same, but is not.",
                     "use a new key");
    }
    return {row.text("id"), row.text("id") == token.id};
  }
  t.exec(
      "INSERT INTO api_token (id, secret_sha256, account_id, workspace_id, name, scopes, rate_class, expires_at) "
      "VALUES ($1::uuid, $2, $3::uuid, $4::uuid, $5, $6::text[], $7, now() + $8::bigint * interval '1 day') "
      "ON CONFLICT (id) DO NOTHING",
      Params()
          .text(token.id)
          .text(sha256_hex(token.secret))
          .text(token.account_id)
          .text(token.workspace_id)
          .text(token.name)
          .texts(token.scopes)
          .text(token.rate_class)
          .integer(int64_t{token.days}));
  return {token.id, true};
}

std::optional<TokenOwner> find_token(Transaction& t, std::string_view text) {
  constexpr size_t kIdDigits = 36;
  if (!text.starts_with(kTokenPrefix)) return std::nullopt;
  text.remove_prefix(kTokenPrefix.size());
  if (text.size() != kIdDigits + 1 + kSecretDigits || text[kIdDigits] != '_') return std::nullopt;
  const std::string_view id = text.substr(0, kIdDigits);
  if (!is_uuid(id)) return std::nullopt;
  const Result rows =
      t.exec(cat("SELECT k.id AS token_id, k.secret_sha256, k.rate_class, to_json(k.scopes) AS scopes, "
                 "coalesce(k.last_used_at < now() - interval '1 minute', true) AS stale, ",
                 kMemberColumns,
                 " FROM api_token k JOIN account a ON a.id = k.account_id "
                 "JOIN membership m ON m.workspace_id = k.workspace_id AND m.account_id = k.account_id "
                 "JOIN workspace w ON w.id = k.workspace_id WHERE k.id = $1::uuid AND k.revoked_at IS NULL "
                 "AND k.expires_at > now() AND a.status = 'active' AND m.status = 'active'"),
             Params().text(id));
  if (rows.empty()) return std::nullopt;
  const Row row = rows.one();
  if (!same_secret(row.text("secret_sha256"), sha256_hex(text.substr(kIdDigits + 1)))) return std::nullopt;
  return TokenOwner{row.text("token_id"), row.text("rate_class"), row.texts("scopes"), read_member(row),
                    row.boolean("stale")};
}

void touch_token(Transaction& t, const std::string& token_id) {
  t.exec("UPDATE api_token SET last_used_at = now() WHERE id = $1::uuid", Params().text(token_id));
}

std::vector<TokenRow> tokens(Transaction& t, const std::string& workspace_id, const std::string& account_id,
                             int64_t limit, const std::string& before) {
  if (!before.empty()) require_uuid(before, "a token");
  const Result rows = t.exec(
      "SELECT k.id, k.name, a.name AS account_name, k.rate_class, to_json(k.scopes) AS scopes, k.created_at, "
      "k.expires_at, k.last_used_at, k.revoked_at FROM api_token k JOIN account a ON a.id = k.account_id "
      "WHERE k.workspace_id = $1::uuid AND ($2::uuid IS NULL OR k.account_id = $2::uuid) "
      "AND ($3::uuid IS NULL OR k.id < $3::uuid) ORDER BY k.id DESC LIMIT $4::bigint",
      Params().text(workspace_id).text_or_null(account_id).text_or_null(before).integer(limit));
  return read_all(rows, [](const Row& row) {
    return TokenRow{row.text("id"),
                    row.text("name"),
                    row.text("account_name"),
                    row.text("rate_class"),
                    row.texts("scopes"),
                    row.time("created_at"),
                    row.time("expires_at"),
                    row.maybe_time("last_used_at"),
                    row.maybe_time("revoked_at")};
  });
}

void revoke_token(Transaction& t, const std::string& workspace_id, const std::string& account_id,
                  const std::string& token_id) {
  require_uuid(token_id, "a token");
  const Result done = t.exec(
      "UPDATE api_token SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1::uuid AND workspace_id = $2::uuid "
      "AND ($3::uuid IS NULL OR account_id = $3::uuid)",
      Params().text(token_id).text(workspace_id).text_or_null(account_id));
  if (done.affected() == 0) throw_not_found(token_id, "a token");
}

int64_t revoke_account_tokens(Transaction& t, const std::string& account_id) {
  const Result done = t.exec(
      "UPDATE api_token SET revoked_at = now() WHERE account_id = $1::uuid AND revoked_at IS NULL AND "
      "expires_at > now()",
      Params().text(account_id));
  return static_cast<int64_t>(done.affected());
}

}  // namespace afina::storage
