// SPDX-License-Identifier: Apache-2.0
// The audit trail: rows chained by hash, hₙ = SHA-256(hₙ₋₁ ‖ row), h₀ = 32 zero bytes. Who did what to which object;
// never texts or secrets.
#pragma once
#include <string>

#include "base/json.h"
#include "storage/types.h"

namespace afina::storage {

class Transaction;

/// One event in the running transaction; writers queue behind each other until it ends.
void append_audit(Transaction& t, const std::string& actor, const std::string& action, const std::string& object,
                  const Json& detail = Json::object());
/// Walks the chain. Returns 0 where it is whole, else the number of the first row that does not fit.
int64_t verify_audit(Transaction& t);
/// One link, for tests: previous hash as 64 hex digits.
std::string audit_link(const std::string& previous_hex, const std::string& row);

}  // namespace afina::storage
