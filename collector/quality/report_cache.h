// SPDX-License-Identifier: Apache-2.0
// Keeps reports that many people ask for: one computation at a time for a key, and none while nothing changed.
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/json.h"

namespace afina::collector {

/// Thread-safe. A report holds while its stamp is the same and it is younger than `age`, and in any case for four times
/// as long as it took to make, so that reports never take more than a fifth of one core however fast votes come in.
class ReportCache {
 public:
  explicit ReportCache(std::chrono::milliseconds age = std::chrono::seconds(30), size_t most = 64)
      : age_(age), most_(most) {}
  /// stamp: what the report is made of now; make: computes it. Those who ask for a key while it is made wait for it.
  /// What make throws goes to the one who called it; the next one tries again.
  Json get(const std::string& key, const std::function<std::string()>& stamp, const std::function<Json()>& make);

 private:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    std::mutex making;
    std::string stamp;
    Json report;
    Clock::time_point made{};
    Clock::duration cost{};
    bool whole = false;
  };
  std::shared_ptr<Entry> entry(const std::string& key);

  std::mutex mutex_;
  std::map<std::string, std::pair<std::shared_ptr<Entry>, Clock::time_point>> entries_;
  std::chrono::milliseconds age_;
  size_t most_;
};

}  // namespace afina::collector
