// SPDX-License-Identifier: Apache-2.0
// The next optimiser batch is read, packed and counted on a thread of its own while this one runs.
#pragma once
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "finetune/batch_source.h"

namespace afina::finetune {

/// In front of another source, with the same batches in the same order. cursor() is the place after the batch handed
/// out last, however far ahead the inner source is, so a checkpoint never skips rows. What the inner source throws
/// comes out of the next() whose batch it was; that next() may be called again. The inner source, and the divisor's
/// function within it, are used by the other thread between calls: they must not be used beside it. Not thread-safe
/// itself.
class PrefetchedBatches final : public BatchSource {
 public:
  /// inner must outlive it.
  explicit PrefetchedBatches(BatchSource& inner);
  /// Waits for the batch in the making.
  ~PrefetchedBatches() override;
  datasets::OptimiserBatch next() override;
  Cursor cursor() const override { return cursor_; }
  void seek(const Cursor& cursor) override;
  int64_t micro_batches_per_epoch() const override { return micro_batches_; }
  int64_t rows() const override { return rows_; }

 private:
  enum class State { idle, wanted, ready, failed };
  void work(std::stop_token stop);
  void settle(std::unique_lock<std::mutex>& lock);

  BatchSource& inner_;
  Cursor cursor_;
  int64_t micro_batches_, rows_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  State state_ = State::idle;
  datasets::OptimiserBatch batch_;
  Cursor after_;
  std::exception_ptr error_;
  std::jthread thread_;
};

}  // namespace afina::finetune
