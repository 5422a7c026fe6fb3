// SPDX-License-Identifier: Apache-2.0
// Where the workbench's data comes from. Called on worker threads only, never while a frame is drawn. Implementations:
// StorageSource (PostgreSQL), and a fixed one in the tests.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "gui/view_model/data.h"

namespace afina::gui {

/// Thread-safe: two workers call it at once. Every call may block and may throw afina::Error; the caller keeps what it
/// has.
class DataSource {
 public:
  DataSource() = default;
  DataSource(const DataSource&) = delete;
  DataSource& operator=(const DataSource&) = delete;
  virtual ~DataSource() = default;

  /// What is being read, for the status line: "private PostgreSQL in …". No secrets.
  virtual std::string describe() const = 0;
  virtual LoopData loop() = 0;
  virtual ConversationPage conversations(const ConversationQuery& query) = 0;
  /// Throws NotFound for an unknown id.
  virtual ConversationDetail conversation(const std::string& id) = 0;
  /// Newest first.
  virtual std::vector<RunRow> runs() = 0;
  /// `previous` is the last answer for the same run, or null: an implementation may read only what came after it.
  virtual RunDetail run(const std::string& id, const RunDetail* previous) = 0;
};

}  // namespace afina::gui
