// SPDX-License-Identifier: Apache-2.0
#include "http/retry.h"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace afina::http {
namespace {

std::optional<double> number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace

bool is_retryable(int status, const Headers& headers) {
  const std::string said = headers.get("x-should-retry");
  if (said == "true") return true;
  if (said == "false") return false;
  return status == 408 || status == 409 || status == 429 || status >= 500;
}

std::optional<std::chrono::milliseconds> retry_after(const Headers& headers,
                                                     std::chrono::system_clock::time_point now) {
  std::optional<double> wait_ms = number(headers.get("retry-after-ms"));
  const std::string text = headers.get("retry-after");
  if (!wait_ms && number(text)) wait_ms = *number(text) * 1e3;
  if (!wait_ms && !text.empty()) {
    std::tm date{};
    if (::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date) != nullptr) {
      const auto then = std::chrono::system_clock::from_time_t(::timegm(&date));
      wait_ms = std::chrono::duration<double, std::milli>(then - now).count();
    }
  }
  if (!wait_ms || *wait_ms < 0 || *wait_ms > 120e3) return std::nullopt;
  return std::chrono::milliseconds(static_cast<int64_t>(*wait_ms));
}

std::chrono::milliseconds backoff(std::chrono::milliseconds first, int attempt, double jitter) {
  const double doubled_ms = static_cast<double>(first.count()) * std::pow(2.0, std::min(attempt, 20));
  return std::chrono::milliseconds(static_cast<int64_t>(std::min(doubled_ms, 8e3) * (1 - 0.25 * jitter)));
}

}  // namespace afina::http
