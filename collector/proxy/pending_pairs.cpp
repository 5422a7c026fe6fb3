// SPDX-License-Identifier: Apache-2.0
#include "collector/proxy/pending_pairs.h"

#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace afina::collector {

struct PendingPairs::State {
  struct Entry {
    std::string visitor_id;
    std::vector<std::function<void()>> waiting;
  };
  std::mutex mutex;
  std::unordered_map<std::string, Entry> made;  ///< by the generation that is shown

  void end(const std::string& shown_id) {
    std::vector<std::function<void()>> waiting;
    {
      const std::lock_guard lock(mutex);
      const auto found = made.find(shown_id);
      waiting = std::move(found->second.waiting);
      made.erase(found);
    }
    for (const auto& then : waiting)
      then();
  }
};

PendingPairs::PendingPairs() : state_(std::make_shared<State>()) {}

std::shared_ptr<void> PendingPairs::hold(const std::string& shown_id, const std::string& visitor_id) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->made[shown_id] = {visitor_id, {}};
  }
  return {nullptr, [state = state_, shown_id](void*) { state->end(shown_id); }};
}

bool PendingPairs::making(const std::string& shown_id, const std::string& visitor_id) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->made.find(shown_id);
  return found != state_->made.end() && found->second.visitor_id == visitor_id;
}

void PendingPairs::when_made(const std::string& shown_id, const std::string& visitor_id, std::function<void()> then) {
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->made.find(shown_id);
    if (found != state_->made.end() && found->second.visitor_id == visitor_id) {
      found->second.waiting.push_back(std::move(then));
      return;
    }
  }
  then();
}

}  // namespace afina::collector
