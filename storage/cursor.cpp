// SPDX-License-Identifier: Apache-2.0
#include "storage/cursor.h"

#include <charconv>
#include <utility>

#include "base/error.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

constexpr size_t kTakeInEvery = 64;                              // rows
constexpr int64_t kMicrosTo2000 = int64_t{946'684'800'000'000};  // PostgreSQL counts from there

// Most significant byte first, two's complement.
int64_t big_endian(std::string_view cell) {
  auto value = static_cast<uint64_t>((cell[0] & 0x80) != 0 ? -1 : 0);
  for (const char byte : cell)
    value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<int64_t>(value);
}

}  // namespace

Cursor::Cursor(Transaction& t, std::string name, std::string_view sql, const Params& params,
               const CursorOptions& options)
    : connection_(&t.connection()), options_(options), fetch_(cat("FETCH ", options.rows_per_fetch, " FROM ", name)) {
  t.exec("SELECT set_config('cursor_tuple_fraction', '1', true)");
  t.exec(cat("DECLARE ", name, " NO SCROLL CURSOR FOR ", sql), params);
}

Cursor::~Cursor() {
  if (asked_) connection_->forget(*asked_);
}

bool Cursor::next() {
  if (batch_ && ++row_ < batch_->size()) {
    if (row_ % kTakeInEvery == 0) connection_->take_in();
    return true;
  }
  batch_.reset();  // before the next one comes
  if (ended_) return false;
  if (!asked_) asked_ = connection_->ask(fetch_, options_.binary);
  batch_ = connection_->answer(*std::exchange(asked_, std::nullopt));
  row_ = 0;
  ended_ = batch_->size() < static_cast<size_t>(options_.rows_per_fetch);
  if (!ended_ && options_.ahead) asked_ = connection_->ask(fetch_, options_.binary);
  if (batch_->size() > 0) return true;
  batch_.reset();
  return false;
}

int64_t Cursor::whole(size_t column) const {
  const std::string_view cell = text(column);
  if (options_.binary) {
    AFINA_CHECK(cell.size() == 2 || cell.size() == 4 || cell.size() == 8, "column ", column,
                " of a cursor must be a whole number");
    return big_endian(cell);
  }
  int64_t value = 0;
  const auto [end, code] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  AFINA_CHECK(!cell.empty() && code == std::errc() && end == cell.data() + cell.size(), "column ", column,
              " of a cursor must be a whole number");
  return value;
}

std::optional<int64_t> Cursor::maybe_whole(size_t column) const {
  return is_null(column) ? std::nullopt : std::optional(whole(column));
}

bool Cursor::truth(size_t column) const {
  const std::string_view cell = text(column);
  return cell.size() == 1 && cell[0] == (options_.binary ? '\1' : 't');
}

std::string_view Cursor::uuid(size_t column) const {
  const std::string_view cell = text(column);
  AFINA_CHECK(options_.binary && (cell.size() == 16 || cell.data() == nullptr), "column ", column,
              " of a cursor must be a UUID");
  return cell;
}

int64_t Cursor::micros(size_t column) const {
  const std::string_view cell = text(column);
  AFINA_CHECK(options_.binary && cell.size() == 8, "column ", column, " of a cursor must be a time");
  return big_endian(cell) + kMicrosTo2000;
}

void write_uuid(std::string_view bytes, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  out.resize(bytes.empty() ? 0 : 36);
  size_t at = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out[at++] = '-';
    const auto byte = static_cast<unsigned char>(bytes[i]);
    out[at++] = kHex[byte >> 4];
    out[at++] = kHex[byte & 15];
  }
}

}  // namespace afina::storage
