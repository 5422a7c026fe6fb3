// SPDX-License-Identifier: Apache-2.0
// Keeps reports that many people ask for: one computation at a time, whatever is asked, and none while nothing changed.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/json.h"

namespace afina::collector {

/// Thread-safe. A report holds while its stamp is the same and it is younger than `age`, and in any case for four times
/// as long as it took to make. While one is made, whoever asks for another gets the one before where that is younger
/// than `age`, and else waits in a short line; where the line is full or too slow, one younger than `oldest` stands in.
/// So reports never take more than one core and a few threads, however many kinds of them are asked for, and nobody is
/// shown yesterday's because others were at work.
class ReportCache {
 public:
  struct Limits {
    std::chrono::milliseconds age{30'000};
    std::chrono::milliseconds oldest{600'000};
    size_t most = 64;                       ///< reports kept
    int waiting = 8;                        ///< callers in line
    std::chrono::milliseconds wait{3'000};  ///< in line at most
  };
  explicit ReportCache(const Limits& limits) : limits_(limits) {}
  /// stamp: what the report is made of now; make: computes it. What make throws goes to the one who called it; the next
  /// one tries again. Throws HttpError (503 busy) where the line is full or too slow and no younger one stands in.
  Json get(const std::string& key, const std::function<std::string()>& stamp, const std::function<Json()>& make);

 private:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    /// The report as long as it holds without a look at the database; the last one where it is younger than that.
    std::optional<Json> held();
    std::optional<Json> last(Clock::duration age);

    std::mutex mutex;  ///< of what follows, held briefly
    std::optional<Json> report;
    std::string stamp;
    Clock::time_point made{};
    Clock::duration cost{};
  };
  std::unique_lock<std::timed_mutex> turn_to_make(bool may_wait);
  std::shared_ptr<Entry> entry(const std::string& key);

  std::mutex mutex_;
  std::map<std::string, std::pair<std::shared_ptr<Entry>, Clock::time_point>> entries_;
  const Limits limits_;
  std::timed_mutex making_;
  std::atomic<int> waiting_ = 0;
};

}  // namespace afina::collector
