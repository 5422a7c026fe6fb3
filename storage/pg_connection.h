// SPDX-License-Identifier: Apache-2.0
// One connection to PostgreSQL. The only wrapper of libpq: no silent reconnect, SQLSTATE turned into typed errors in
// one place (pg_errors.h), statements that are asked before they are needed. One thread at a time.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "storage/sql.h"

extern "C" {
struct pg_result;
}

namespace afina::storage {

/// Rows as the server sent them, without a copy of each cell.
class RawRows {
 public:
  explicit RawRows(pg_result* rows);
  size_t size() const { return size_; }
  /// Null cells have data() == nullptr. Valid as long as this object. No range checks.
  std::string_view cell(size_t row, size_t column) const;

 private:
  struct Clear {
    void operator()(pg_result* rows) const;
  };
  std::unique_ptr<pg_result, Clear> rows_;
  size_t size_;
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

  /// Sends one statement without parameters and does not wait: FETCH of a cursor. The number is for answer() or
  /// forget(); several may be on their way. Whatever exec() or script() does comes after them: their rows are read and
  /// kept first, and an error of theirs is thrown there, so that no COMMIT is sent after a statement that failed.
  /// binary: cells come in PostgreSQL's binary formats.
  uint64_t ask(const std::string& sql, bool binary);
  /// The rows of what was asked; waits for them. Once a number.
  RawRows answer(uint64_t asked);
  /// Nobody will ask for that answer.
  void forget(uint64_t asked) noexcept;
  /// Takes in what the server has sent, without waiting, so that it can go on with what is asked.
  void take_in();

  /// True once the server is gone: nothing works any more.
  bool broken() const { return broken_; }
  /// True where a statement failed since the last BEGIN or ROLLBACK: PostgreSQL would answer COMMIT with a silent
  /// rollback.
  bool failed() const { return failed_; }

 private:
  struct Impl;
  RawRows checked(pg_result* rows, std::string_view sql);
  [[noreturn]] void lost(const std::string& what);
  void require_open();
  void land();
  void settle(bool throw_errors);
  std::unique_ptr<Impl> impl_;
  bool broken_ = false;
  bool failed_ = false;
};

}  // namespace afina::storage
