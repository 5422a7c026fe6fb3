// SPDX-License-Identifier: Apache-2.0
#include "storage/pool.h"

#include <thread>
#include <utility>

#include "base/error.h"
#include "storage/long_transactions.h"

namespace afina::storage {

using std::chrono::steady_clock;

ConnectionPool::ConnectionPool(std::function<std::string()> url, Options options)
    : url_(std::move(url)), options_(std::move(options)) {}

ConnectionPool::Lease::Lease(Lease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      connection_(std::move(other.connection_)),
      born_(other.born_),
      is_long_(other.is_long_) {}

ConnectionPool::Lease::~Lease() {
  if (pool_ != nullptr) pool_->give_back(std::move(connection_), born_, is_long_);
}

ConnectionPool::Lease ConnectionPool::acquire() {
  const auto deadline = steady_clock::now() + options_.wait;
  const bool is_long = options_.max_long > 0 && LongTransactions::here();
  const int most = is_long ? options_.max_long : options_.max_connections;
  Lane& lane = lanes_[is_long];
  std::unique_lock lock(mutex_);
  if (!lane.freed.wait_until(lock, deadline, [&] { return lane.used < most; })) {
    throw StorageError(cat("[storage] a connection must become free within ", options_.wait.count(), " ms, but all ",
                           most, " are in use."),
                       "try again", true, "53300");
  }
  ++lane.used;
  while (!idle_.empty()) {
    Idle idle = std::move(idle_.back());
    idle_.pop_back();
    if (steady_clock::now() - idle.born < options_.max_age)
      return Lease(*this, std::move(idle.connection), idle.born, is_long);
  }
  lock.unlock();
  try {
    return Lease(*this, connect(deadline), steady_clock::now(), is_long);
  } catch (...) {
    give_back(nullptr, {}, is_long);
    throw;
  }
}

std::unique_ptr<PgConnection> ConnectionPool::connect(steady_clock::time_point deadline) {
  // A server that crashed comes back within a fraction of a second: callers would rather wait than fail.
  for (std::chrono::milliseconds pause{10};; pause = std::min(pause * 2, std::chrono::milliseconds(100))) {
    try {
      auto connection = std::make_unique<PgConnection>(url_());
      if (!options_.session_sql.empty()) connection->script(options_.session_sql);
      return connection;
    } catch (const StorageError& error) {
      if (!error.retryable() || steady_clock::now() + pause > deadline) throw;
    }
    std::this_thread::sleep_for(pause);
  }
}

void ConnectionPool::give_back(std::unique_ptr<PgConnection> connection, steady_clock::time_point born, bool is_long) {
  {
    const std::lock_guard lock(mutex_);
    --lanes_[is_long].used;
    if (connection && !connection->broken()) idle_.push_back({std::move(connection), born});
  }
  lanes_[is_long].freed.notify_one();
}

void ConnectionPool::drop_idle() {
  std::vector<Idle> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(idle_);
}

}  // namespace afina::storage
