// SPDX-License-Identifier: Apache-2.0
// Token buckets by key, with a cap on how many keys are remembered (the longest unused is forgotten first).
#pragma once
#include <chrono>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

namespace afina::http {

/// Thread-safe.
class RateLimiter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  RateLimiter(double per_second, double burst, size_t max_keys = 100'000)
      : per_second_(per_second), burst_(burst), max_keys_(max_keys) {}
  /// Seconds until a token is there: 0 where one was taken now.
  double take(const std::string& key, Time now = std::chrono::steady_clock::now());

 private:
  struct Bucket {
    double tokens;
    Time updated;
    std::list<std::string>::iterator place;
  };
  double per_second_, burst_;
  size_t max_keys_;
  std::mutex mutex_;
  std::list<std::string> by_use_;  // most recent first
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace afina::http
