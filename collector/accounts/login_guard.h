// SPDX-License-Identifier: Apache-2.0
// How often somebody may try to sign in: 5 tries a minute for a name and 20 for an address, and after 5 failures in a
// row a wait that doubles with each further one, up to a quarter of an hour. Names nobody has count like others.
#pragma once
#include <chrono>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

#include "http/rate_limiter.h"

namespace afina::collector {

/// Thread-safe. Remembers at most 100,000 names; the longest untried is forgotten first.
class LoginGuard {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// unlimited: for tests and a demo of one's own.
  explicit LoginGuard(bool unlimited = false) : unlimited_(unlimited) {}
  /// Before the passphrase is looked at. Throws HttpError 429 rate_limited with Retry-After.
  void admit(const std::string& name, const std::string& address, Time now = std::chrono::steady_clock::now());
  void failed(const std::string& name, Time now = std::chrono::steady_clock::now());
  void succeeded(const std::string& name);

 private:
  struct Failures {
    int in_a_row = 0;
    Time closed_until{};
    std::list<std::string>::iterator place;
  };
  const bool unlimited_;
  http::RateLimiter by_name_{5.0 / 60, 5}, by_address_{20.0 / 60, 20};
  std::mutex mutex_;
  std::list<std::string> by_use_;  // most recent first
  std::unordered_map<std::string, Failures> failures_;
};

}  // namespace afina::collector
