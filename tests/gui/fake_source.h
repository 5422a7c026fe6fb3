// SPDX-License-Identifier: Apache-2.0
// Fixed data for the workbench's tests and pictures: the same on every machine, at a fixed time. Thread-safe.
#pragma once
#include <atomic>
#include <string>

#include "base/clock.h"
#include "gui/data_source.h"

namespace afina::gui {

/// 2026-11-21 12:40:00 UTC.
Time fixed_now();

class FixedClock final : public Clock {
 public:
  std::chrono::system_clock::time_point now() const override { return fixed_now(); }
};

/// A loop that has gone round once: 240 conversations in three languages, four runs, one of them going.
class FakeSource : public DataSource {
 public:
  std::string describe() const override { return "private PostgreSQL in ~/.afina"; }
  LoopData loop() override;
  ConversationPage conversations(const ConversationQuery& query) override;
  ConversationDetail conversation(const std::string& id) override;
  std::vector<RunRow> runs() override;
  RunDetail run(const std::string& id, const RunDetail* previous) override;

  /// While set, every call throws a StorageError as a database that is away does.
  void set_away(bool away) { away_ = away; }

 private:
  void fail_if_away() const;
  std::atomic<bool> away_ = false;
};

/// A database in which nothing has happened yet.
class EmptySource final : public DataSource {
 public:
  std::string describe() const override { return "private PostgreSQL in ~/.afina"; }
  LoopData loop() override { return {}; }
  ConversationPage conversations(const ConversationQuery& query) override { return {query, {}, 0}; }
  ConversationDetail conversation(const std::string& id) override;
  std::vector<RunRow> runs() override { return {}; }
  RunDetail run(const std::string& id, const RunDetail* previous) override;
};

LoopData fake_loop();
std::vector<RunRow> fake_runs();
RunDetail fake_run(const std::string& id);

}  // namespace afina::gui
