// SPDX-License-Identifier: Apache-2.0
// A query read a batch at a time, for results larger than memory. Cells are views into the batch.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/pg_connection.h"
#include "storage/sql.h"

namespace afina::storage {

class Transaction;

struct CursorOptions {
  int64_t rows_per_fetch = 1000;
  /// The next batch is asked for as soon as one is there, so that server and client work at the same time. An error in
  /// rows that nobody reads then ends the transaction all the same.
  bool ahead = true;
  /// Cells in PostgreSQL's binary formats: cheaper on both sides. Then text() is for text columns only, and uuid() and
  /// micros() work.
  bool binary = false;
};

/// Lives within its transaction, which may run other statements meanwhile. Memory: one batch in hand and one on its
/// way; the server holds the rest.
class Cursor {
 public:
  /// name: unique among the open cursors of the transaction, a word of the program. The plan is made for reading
  /// everything, not for a quick first row.
  Cursor(Transaction& t, std::string name, std::string_view sql, const Params& params = {},
         const CursorOptions& options = {});
  ~Cursor();
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  /// Moves to the next row, the first at first. False at the end, and then always.
  bool next();
  /// A cell of the current row by its place in the SELECT; valid until next(). "" for NULL.
  std::string_view text(size_t column) const { return batch_->cell(row_, column); }
  bool is_null(size_t column) const { return batch_->cell(row_, column).data() == nullptr; }
  int64_t whole(size_t column) const;  ///< InternalError for NULL and for what is no whole number
  std::optional<int64_t> maybe_whole(size_t column) const;
  bool truth(size_t column) const;
  /// Binary only. The 16 bytes, which sort as UUIDs do; "" for NULL.
  std::string_view uuid(size_t column) const;
  /// Binary only: of a timestamptz, microseconds since 1970. InternalError for NULL.
  int64_t micros(size_t column) const;

 private:
  PgConnection* connection_;
  const CursorOptions options_;
  const std::string fetch_;
  std::optional<uint64_t> asked_;
  std::optional<RawRows> batch_;
  size_t row_ = 0;
  bool ended_ = false;
};

/// The 36 characters of 16 bytes, into `out`, whose memory is used again. Empty where there are none.
void write_uuid(std::string_view bytes, std::string& out);

}  // namespace afina::storage
