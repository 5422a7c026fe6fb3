// SPDX-License-Identifier: Apache-2.0
// A client's tie to the keeper of a private cluster: one connection to the keeper's socket, held open for as long as
// the cluster is needed; the keeper is started where nobody answers. Thread-safe.
#pragma once
#include <chrono>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

namespace afina::storage {

/// What the keeper says of its cluster.
struct ClusterAddress {
  std::string url;
  std::filesystem::path data_folder;
  long keeper_pid = 0, postgres_pid = 0;  ///< postgres_pid as of the moment of asking
};

struct KeeperLinkOptions {
  std::filesystem::path home;
  std::vector<std::string> keeper_command;  ///< empty: `afina db keep` beside this program
  std::chrono::milliseconds linger{30'000};
  std::chrono::seconds start_timeout{120};  ///< a cluster may have much to recover
};

class KeeperLink {
 public:
  explicit KeeperLink(KeeperLinkOptions options) : options_(std::move(options)) {}
  ~KeeperLink();
  KeeperLink(const KeeperLink&) = delete;
  KeeperLink& operator=(const KeeperLink&) = delete;
  /// The cluster's address; connects, and starts a keeper, where the tie is missing or broken. Throws StorageError.
  ClusterAddress ensure();
  const std::filesystem::path& home() const { return options_.home; }

 private:
  bool alive() const;
  KeeperLinkOptions options_;
  std::mutex mutex_;
  int socket_ = -1;
  ClusterAddress address_;
};

/// The keeper's address where one answers now, without starting one. For `afina db status`.
bool ask_keeper(const std::filesystem::path& home, ClusterAddress& address);

}  // namespace afina::storage
