// SPDX-License-Identifier: Apache-2.0
// The Date of every answer: a page learns from it how wrong its device's clock is.
#pragma once
#include <chrono>
#include <string>

namespace afina::http {

/// "Sun, 06 Nov 1994 08:49:37 GMT", in English whatever the locale (IMF-fixdate, RFC 9110 section 5.6.7).
std::string http_date(std::chrono::system_clock::time_point time);

}  // namespace afina::http
