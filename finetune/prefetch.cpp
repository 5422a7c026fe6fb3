// SPDX-License-Identifier: Apache-2.0
#include "finetune/prefetch.h"

#include <utility>

namespace afina::finetune {

PrefetchedBatches::PrefetchedBatches(BatchSource& inner)
    : inner_(inner),
      cursor_(inner.cursor()),
      micro_batches_(inner.micro_batches_per_epoch()),
      rows_(inner.rows()),
      thread_([this](std::stop_token stop) { work(std::move(stop)); }) {}

PrefetchedBatches::~PrefetchedBatches() = default;

void PrefetchedBatches::work(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return state_ == State::wanted; })) {
    lock.unlock();
    std::exception_ptr error;
    datasets::OptimiserBatch batch;
    Cursor after;
    try {
      batch = inner_.next();
      after = inner_.cursor();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    batch_ = std::move(batch);
    after_ = after;
    error_ = error;
    state_ = error ? State::failed : State::ready;
    changed_.notify_all();
  }
}

// Waits until the other thread has nothing in hand.
void PrefetchedBatches::settle(std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [this] { return state_ != State::wanted; });
}

datasets::OptimiserBatch PrefetchedBatches::next() {
  std::unique_lock lock(mutex_);
  if (state_ == State::idle) {
    state_ = State::wanted;
    changed_.notify_all();
  }
  settle(lock);
  if (state_ == State::failed) {
    state_ = State::idle;
    std::rethrow_exception(std::exchange(error_, nullptr));
  }
  datasets::OptimiserBatch batch = std::move(batch_);
  cursor_ = after_;
  state_ = State::wanted;
  changed_.notify_all();
  return batch;
}

void PrefetchedBatches::seek(const Cursor& cursor) {
  std::unique_lock lock(mutex_);
  settle(lock);
  state_ = State::idle;
  error_ = nullptr;
  batch_ = {};
  try {
    inner_.seek(cursor);
  } catch (...) {
    // The batch in hand is given up: without this, the inner source would go on after it.
    inner_.seek(cursor_);
    throw;
  }
  cursor_ = cursor;
}

}  // namespace afina::finetune
