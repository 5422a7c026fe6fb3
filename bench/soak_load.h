// SPDX-License-Identifier: Apache-2.0
// Who uses the collector during a soak: people who chat, vote and do tasks, programs that export, browsers that load
// the page, and clients that break off in every way they can.
#pragma once
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>

#include "http/client.h"
#include "storage/database.h"

namespace afina::bench {

/// Thread-safe counts by name.
class Tally {
 public:
  void count(const std::string& name) {
    const std::lock_guard lock(mutex_);
    ++counts_[name];
  }
  std::map<std::string, int64_t> all() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, int64_t> counts_;
};

/// One for all load threads.
struct Load {
  std::string address;  ///< of the collector
  int port = 0;
  storage::Database& database;
  std::string project_id;
  std::string engineer_token;
  std::chrono::milliseconds between_acts{20};  ///< how long each rests after an act
  Tally done, errors;
  std::atomic<int64_t> busy{0};
};

/// Fills in the project and the token. 2,000 items that fifty people may do each.
void prepare(Load& load);
/// Registers `url` for every event.
void add_webhook(Load& load, const std::string& url);

/// Each runs until stop. Errors are counted, never thrown.
void chat(Load& load, const std::stop_token& stop);
void vote(Load& load, const std::stop_token& stop);
void do_tasks(Load& load, const std::stop_token& stop);
void load_pages(Load& load, const std::stop_token& stop);
void export_files(Load& load, const std::stop_token& stop);
void break_off(Load& load, const std::stop_token& stop);
/// The control: asks for answers that never end and leaves the connections open.
void never_leave(Load& load, const std::stop_token& stop);

/// A text that makes the soak's model go on for ever.
inline constexpr const char* kEndless = "sin fin";

}  // namespace afina::bench
