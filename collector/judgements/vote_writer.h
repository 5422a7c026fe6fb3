// SPDX-License-Identifier: Apache-2.0
// Votes that wait at the same time are written together: one transaction and one flush for all, then everybody is
// answered. Without a thread of its own: whoever finds the pen free writes what is waiting, so a lone vote waits for
// nobody.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <vector>

#include "storage/database.h"
#include "storage/judgements/votes.h"

namespace afina::collector {

/// Thread-safe. The database outlives it; no call may be running when it goes.
class VoteWriter {
 public:
  /// Writes a batch in one transaction: storage::put_votes and a commit. Tests replace it.
  using Write = std::function<std::vector<storage::VoteResult>(const std::vector<storage::VoteDraft>&)>;

  explicit VoteWriter(storage::Database& database);
  explicit VoteWriter(Write write, size_t max_batch = kMaxBatch, int pens = kPens)
      : write_(std::move(write)), max_batch_(max_batch), pens_(pens) {}

  /// Returns once the vote is committed, or was not stored for a reason of its own. Throws DataError for a vote out of
  /// range, StorageError where the database could not be reached: nobody knows of such a vote, its key may be sent
  /// again.
  storage::VoteResult put(storage::VoteDraft draft);

  /// Votes in the queue that no batch has taken yet.
  size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }

  static constexpr size_t kMaxBatch = 256;
  /// Batches at one time: one fills while the other waits for its flush.
  static constexpr int kPens = 2;

 private:
  struct Entry {
    storage::VoteDraft draft;
    storage::VoteResult result;
    std::exception_ptr error;
    bool done = false;
    std::condition_variable answered;
  };
  std::vector<Entry*> take_batch();
  bool clashes(const std::vector<Entry*>& others, const Entry& entry) const;
  void write(const std::vector<Entry*>& batch);

  Write write_;
  const size_t max_batch_;
  const int pens_;
  mutable std::mutex mutex_;
  std::deque<Entry*> waiting_;
  std::vector<Entry*> being_written_;
  int writing_ = 0;
};

}  // namespace afina::collector
