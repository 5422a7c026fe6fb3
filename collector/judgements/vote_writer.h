// SPDX-License-Identifier: Apache-2.0
// Votes that wait at the same time are written together: one transaction and one flush for all, then everybody is
// answered. A few pens take turns: one batch fills while another is written, flushed or answered.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "storage/database.h"
#include "storage/judgements/votes.h"

namespace afina::collector {

/// Thread-safe. The database outlives it. The destructor writes what waits, then returns.
class VoteWriter {
 public:
  /// Writes a batch of one workspace in one transaction: storage::put_votes and a commit. Tests replace it.
  using Write = std::function<std::vector<storage::VoteResult>(const std::vector<storage::VoteDraft>&)>;

  struct Outcome {
    storage::VoteResult result;
    /// DataError for what one vote alone would throw, StorageError where the database could not be reached: nobody
    /// knows of such a vote, its key may be sent again.
    std::exception_ptr error;
  };
  /// Runs on a pen's thread, after the commit; must neither throw nor wait for another vote.
  using Done = std::function<void(Outcome)>;

  explicit VoteWriter(storage::Database& database);
  explicit VoteWriter(Write write, size_t max_batch = kMaxBatch, int pens = kPens);
  ~VoteWriter();
  VoteWriter(const VoteWriter&) = delete;
  VoteWriter& operator=(const VoteWriter&) = delete;

  /// Queues a vote; `done` hears of it once. The queue is as long as there are callers: the server bounds its requests.
  /// Throws DataError for a vote out of range; then `done` is not called.
  void put(storage::VoteDraft draft, Done done);
  /// The same, waiting. Throws what Outcome::error holds.
  storage::VoteResult put(storage::VoteDraft draft);

  /// Votes in the queue that no batch has taken yet.
  size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }

  static constexpr size_t kMaxBatch = 256;
  static constexpr int kPens = 3;
  /// For each batch that is being written so many votes must wait before another is begun.
  static constexpr size_t kEnoughForAnotherPen = 8;

 private:
  struct Entry {
    storage::VoteDraft draft;
    Done done;
  };
  void run(const std::stop_token& stop);
  bool worth_a_pen() const;
  std::vector<Entry> take_batch();
  std::vector<Outcome> write(const std::vector<Entry>& batch);

  Write write_;
  const size_t max_batch_;
  mutable std::mutex mutex_;
  std::condition_variable_any work_;
  std::deque<Entry> waiting_;
  std::unordered_set<std::string> in_hand_;  ///< exposures and keys of batches being written
  size_t writing_ = 0;                       ///< batches being written
  std::vector<std::jthread> pens_;
};

}  // namespace afina::collector
