// SPDX-License-Identifier: Apache-2.0
// Whose a visitor's session is: that never changes, so it may be remembered. Whether it still holds may change at any
// moment and is not remembered: who uses this asks the tables in the transaction of the act itself.
#pragma once
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "storage/people.h"

namespace afina::collector {

/// Thread-safe. Holds hashes of sessions, not their tokens.
class SessionMemory {
 public:
  explicit SessionMemory(size_t most = 16'384) : most_(most) {}

  /// Of the visitor only id, annotator and source may be used: the rest is as it was once.
  std::optional<storage::Visitor> find(const std::string& session_sha256) const {
    const std::lock_guard lock(mutex_);
    const auto found = visitors_.find(session_sha256);
    return found == visitors_.end() ? std::nullopt : std::optional(found->second);
  }
  void keep(const std::string& session_sha256, const storage::Visitor& visitor) {
    const std::lock_guard lock(mutex_);
    if (visitors_.size() >= most_) visitors_.clear();  // rare, and everybody is found again with one query
    visitors_.insert_or_assign(session_sha256, visitor);
  }

 private:
  const size_t most_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, storage::Visitor> visitors_;
};

}  // namespace afina::collector
