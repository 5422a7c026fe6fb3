// SPDX-License-Identifier: Apache-2.0
#include "storage/sql.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "base/utf8.h"

namespace afina::storage {
namespace {

std::string checked(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    throw DataError("[storage] text must be without U+0000, but has it.", "remove the character");
  }
  const size_t bad = find_invalid_utf8(text);
  if (bad != std::string_view::npos) {
    throw DataError(cat("[storage] text must be UTF-8, but byte ", bad, " is not."));
  }
  return std::string(text);
}

std::string real_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, end.ptr};
}

double real_value(const std::string& text) {
  if (text == "NaN") return std::nan("");
  if (text == "Infinity") return INFINITY;
  if (text == "-Infinity") return -INFINITY;
  double value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  AFINA_CHECK(end.ec == std::errc() && end.ptr == text.data() + text.size(), "not a number: ", text);
  return value;
}

int64_t integer_value(const std::string& text) {
  int64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  AFINA_CHECK(end.ec == std::errc() && end.ptr == text.data() + text.size(), "not an integer: ", text);
  return value;
}

template <typename T, typename F>
std::string array_text(const std::vector<T>& values, F&& element) {
  std::string out = "{";
  for (const T& value : values) {
    if (out.size() > 1) out += ',';
    out += element(value);
  }
  return out + "}";
}

std::string quoted_element(const std::string& value) {
  std::string out = "\"";
  for (const char c : checked(value)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// Elements of arrays whose text form needs no quotes: numbers and UUIDs.
std::vector<std::string> plain_elements(const std::string& text) {
  AFINA_CHECK(text.size() >= 2 && text.front() == '{' && text.back() == '}', "not an array: ", text);
  std::vector<std::string> out;
  if (text.size() == 2) return out;
  size_t begin = 1;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] != ',' && i + 1 != text.size()) continue;
    out.push_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  return out;
}

}  // namespace

Params& Params::text(std::string_view value) {
  values_.emplace_back(checked(value));
  return *this;
}
Params& Params::text_or_null(std::string_view value) {
  return value.empty() ? null() : text(value);
}
Params& Params::integer(int64_t value) {
  values_.emplace_back(std::to_string(value));
  return *this;
}
Params& Params::real(double value) {
  values_.emplace_back(real_text(value));
  return *this;
}
Params& Params::boolean(bool value) {
  values_.emplace_back(value ? "t" : "f");
  return *this;
}
Params& Params::time(Time value) {
  values_.emplace_back(time_to_text(value));
  return *this;
}
Params& Params::json(const Json& value) {
  return text(dump_json(value));
}
Params& Params::integer(const std::optional<int64_t>& value) {
  return value ? integer(*value) : null();
}
Params& Params::integer(const std::optional<int>& value) {
  return value ? integer(static_cast<int64_t>(*value)) : null();
}
Params& Params::real(const std::optional<double>& value) {
  return value ? real(*value) : null();
}
Params& Params::time(const std::optional<Time>& value) {
  return value ? time(*value) : null();
}
Params& Params::integers(const std::vector<int>& value) {
  values_.emplace_back(array_text(value, [](int v) { return std::to_string(v); }));
  return *this;
}
Params& Params::integers(const std::vector<int64_t>& value) {
  values_.emplace_back(array_text(value, [](int64_t v) { return std::to_string(v); }));
  return *this;
}
Params& Params::reals(const std::vector<double>& value) {
  values_.emplace_back(array_text(value, real_text));
  return *this;
}
Params& Params::texts(const std::vector<std::string>& value) {
  values_.emplace_back(array_text(value, quoted_element));
  return *this;
}
Params& Params::null() {
  values_.emplace_back(std::nullopt);
  return *this;
}

const std::optional<std::string>& Row::cell(std::string_view column) const {
  for (size_t i = 0; i < result_->columns_.size(); ++i) {
    if (result_->columns_[i] == column) return result_->cells_.at(index_ * result_->columns_.size() + i);
  }
  throw InternalError(cat("[storage] a result must have the column '", column, "', but lacks it."));
}

bool Row::is_null(std::string_view column) const {
  return !cell(column).has_value();
}
std::string Row::text(std::string_view column) const {
  return cell(column).value_or("");
}
int64_t Row::integer(std::string_view column) const {
  return integer_value(text(column));
}
double Row::real(std::string_view column) const {
  return real_value(text(column));
}
bool Row::boolean(std::string_view column) const {
  return text(column) == "t";
}
Time Row::time(std::string_view column) const {
  return time_from_text(text(column));
}
std::optional<int64_t> Row::maybe_integer(std::string_view column) const {
  return is_null(column) ? std::nullopt : std::optional<int64_t>(integer(column));
}
std::optional<int> Row::maybe_int(std::string_view column) const {
  return is_null(column) ? std::nullopt : std::optional<int>(static_cast<int>(integer(column)));
}
std::optional<double> Row::maybe_real(std::string_view column) const {
  return is_null(column) ? std::nullopt : std::optional<double>(real(column));
}
std::optional<Time> Row::maybe_time(std::string_view column) const {
  return is_null(column) ? std::nullopt : std::optional<Time>(time(column));
}
Json Row::json(std::string_view column) const {
  return parse_json(text(column), cat("storage.", column));
}

std::vector<int> Row::ints(std::string_view column) const {
  std::vector<int> out;
  for (const std::string& element : plain_elements(text(column))) {
    out.push_back(static_cast<int>(integer_value(element)));
  }
  return out;
}
std::vector<double> Row::reals(std::string_view column) const {
  std::vector<double> out;
  for (const std::string& element : plain_elements(text(column))) {
    out.push_back(real_value(element));
  }
  return out;
}
std::vector<std::string> Row::ids(std::string_view column) const {
  return is_null(column) ? std::vector<std::string>() : plain_elements(text(column));
}
std::vector<std::string> Row::texts(std::string_view column) const {
  return is_null(column) ? std::vector<std::string>() : json(column).get<std::vector<std::string>>();
}

Row Result::one() const {
  AFINA_CHECK(rows_ == 1, "a query must give one row, but gave ", rows_);
  return Row(*this, 0);
}

std::string time_to_text(Time time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time - day).count();
  char buffer[80];
  std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(us / 3'600'000'000), static_cast<int>(us / 60'000'000 % 60),
                static_cast<int>(us / 1'000'000 % 60), static_cast<int>(us % 1'000'000));
  return buffer;
}

Time time_from_text(std::string_view text) {
  const std::string owned(text);
  int y = 0, hh = 0, mm = 0, used = 0;
  unsigned mo = 0, d = 0;
  double ss = 0;
  const int fields = std::sscanf(owned.c_str(), "%d-%u-%u%*[ T]%d:%d:%lf%n", &y, &mo, &d, &hh, &mm, &ss, &used);
  const std::string_view zone = fields == 6 ? std::string_view(owned).substr(static_cast<size_t>(used)) : "";
  if (zone != "+00" && zone != "Z") throw InternalError(cat("[storage] a time must be UTC, but is '", text, "'."));
  const std::chrono::year_month_day date{std::chrono::year(y), std::chrono::month(mo), std::chrono::day(d)};
  // Nanoseconds of 64 bits end in 2262 and began in 1677.
  if (!date.ok() || y < 1700 || y > 2200 || hh < 0 || hh > 23 || mm < 0 || mm > 59 || !(ss >= 0 && ss < 61))
    throw InternalError(cat("[storage] a time must be one of the calendar and the clock, but is '", text, "'."));
  return std::chrono::sys_days(date) + std::chrono::hours(hh) + std::chrono::minutes(mm) +
         std::chrono::microseconds(std::llround(ss * 1e6));
}

}  // namespace afina::storage
