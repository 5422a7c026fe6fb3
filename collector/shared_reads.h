// SPDX-License-Identifier: Apache-2.0
// Look-ups that wait at the same time go in one query. Without a thread of its own: whoever finds a reader free asks
// for everybody who waits, so a lone look-up waits for nobody. Each answer is read after its look-up began.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <vector>

namespace afina::collector {

/// Thread-safe. No call may be running when it goes.
template <typename Key, typename Value>
class SharedReads {
 public:
  /// One value a key, in order.
  using Read = std::function<std::vector<Value>(const std::vector<Key>&)>;
  explicit SharedReads(Read read, int readers = 2, size_t max_batch = 256)
      : read_(std::move(read)), readers_(readers), max_batch_(max_batch) {}

  /// Throws what the reading of its batch threw.
  Value get(Key key) {
    Entry entry;
    entry.key = std::move(key);
    std::unique_lock lock(mutex_);
    waiting_.push_back(&entry);
    while (!entry.done) {
      if (reading_ >= readers_ || waiting_.empty()) {
        entry.answered.wait(lock);
        continue;
      }
      const size_t count = std::min(max_batch_, waiting_.size());
      std::vector<Entry*> batch(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
      waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
      ++reading_;
      lock.unlock();
      read(batch);
      lock.lock();
      --reading_;
      for (Entry* one : batch) {
        one->done = true;
        if (one != &entry) one->answered.notify_one();
      }
      // A reader is free: somebody who waits takes it, unless this thread's own look-up still does.
      if (entry.done && !waiting_.empty()) waiting_.front()->answered.notify_one();
    }
    lock.unlock();
    if (entry.error) std::rethrow_exception(entry.error);
    return std::move(entry.value);
  }

 private:
  struct Entry {
    Key key;
    Value value{};
    std::exception_ptr error;
    bool done = false;
    std::condition_variable answered;
  };

  void read(const std::vector<Entry*>& batch) {
    try {
      std::vector<Key> keys;
      for (const Entry* entry : batch)
        keys.push_back(entry->key);
      std::vector<Value> values = read_(keys);
      for (size_t i = 0; i < batch.size(); ++i)
        batch[i]->value = std::move(values.at(i));
    } catch (...) {
      for (Entry* entry : batch)
        entry->error = std::current_exception();
    }
  }

  const Read read_;
  const int readers_;
  const size_t max_batch_;
  std::mutex mutex_;
  std::deque<Entry*> waiting_;
  int reading_ = 0;
};

}  // namespace afina::collector
