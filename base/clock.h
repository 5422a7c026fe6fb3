// SPDX-License-Identifier: Apache-2.0
// Time: UTC for records, monotonic for durations, and a seam for tests.
#pragma once
#include <chrono>
#include <string>

namespace afina {

/// Wall clock, replaceable in tests. Implementations are thread-safe.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;
  virtual std::chrono::system_clock::time_point now() const = 0;
};

const Clock& system_clock();

/// "2026-11-21T12:00:00.123Z".
std::string iso8601_utc(std::chrono::system_clock::time_point time);
std::string now_iso8601();

/// Seconds since construction, monotonic.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace afina
