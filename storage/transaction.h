// SPDX-License-Identifier: Apache-2.0
// The running transaction that stores are given. Made by Database::transaction only; lives as long as the call.
#pragma once
#include <string>
#include <string_view>

#include "storage/pg_connection.h"
#include "storage/sql.h"

namespace afina::storage {

class Transaction {
 public:
  explicit Transaction(PgConnection& connection) : connection_(&connection) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  /// One statement with $1, $2, …; sql is text of the program, never of people.
  Result exec(std::string_view sql, const Params& params = {}) { return connection_->exec(sql, params); }
  /// Several statements without parameters.
  void script(const std::string& sql) { connection_->script(sql); }
  /// For Cursor (cursor.h): pg_connection.h says what may be asked ahead.
  PgConnection& connection() { return *connection_; }

 private:
  PgConnection* connection_;
};

/// Throws NotFound "[storage] <what> must exist, but '<id>' does not." where id has not the form of a UUID.
void require_uuid(const std::string& id, const char* what);
[[noreturn]] void throw_not_found(const std::string& id, const char* what);

}  // namespace afina::storage
