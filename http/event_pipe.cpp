// SPDX-License-Identifier: Apache-2.0
#include <mutex>
#include <utility>

#include "http/event_reader.h"
#include "http/sse.h"

namespace afina::http {

struct EventPipe::Shared {
  size_t max_bytes = 0;
  std::mutex mutex;
  std::string queued;
  std::function<void()> ring;
  bool finished = false, gone = false;
  std::stop_source left;
};

class EventPipe::Reader final : public EventReader {
 public:
  explicit Reader(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  ~Reader() override {
    {
      const std::lock_guard lock(shared_->mutex);
      shared_->gone = true;
      shared_->ring = nullptr;
      shared_->queued = {};
    }
    shared_->left.request_stop();
  }
  // The whole queue: it is bounded, and moving it costs nothing.
  bool pull(std::string& out, size_t) override {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->gone) return false;
    out += std::exchange(shared_->queued, {});
    return !shared_->finished;
  }
  void on_news(std::function<void()> ring) override {
    const std::lock_guard lock(shared_->mutex);
    shared_->ring = std::move(ring);
  }

 private:
  std::shared_ptr<Shared> shared_;
};

EventPipe::EventPipe(size_t max_bytes) : shared_(std::make_shared<Shared>()) {
  shared_->max_bytes = max_bytes;
}

EventPipe::~EventPipe() {
  finish();
}

std::unique_ptr<EventReader> EventPipe::reader() {
  return std::make_unique<Reader>(shared_);
}

bool EventPipe::push(std::string_view data, std::string_view event, std::string_view id) {
  const std::string bytes = format_sse_event(data, event, id);
  std::unique_lock lock(shared_->mutex);
  if (shared_->gone || shared_->finished) return false;
  if (shared_->queued.size() + bytes.size() > shared_->max_bytes) {
    shared_->gone = true;
    shared_->queued = {};
  } else {
    shared_->queued += bytes;
  }
  const bool taken = !shared_->gone;
  // Under the lock, so that the reader's end waits for it.
  if (shared_->ring) shared_->ring();
  lock.unlock();
  if (!taken) shared_->left.request_stop();
  return taken;
}

void EventPipe::finish() {
  const std::lock_guard lock(shared_->mutex);
  shared_->finished = true;
  if (shared_->ring) shared_->ring();
}

std::stop_token EventPipe::stop_token() const {
  return shared_->left.get_token();
}

}  // namespace afina::http
