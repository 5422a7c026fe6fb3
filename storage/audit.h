// SPDX-License-Identifier: Apache-2.0
// The audit trail: rows chained by hash, hₙ = SHA-256(hₙ₋₁ ‖ row), h₀ = 32 zero bytes. Who did what to which object;
// never texts or secrets. Reading a row cannot move a terminal: control characters are written as \u escapes.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "storage/types.h"

namespace afina::storage {

class Transaction;

/// One event in the running transaction; writers queue behind each other until it ends. It belongs to `workspace`,
/// where that is empty to the transaction's own.
void append_audit(Transaction& t, const std::string& actor, const std::string& action, const std::string& object,
                  const Json& detail = Json::object(), const std::string& workspace = "");

struct AuditCheck {
  int64_t rows = 0;         ///< walked, the bad one counted
  int64_t bad_number = 0;   ///< the first row that does not fit; 0: the chain is whole
  std::string head;         ///< hash of the last row walked; 64 zeros where there is none
  bool passed_head = true;  ///< the asked head is that of some row
};
/// Walks the chain. A chain cannot know that its end was cut off: `known_head`, noted elsewhere before, can; "" asks
/// for none.
AuditCheck check_audit(Transaction& t, const std::string& known_head = "");
/// check_audit's bad_number.
int64_t verify_audit(Transaction& t);
/// One link, for tests: previous hash as 64 hex digits.
std::string audit_link(const std::string& previous_hex, const std::string& row);

struct AuditEvent {
  int64_t number = 0;
  std::string at, actor, action, object;
  Json detail;
};
/// Of one workspace, newest first, before that number (0: from the newest).
std::vector<AuditEvent> audit_events(Transaction& t, const std::string& workspace_id, int64_t before, int64_t limit);

}  // namespace afina::storage
