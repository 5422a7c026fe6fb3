// SPDX-License-Identifier: Apache-2.0
#include "collector/accounts/login_guard.h"

#include <algorithm>
#include <cmath>

#include "http/message.h"

namespace afina::collector {
namespace {

constexpr int kFreeFailures = 5;
constexpr std::chrono::seconds kFirstWait{60}, kLongestWait{900};
constexpr size_t kMaxNames = 100'000;

void refuse(double wait_s) {
  if (wait_s <= 0) return;
  throw http::HttpError(ErrorKind::usage, 429, "[login] must be tried more slowly, but came too often.", "rate_limited",
                        std::max(1, static_cast<int>(std::ceil(wait_s))));
}

}  // namespace

void LoginGuard::admit(const std::string& name, const std::string& address, Time now) {
  if (unlimited_) return;
  refuse(by_address_.take(address, now));
  {
    const std::lock_guard lock(mutex_);
    const auto found = failures_.find(name);
    if (found != failures_.end()) refuse(std::chrono::duration<double>(found->second.closed_until - now).count());
  }
  refuse(by_name_.take(name, now));
}

void LoginGuard::failed(const std::string& name, Time now) {
  if (unlimited_) return;
  const std::lock_guard lock(mutex_);
  auto [found, added] = failures_.try_emplace(name);
  Failures& row = found->second;
  if (!added) by_use_.erase(row.place);
  by_use_.push_front(name);
  row.place = by_use_.begin();
  if (++row.in_a_row >= kFreeFailures) {
    const int doublings = std::min(row.in_a_row - kFreeFailures, 10);
    row.closed_until = now + std::min(kFirstWait * (1 << doublings), kLongestWait);
  }
  if (failures_.size() > kMaxNames) {
    failures_.erase(by_use_.back());
    by_use_.pop_back();
  }
}

void LoginGuard::succeeded(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = failures_.find(name);
  if (found == failures_.end()) return;
  by_use_.erase(found->second.place);
  failures_.erase(found);
}

}  // namespace afina::collector
