// SPDX-License-Identifier: Apache-2.0
// Parameters and rows of SQL as this room's stores use them: typed in, typed out, no libpq type. Text goes to the
// server in its own text formats, so doubles and times round-trip exactly. Not used outside storage/ but by tests.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "storage/types.h"

namespace afina::storage {

/// $1, $2, … in order. Text must be UTF-8 without U+0000: DataError otherwise, before anything is sent.
class Params {
 public:
  Params& text(std::string_view value);
  /// NULL where empty: ids and optional words.
  Params& text_or_null(std::string_view value);
  Params& integer(int64_t value);
  Params& real(double value);
  Params& boolean(bool value);
  Params& time(Time value);
  Params& json(const Json& value);
  Params& integer(const std::optional<int64_t>& value);
  Params& integer(const std::optional<int>& value);
  Params& real(const std::optional<double>& value);
  Params& time(const std::optional<Time>& value);
  Params& integers(const std::vector<int>& value);
  Params& integers(const std::vector<int64_t>& value);
  Params& reals(const std::vector<double>& value);
  Params& texts(const std::vector<std::string>& value);
  Params& null();
  const std::vector<std::optional<std::string>>& values() const { return values_; }

 private:
  std::vector<std::optional<std::string>> values_;
};

class Result;

/// One row of a Result, which must outlive it. A missing column or a NULL where none is allowed is an InternalError.
class Row {
 public:
  Row(const Result& result, size_t index) : result_(&result), index_(index) {}
  bool is_null(std::string_view column) const;
  std::string text(std::string_view column) const;  ///< "" for NULL
  int64_t integer(std::string_view column) const;
  double real(std::string_view column) const;
  bool boolean(std::string_view column) const;
  Time time(std::string_view column) const;
  std::optional<int64_t> maybe_integer(std::string_view column) const;
  std::optional<int> maybe_int(std::string_view column) const;
  std::optional<double> maybe_real(std::string_view column) const;
  std::optional<Time> maybe_time(std::string_view column) const;
  Json json(std::string_view column) const;
  std::vector<int> ints(std::string_view column) const;
  std::vector<double> reals(std::string_view column) const;
  std::vector<std::string> ids(std::string_view column) const;    ///< uuid[]
  std::vector<std::string> texts(std::string_view column) const;  ///< text[] selected as to_json(column)

 private:
  const std::optional<std::string>& cell(std::string_view column) const;
  const Result* result_;
  size_t index_;
};

class Result {
 public:
  Result(std::vector<std::string> columns, std::vector<std::optional<std::string>> cells, size_t rows, size_t affected)
      : columns_(std::move(columns)), cells_(std::move(cells)), rows_(rows), affected_(affected) {}
  size_t size() const { return rows_; }
  bool empty() const { return rows_ == 0; }
  size_t affected() const { return affected_; }  ///< rows an INSERT, UPDATE or DELETE touched
  Row operator[](size_t index) const { return Row(*this, index); }
  /// The only row. InternalError where there is not exactly one.
  Row one() const;

 private:
  friend class Row;
  std::vector<std::string> columns_;
  std::vector<std::optional<std::string>> cells_;  ///< row-major
  size_t rows_, affected_;
};

/// "2026-11-21T12:00:00.123456Z", microseconds.
std::string time_to_text(Time time);
/// PostgreSQL's ISO output with time zone UTC. Throws InternalError.
Time time_from_text(std::string_view text);

}  // namespace afina::storage
