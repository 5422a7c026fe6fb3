// SPDX-License-Identifier: Apache-2.0
#include "text/frozen_date.h"

#include <cstdio>
#include <string_view>

#include "base/cat.h"
#include "base/error.h"
#include "base/utf8.h"

namespace afina::text {

namespace {

constexpr std::string_view kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                        "July",    "August",   "September", "October", "November", "December"};
constexpr std::string_view kDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

std::string padded(unsigned value, int width, char fill = '0') {
  std::string text = std::to_string(value);
  while (text.size() < static_cast<size_t>(width))
    text.insert(text.begin(), fill);
  return text;
}

}  // namespace

FrozenDate::FrozenDate(const std::string& iso) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  char rest = 0;
  const bool read = iso.size() == 10 && std::sscanf(iso.c_str(), "%4d-%2u-%2u%c", &year, &month, &day, &rest) == 3;
  day_ = std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
  if (!read || !day_.ok() || year < 1000) {
    throw DataError(cat("[date] must be a day as 2026-11-21, but is '", repair_utf8(iso.substr(0, 50)), "'"));
  }
}

std::string FrozenDate::field(char code) const {
  const auto year = static_cast<unsigned>(static_cast<int>(day_.year()));
  const auto month = static_cast<unsigned>(day_.month());
  const auto day = static_cast<unsigned>(day_.day());
  const std::chrono::sys_days date(day_);
  const std::string_view weekday = kDays[std::chrono::weekday(date).c_encoding()];
  const std::string_view month_name = kMonths[month - 1];
  switch (code) {
    case 'Y':
      return padded(year, 4);
    case 'y':
      return padded(year % 100, 2);
    case 'm':
      return padded(month, 2);
    case 'd':
      return padded(day, 2);
    case 'e':
      return padded(day, 2, ' ');
    case 'b':
      return std::string(month_name.substr(0, 3));
    case 'B':
      return std::string(month_name);
    case 'a':
      return std::string(weekday.substr(0, 3));
    case 'A':
      return std::string(weekday);
    case 'j': {
      const auto first = std::chrono::sys_days(day_.year() / std::chrono::January / 1);
      return padded(static_cast<unsigned>((date - first).count()) + 1, 3);
    }
    case 'H':
    case 'M':
    case 'S':
      return "00";
    case 'I':
      return "12";
    case 'p':
      return "AM";
    case 'F':
      return cat(field('Y'), "-", field('m'), "-", field('d'));
    case 'T':
      return "00:00:00";
    case 'Z':
      return "UTC";
    case 'z':
      return "+0000";
    case '%':
      return "%";
    default:
      throw DataError(cat("[chat template] strftime_now must use known fields, but uses '%",
                          repair_utf8(std::string(1, code)), "'"));
  }
}

std::string FrozenDate::format(const std::string& pattern) const {
  std::string text;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      text += pattern[i];
    } else {
      text += field(pattern[++i]);
    }
  }
  return text;
}

}  // namespace afina::text
