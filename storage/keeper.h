// SPDX-License-Identifier: Apache-2.0
// The keeper: one detached process a home folder, which owns PostgreSQL as its child, counts its clients by their open
// connections, restarts a server that died, and stops it a while after the last client has gone. `afina db keep`.
#pragma once
#include <chrono>
#include <filesystem>
#include <stop_token>

namespace afina::storage {

struct KeeperOptions {
  std::filesystem::path home;
  std::chrono::milliseconds linger{30'000};  ///< below 0: until it is stopped
  int ready_fd = -1;                         ///< told "ready", "busy" or "error: …" once; -1: nobody waits
};

/// Runs until it is stopped or nobody has needed it for `linger`. Returns the process's exit code; a keeper that finds
/// another at work returns 0. Errors go to ready_fd and are thrown.
int run_keeper(const KeeperOptions& options, const std::stop_token& stop);

}  // namespace afina::storage
