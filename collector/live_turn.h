// SPDX-License-Identifier: Apache-2.0
// A turn while its answers are being written: the pieces so far, for any number of readers that may come late or come
// back. The answers go on without any reader: a turn belongs to the server, not to a connection.
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "collector/streams/answer_jobs.h"
#include "collector/upstream.h"
#include "http/event_reader.h"

namespace afina::collector {

/// Thread-safe. Always owned by a shared pointer.
class LiveTurn : public std::enable_shared_from_this<LiveTurn> {
 public:
  /// start: the turn as the page shows it before the first piece. sides: "only", or "a" and "b".
  LiveTurn(Json start, std::vector<std::string> sides);
  /// A piece of an answer, whole code points.
  void append(size_t side, std::string_view piece);
  /// Tells readers, once, that the answer seems to name its maker.
  void leak(size_t side);
  /// The last event: name "done" with the committed turn, or "error" with an error object. Once.
  void end(std::string event, Json data);
  /// A reader's place: "start" (the turn), then "delta" {side, text} and "leak" {side} as they come, then the last
  /// event. Pieces that were written while a reader was busy come as one. Each delta carries an id; last_event_id gives
  /// what came after it, and everything where it is of another turn, server or attempt.
  std::unique_ptr<http::EventReader> follow(const std::string& last_event_id = "");
  /// Waits for the end; false where the token was tripped first.
  bool wait(std::stop_token stop);

 private:
  friend class LiveReader;
  struct Side {
    std::string name, text;
    bool leaked = false;
  };
  void ring_all();

  const Json start_;
  const std::string tag_;  ///< of this attempt in this process, in event ids
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::vector<Side> sides_;
  std::string end_event_;
  Json end_data_;
  std::map<const void*, std::function<void()>> rings_;  ///< by reader
};

/// One side's work.
struct SidePlan {
  std::string side;
  const Upstream* upstream = nullptr;  ///< outlives the runner
  uint32_t seed = 0;
  /// Sees every piece and, at the end, an empty one; true once the answer seems to name its maker. May be empty. On one
  /// thread at a time.
  std::function<bool(std::string_view piece)> leaks = {};
};

struct TurnPlan {
  std::string turn_id;
  Json start;
  std::vector<ChatMessage> messages;
  std::vector<SidePlan> sides;
  /// Commits the answers and returns the committed turn; runs on a runner's thread; may throw StorageError.
  std::function<Json(const std::vector<Completion>&)> commit;
};

/// Runs turns, at most max_turns at one time. Thread-safe. `jobs` outlives it; the destructor stops them, which commits
/// what is there as interrupted.
class TurnRunner {
 public:
  TurnRunner(int max_turns, AnswerJobs& jobs);
  ~TurnRunner();
  TurnRunner(const TurnRunner&) = delete;
  TurnRunner& operator=(const TurnRunner&) = delete;

  /// A place for one turn, held until it is dropped. Throws HttpError 503 upstream_busy where all are taken.
  std::shared_ptr<void> reserve();
  /// The right to start that turn, so that two who saw it without an answer do not both ask the models; null where it
  /// is live or another holds it. Hold it from before the turn is read until start() has returned.
  std::shared_ptr<void> claim(const std::string& turn_id);
  std::shared_ptr<LiveTurn> start(TurnPlan plan, std::shared_ptr<void> place);
  /// The live turn of that id, or null once it has ended: then it is committed, or lost with an error.
  std::shared_ptr<LiveTurn> find(const std::string& turn_id);
  /// It is live, or somebody holds the claim to it. Who asks this first and reads what is stored then, misses nothing.
  bool is_running(const std::string& turn_id);

 private:
  struct Job;
  void finish_side(const std::shared_ptr<Job>& job, size_t side, Completion said);
  void commit(const std::shared_ptr<Job>& job);
  void end(const std::shared_ptr<Job>& job, std::string event, Json data);

  const int max_turns_;
  AnswerJobs& jobs_;
  std::mutex mutex_;
  int reserved_ = 0;
  std::map<std::string, std::shared_ptr<LiveTurn>> live_;
  std::set<std::string> claimed_;
};

}  // namespace afina::collector
