// SPDX-License-Identifier: Apache-2.0
// The date a chat template sees: fixed by the caller, English names whatever the locale, midnight UTC.
#pragma once
#include <chrono>
#include <string>

namespace afina::text {

class FrozenDate {
 public:
  /// iso: "2026-11-21". Throws DataError for another form or a day that does not exist.
  explicit FrozenDate(const std::string& iso);
  /// Python's strftime for %Y %y %m %d %e %b %B %a %A %j %H %I %M %S %p %F %T %Z %z %%; throws DataError for others.
  std::string format(const std::string& pattern) const;

 private:
  std::string field(char code) const;
  std::chrono::year_month_day day_;
};

}  // namespace afina::text
