// SPDX-License-Identifier: Apache-2.0
#include "http/rate_limiter.h"

#include <algorithm>

namespace afina::http {

double RateLimiter::take(const std::string& key, Time now) {
  std::lock_guard lock(mutex_);
  auto found = buckets_.find(key);
  if (found == buckets_.end()) {
    if (buckets_.size() >= max_keys_) {
      buckets_.erase(by_use_.back());
      by_use_.pop_back();
    }
    by_use_.push_front(key);
    found = buckets_.emplace(key, Bucket{burst_, now, by_use_.begin()}).first;
  }
  Bucket& bucket = found->second;
  by_use_.splice(by_use_.begin(), by_use_, bucket.place);
  const double elapsed_s = std::max(0.0, std::chrono::duration<double>(now - bucket.updated).count());
  bucket.tokens = std::min(burst_, bucket.tokens + elapsed_s * per_second_);
  bucket.updated = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return 0;
  }
  return (1 - bucket.tokens) / std::max(per_second_, 1e-9);
}

}  // namespace afina::http
