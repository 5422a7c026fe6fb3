// SPDX-License-Identifier: Apache-2.0
#include "storage/accounts/accounts.h"

#include <array>

#include "storage/transaction.h"

namespace afina::storage {
namespace {

constexpr std::array<std::string_view, 5> kRoles = {"annotator", "reviewer", "engineer", "admin", "auditor"};

}  // namespace

std::string_view to_string(Role value) {
  return kRoles.at(static_cast<size_t>(value));
}

bool from_string(std::string_view word, Role& out) {
  for (size_t i = 0; i < kRoles.size(); ++i) {
    if (kRoles[i] != word) continue;
    out = static_cast<Role>(i);
    return true;
  }
  return false;
}

Account get_account(Transaction& t, const std::string& account_id) {
  require_uuid(account_id, "an account");
  const Result rows = t.exec("SELECT * FROM account WHERE id = $1::uuid", Params().text(account_id));
  if (rows.empty()) throw_not_found(account_id, "an account");
  const Row row = rows.one();
  Account account;
  account.id = row.text("id");
  account.name = row.text("name");
  account.annotator_id = row.text("annotator_id");
  account.visitor_id = row.text("visitor_id");
  account.active = row.text("status") == "active";
  account.created_at = row.time("created_at");
  return account;
}

}  // namespace afina::storage
