// SPDX-License-Identifier: Apache-2.0
#include "http/pending_replies.h"

#include <condition_variable>
#include <mutex>
#include <set>
#include <utility>

namespace afina::http {

/// Outlives PendingReplies where somebody still holds a Reply.
struct PendingReplies::State {
  Send send;
  std::mutex mutex;
  std::condition_variable idle;
  std::set<Pending*> waiting;
  int sending = 0;

  /// False where the reply was given before, or is not wanted any more.
  bool begin(Pending* pending) {
    const std::lock_guard lock(mutex);
    if (waiting.erase(pending) == 0) return false;
    ++sending;
    return true;
  }
  void end() {
    const std::lock_guard lock(mutex);
    --sending;
    if (sending == 0) idle.notify_all();
  }
};

class PendingReplies::Pending {
 public:
  Pending(std::shared_ptr<State> state, std::unique_ptr<Connection> connection, bool keep)
      : state_(std::move(state)), connection_(std::move(connection)), keep_(keep) {
    const std::lock_guard lock(state_->mutex);
    state_->waiting.insert(this);
  }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  ~Pending() {
    give([](Response& response) {
      response.set_body("{\"error\":{\"kind\":\"internal\",\"message\":\"The request was not answered.\"}}",
                        "application/json", 500);
    });
  }

  void give(const std::function<void(Response&)>& make) {
    if (!state_->begin(this)) return;
    Response response;
    make(response);
    state_->send(std::move(connection_), keep_, std::move(response));
    state_->end();
  }
  void drop() { connection_.reset(); }

 private:
  std::shared_ptr<State> state_;
  std::unique_ptr<Connection> connection_;
  const bool keep_;
};

PendingReplies::PendingReplies(Send send) : state_(std::make_shared<State>()) {
  state_->send = std::move(send);
}

PendingReplies::~PendingReplies() {
  abandon();
}

Reply PendingReplies::add(std::unique_ptr<Connection> connection, bool keep) {
  auto pending = std::make_shared<Pending>(state_, std::move(connection), keep);
  return [pending](const std::function<void(Response&)>& make) { pending->give(make); };
}

bool PendingReplies::wait_idle(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(state_->mutex);
  return state_->idle.wait_until(lock, deadline, [&] { return state_->waiting.empty() && state_->sending == 0; });
}

void PendingReplies::abandon() {
  std::unique_lock lock(state_->mutex);
  for (Pending* pending : state_->waiting)
    pending->drop();
  state_->waiting.clear();
  state_->idle.wait(lock, [&] { return state_->sending == 0; });
}

}  // namespace afina::http
