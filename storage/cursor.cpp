// SPDX-License-Identifier: Apache-2.0
#include "storage/cursor.h"

#include <charconv>

#include "base/error.h"
#include "storage/transaction.h"

namespace afina::storage {

Cursor::Cursor(Transaction& t, std::string name, std::string_view sql, const Params& params, int64_t rows_per_fetch)
    : transaction_(&t), fetch_(cat("FETCH ", rows_per_fetch, " FROM ", name)) {
  t.exec("SELECT set_config('cursor_tuple_fraction', '1', true)");
  t.exec(cat("DECLARE ", name, " NO SCROLL CURSOR FOR ", sql), params);
}

Cursor::~Cursor() = default;

bool Cursor::next() {
  if (batch_ && ++row_ < batch_->size()) return true;
  batch_.reset();  // before the next one comes: one batch in memory, not two
  batch_ = transaction_->fetch(fetch_);
  row_ = 0;
  return batch_->size() > 0;
}

std::string_view Cursor::text(size_t column) const {
  return batch_->cell(row_, column);
}

bool Cursor::is_null(size_t column) const {
  return batch_->cell(row_, column).data() == nullptr;
}

int64_t Cursor::whole(size_t column) const {
  const std::string_view cell = text(column);
  int64_t value = 0;
  const auto [end, code] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  AFINA_CHECK(!cell.empty() && code == std::errc() && end == cell.data() + cell.size(), "column ", column,
              " of a cursor must be a whole number");
  return value;
}

}  // namespace afina::storage
