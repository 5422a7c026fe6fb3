// SPDX-License-Identifier: Apache-2.0
// The workbench's data from PostgreSQL. Opens the database on the first call, on a worker thread, and again after it
// was lost, so that the window is there at once and a database that comes back is found. Read-only.
#pragma once
#include <memory>
#include <mutex>
#include <string>

#include "gui/data_source.h"
#include "storage/database.h"

namespace afina::gui {

/// Thread-safe.
class StorageSource final : public DataSource {
 public:
  /// `target` must not be of kind none. Throws UsageError for it.
  StorageSource(storage::DatabaseTarget target, storage::DatabaseOptions options);
  ~StorageSource() override;

  std::string describe() const override;
  LoopData loop() override;
  ConversationPage conversations(const ConversationQuery& query) override;
  ConversationDetail conversation(const std::string& id) override;
  std::vector<RunRow> runs() override;
  RunDetail run(const std::string& id, const RunDetail* previous) override;

 private:
  storage::Database& database();

  storage::DatabaseTarget target_;
  storage::DatabaseOptions options_;
  std::mutex mutex_;  // of opening only
  std::unique_ptr<storage::Database> database_;
};

}  // namespace afina::gui
