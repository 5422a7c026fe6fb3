// SPDX-License-Identifier: Apache-2.0
// A turn while its answers are being written: the pieces so far, for any number of readers that may come late. A page
// that reloads in the middle follows again from the start; the answers go on without any reader.
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "collector/upstream.h"
#include "http/message.h"

namespace afina::collector {

/// Thread-safe.
class LiveTurn {
 public:
  /// start: the turn as the page shows it before the first piece. sides: "only", or "a" and "b".
  LiveTurn(Json start, std::vector<std::string> sides);
  void append(size_t side, std::string_view piece);
  /// The last event: name "done" with the committed turn, or "error" with an error object. Once.
  void end(std::string event, Json data);
  /// Writes start, what was said so far and what follows, until the end or until the client leaves.
  void follow(http::SseWriter& writer);
  /// Waits for the end; false where the token was tripped first.
  bool wait(std::stop_token stop);

 private:
  struct Side {
    std::string name, text;
  };
  const Json start_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Side> sides_;
  std::string end_event_;
  Json end_data_;
};

/// One side's work.
struct SidePlan {
  std::string side;
  const Upstream* upstream = nullptr;  ///< outlives the runner
  uint32_t seed = 0;
};

struct TurnPlan {
  std::string turn_id;
  Json start;
  std::vector<ChatMessage> messages;
  std::vector<SidePlan> sides;
  /// Commits the answers and returns the committed turn; runs on a runner's thread; may throw StorageError.
  std::function<Json(const std::vector<Completion>&)> commit;
};

/// Runs turns on threads of its own, at most max_turns at one time. Thread-safe. The destructor asks the upstreams'
/// requests to stop, commits what is there as interrupted, and joins.
class TurnRunner {
 public:
  explicit TurnRunner(int max_turns) : max_turns_(max_turns) {}
  ~TurnRunner();
  TurnRunner(const TurnRunner&) = delete;
  TurnRunner& operator=(const TurnRunner&) = delete;

  /// A place for one turn, held until it is dropped. Throws HttpError 503 upstream_busy where all are taken.
  std::shared_ptr<void> reserve();
  std::shared_ptr<LiveTurn> start(TurnPlan plan, std::shared_ptr<void> place);
  /// The live turn of that id, or null once it has ended.
  std::shared_ptr<LiveTurn> find(const std::string& turn_id);

 private:
  void run(const TurnPlan& plan, const std::shared_ptr<LiveTurn>& live, const std::stop_token& stop);

  const int max_turns_;
  std::mutex mutex_;
  std::condition_variable idle_;
  int reserved_ = 0, threads_ = 0;
  std::stop_source stop_;
  std::map<std::string, std::shared_ptr<LiveTurn>> live_;
};

}  // namespace afina::collector
