// SPDX-License-Identifier: Apache-2.0
#include "collector/quality/report_cache.h"

#include <algorithm>

#include "collector/wire.h"

namespace afina::collector {

std::shared_ptr<ReportCache::Entry> ReportCache::entry(const std::string& key) {
  const std::lock_guard lock(mutex_);
  auto& [entry, used] = entries_[key];
  if (!entry) entry = std::make_shared<Entry>();
  used = Clock::now();
  const auto found = entry;
  if (entries_.size() > limits_.most) {
    // Somebody still at work with the one thrown out keeps it alive.
    entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                    [](const auto& a, const auto& b) { return a.second.second < b.second.second; }));
  }
  return found;
}

std::optional<Json> ReportCache::Entry::held() {
  const std::lock_guard lock(mutex);
  return Clock::now() - made < 4 * cost ? report : std::nullopt;
}

std::optional<Json> ReportCache::Entry::last(Clock::duration age) {
  const std::lock_guard lock(mutex);
  return Clock::now() - made < age ? report : std::nullopt;
}

// Not owned where another report is being made and either nobody may wait or the line is full or too slow.
std::unique_lock<std::timed_mutex> ReportCache::turn_to_make(bool may_wait) {
  std::unique_lock turn(making_, std::try_to_lock);
  if (turn.owns_lock() || !may_wait) return turn;
  if (++waiting_ <= limits_.waiting) static_cast<void>(turn.try_lock_for(limits_.wait));
  --waiting_;
  return turn;
}

Json ReportCache::get(const std::string& key, const std::function<std::string()>& stamp,
                      const std::function<Json()>& make) {
  const auto kept = entry(key);
  if (auto report = kept->held()) return *std::move(report);
  auto before = kept->last(limits_.age);
  const auto turn = turn_to_make(!before);
  if (!turn.owns_lock()) {
    if (!before) before = kept->last(limits_.oldest);
    if (!before) throw refusal(503, "busy", "[reports] other reports are being made: ask again soon.");
    return *std::move(before);
  }
  // Whoever waited may find that the one before made the same.
  if (auto report = kept->held()) return *std::move(report);
  const auto begin = Clock::now();
  std::string now = stamp();
  {
    const std::lock_guard lock(kept->mutex);
    if (kept->report && now == kept->stamp && begin - kept->made < limits_.age) return *kept->report;
  }
  Json report = make();
  const std::lock_guard lock(kept->mutex);
  kept->report = std::move(report);
  kept->stamp = std::move(now);
  kept->made = Clock::now();
  kept->cost = kept->made - begin;
  return *kept->report;
}

}  // namespace afina::collector
