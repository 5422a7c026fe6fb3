// SPDX-License-Identifier: Apache-2.0
// A query read a batch at a time, for results larger than memory. Cells are views into the batch.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "storage/sql.h"

namespace afina::storage {

class RawRows;
class Transaction;

/// Lives within its transaction. Holds one batch of rows, and the server holds the rest.
class Cursor {
 public:
  /// name: unique among the open cursors of the transaction, a word of the program. The plan is made for reading
  /// everything, not for a quick first row.
  Cursor(Transaction& t, std::string name, std::string_view sql, const Params& params = {},
         int64_t rows_per_fetch = 1000);
  ~Cursor();
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  /// Moves to the next row, the first at first. False at the end; must not be called again after that.
  bool next();
  /// A cell of the current row by its place in the SELECT; valid until next(). "" for NULL.
  std::string_view text(size_t column) const;
  bool is_null(size_t column) const;
  int64_t whole(size_t column) const;  ///< InternalError for NULL and for what is no whole number
  bool truth(size_t column) const { return text(column) == "t"; }

 private:
  Transaction* transaction_;
  std::string fetch_;
  std::unique_ptr<RawRows> batch_;
  size_t row_ = 0;
};

}  // namespace afina::storage
