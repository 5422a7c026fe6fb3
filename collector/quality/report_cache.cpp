// SPDX-License-Identifier: Apache-2.0
#include "collector/quality/report_cache.h"

#include <algorithm>

namespace afina::collector {

std::shared_ptr<ReportCache::Entry> ReportCache::entry(const std::string& key) {
  const std::lock_guard lock(mutex_);
  auto& [entry, used] = entries_[key];
  if (!entry) entry = std::make_shared<Entry>();
  used = Clock::now();
  const auto found = entry;
  if (entries_.size() > most_) {
    // Somebody still at work with the one thrown out keeps it alive.
    entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                    [](const auto& a, const auto& b) { return a.second.second < b.second.second; }));
  }
  return found;
}

Json ReportCache::get(const std::string& key, const std::function<std::string()>& stamp,
                      const std::function<Json()>& make) {
  const auto kept = entry(key);
  const std::lock_guard lock(kept->making);
  const auto begin = Clock::now();
  if (kept->whole && begin - kept->made < 4 * kept->cost) return kept->report;
  std::string now = stamp();
  if (kept->whole && now == kept->stamp && begin - kept->made < age_) return kept->report;
  kept->whole = false;
  kept->report = make();
  kept->stamp = std::move(now);
  kept->made = Clock::now();
  kept->cost = kept->made - begin;
  kept->whole = true;
  return kept->report;
}

}  // namespace afina::collector
