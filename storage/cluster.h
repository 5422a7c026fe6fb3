// SPDX-License-Identifier: Apache-2.0
// A PostgreSQL server of our own: made (initdb), started as a child that dies with us, stopped. Unix socket only,
// fsync on. Whoever uses this holds the lock of its data folder. One thread.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "storage/cluster_paths.h"

namespace afina::storage {

struct ClusterOptions {
  bool fsync = true;  ///< false only in tests that promise nothing about durability
  int output = -1;    ///< descriptor for PostgreSQL's log; -1: none
  int max_connections = 100;
  std::chrono::seconds start_timeout{120};   ///< crash recovery included
  std::chrono::seconds foreign_timeout{20};  ///< for a dying process that still uses the data folder
};

class Cluster {
 public:
  Cluster(ClusterPaths paths, ClusterOptions options) : paths_(std::move(paths)), options_(options) {}
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  /// Makes the data folder where it is missing (whole or not at all), clears what a dead server left, starts, waits
  /// until queries are answered, and makes the database. Throws StorageError.
  void start();
  /// After the server died: ends its orphans and starts it again.
  void restart();
  /// Clean stop within seconds; then an immediate one. Nothing where it does not run.
  void stop();
  /// False once the server's process has ended (and collects it).
  bool running();
  pid_t pid() const { return pid_; }
  std::string url(const std::string& database) const;
  const ClusterPaths& paths() const { return paths_; }

 private:
  void initialise();
  void clear_remains();
  void launch();
  void wait_until_ready();
  void create_database();
  ClusterPaths paths_;
  ClusterOptions options_;
  std::filesystem::path programs_;
  pid_t pid_ = 0;
};

/// Processes of the folder's owner that work in it.
std::vector<pid_t> processes_in(const std::filesystem::path& folder);

inline constexpr const char* kClusterUser = "afina";
inline constexpr const char* kClusterDatabase = "afina";
inline constexpr int kClusterPort = 5432;  ///< only names the socket

}  // namespace afina::storage
