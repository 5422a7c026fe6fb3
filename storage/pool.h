// SPDX-License-Identifier: Apache-2.0
// A bounded pool of connections: a lease gives one thread one connection and hands it back at its end. Broken and old
// connections are replaced. Thread-safe.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/pg_connection.h"

namespace afina::storage {

class ConnectionPool {
 public:
  struct Options {
    int max_connections = 8;
    int max_long = 4;  ///< further ones, of LongTransactions; 0: those share max_connections with all others
    std::chrono::milliseconds wait{1500};
    std::chrono::minutes max_age{30};
    std::string session_sql;  ///< run once on each new connection
  };
  /// url is asked for each new connection: a private cluster may have moved. It may throw StorageError.
  ConnectionPool(std::function<std::string()> url, Options options);

  class Lease {
   public:
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    PgConnection& operator*() const { return *connection_; }
    PgConnection* operator->() const { return connection_.get(); }
    /// Do not hand it back: its state is unknown.
    void discard() { connection_.reset(); }

   private:
    friend class ConnectionPool;
    Lease(ConnectionPool& pool, std::unique_ptr<PgConnection> connection, std::chrono::steady_clock::time_point born,
          bool is_long)
        : pool_(&pool), connection_(std::move(connection)), born_(born), is_long_(is_long) {}
    ConnectionPool* pool_;
    std::unique_ptr<PgConnection> connection_;
    std::chrono::steady_clock::time_point born_;
    bool is_long_;
  };

  /// Of the connections set apart for them where this thread is in LongTransactions, else of the others. Waits up to
  /// Options::wait for a free place and for the server. Throws StorageError, retryable, after that.
  Lease acquire();
  /// Drops every idle connection: the server they led to has gone.
  void drop_idle();

 private:
  struct Idle {
    std::unique_ptr<PgConnection> connection;
    std::chrono::steady_clock::time_point born;
  };
  std::unique_ptr<PgConnection> connect(std::chrono::steady_clock::time_point deadline);
  void give_back(std::unique_ptr<PgConnection> connection, std::chrono::steady_clock::time_point born, bool is_long);

  std::function<std::string()> url_;
  Options options_;
  std::mutex mutex_;
  /// Leased connections, idle ones not counted, and those who wait for one.
  struct Lane {
    int used = 0;
    std::condition_variable freed;
  };
  Lane lanes_[2];  ///< ordinary, long
  std::vector<Idle> idle_;
};

}  // namespace afina::storage
