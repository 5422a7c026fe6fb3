// SPDX-License-Identifier: Apache-2.0
// One connection to PostgreSQL. The only wrapper of libpqxx: what 6.4 and 7 share, no silent reconnect, SQLSTATE turned
// into typed errors in one place. One thread at a time.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "storage/sql.h"

namespace afina::storage {

/// Rows as the server sent them, without a copy of each cell.
class RawRows {
 public:
  virtual ~RawRows() = default;
  virtual size_t size() const = 0;
  /// Null cells have data() == nullptr. Valid as long as this object. No range checks.
  virtual std::string_view cell(size_t row, size_t column) const = 0;
};

class PgConnection {
 public:
  /// Throws StorageError; retryable where the server is starting, stopping or not there.
  explicit PgConnection(const std::string& url);
  ~PgConnection();
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;
  /// One statement, prepared on its first use here.
  Result exec(std::string_view sql, const Params& params = {});
  /// Any number of statements without parameters, unprepared: BEGIN, SET, migrations.
  void script(const std::string& sql);
  /// One statement without parameters, unprepared: FETCH of a cursor.
  std::unique_ptr<RawRows> fetch(const std::string& sql);
  /// True once the server is gone: nothing works any more.
  bool broken() const { return broken_; }
  /// True where a statement failed since the last BEGIN or ROLLBACK: PostgreSQL would answer COMMIT with a silent
  /// rollback.
  bool failed() const { return failed_; }

 private:
  struct Impl;
  template <typename F>
  auto guarded(std::string_view sql, F&& fn);
  std::unique_ptr<Impl> impl_;
  bool broken_ = false;
  bool failed_ = false;
};

/// The typed error of a server's answer. message: as the server said it.
[[noreturn]] void throw_sqlstate(const std::string& sqlstate, const std::string& message, std::string_view sql);

}  // namespace afina::storage
