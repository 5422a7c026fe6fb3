// SPDX-License-Identifier: Apache-2.0
// The only place where the workbench waits for data. Two workers read a DataSource and publish immutable snapshots; the
// drawing thread takes them without a lock that is held during a read. "watch" polls the loop and the runs, "browse"
// answers searches, so that a slow search never holds back a live curve.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/clock.h"
#include "gui/commands.h"
#include "gui/data_source.h"

namespace afina::gui {

/// The last thing read, and why the newest attempt failed where it did.
template <typename T>
struct Area {
  std::shared_ptr<const T> data;  ///< null until the first success
  std::string key;                ///< what was asked for last: an id; empty for areas without one
  std::string error;              ///< empty after a success
  std::optional<Time> read_at;    ///< of `data`
};

/// What one frame draws. Values never change once taken.
struct Snapshots {
  std::shared_ptr<const Area<LoopData>> loop;
  std::shared_ptr<const Area<ConversationPage>> page;
  std::shared_ptr<const Area<ConversationDetail>> conversation;
  std::shared_ptr<const Area<std::vector<RunRow>>> runs;
  std::shared_ptr<const Area<RunDetail>> run;
  std::string source;  ///< DataSource::describe()
};

/// An empty set of areas, for tests and the first frame.
Snapshots empty_snapshots(std::string source = "");

struct SessionOptions {
  std::chrono::milliseconds poll_interval{2000};
};

/// Thread-safe. `source` and `clock` must outlive it. The destructor stops the workers and waits for the read they are
/// in.
class Session {
 public:
  /// `wake` is called from a worker when what is shown has changed; it must not call back.
  Session(DataSource& source, const Clock& clock, std::function<void()> wake, SessionOptions options = {});
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Snapshots snapshots() const;
  /// Takes SearchConversations, OpenConversation, OpenRun and Refresh; the others are not for the session. Never
  /// blocks. A newer search replaces one that has not started.
  void execute(const Command& command);
  /// Waits until everything asked for so far was answered or failed; false at the deadline.
  bool wait_settled(std::chrono::milliseconds limit);

 private:
  struct Worker;
  template <typename T>
  using Published = std::atomic<std::shared_ptr<const Area<T>>>;

  void watch();
  void browse();
  template <typename T, typename Read>
  void refresh(Published<T>& area, const std::string& key, const Read& read);
  /// Runs `pass` on demand and every poll interval until `stop`.
  void serve(const std::stop_token& stop, Worker& worker, const std::function<void()>& pass);

  DataSource& source_;
  const Clock& clock_;
  std::function<void()> wake_;
  SessionOptions options_;
  std::string description_;

  Published<LoopData> loop_;
  Published<ConversationPage> page_;
  Published<ConversationDetail> conversation_;
  Published<std::vector<RunRow>> runs_;
  Published<RunDetail> run_;

  std::mutex mutex_;  // guards what follows; never held during a read
  ConversationQuery query_;
  std::string conversation_id_;
  std::string run_id_;
  std::condition_variable_any changed_;
  std::unique_ptr<Worker> watcher_;
  std::unique_ptr<Worker> browser_;
};

}  // namespace afina::gui
