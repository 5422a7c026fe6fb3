// SPDX-License-Identifier: Apache-2.0
// A program started and stopped by ours: output into a log file, SIGTERM with a deadline on destruction.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace afina::app {

/// Owns the child: destruction stops it (SIGTERM, after 10 s SIGKILL) and waits. Not thread-safe.
class ChildProcess {
 public:
  /// arguments[0] is the program's path. stdout and stderr go to log_file. Throws InternalError where it cannot be
  /// started.
  ChildProcess(const std::vector<std::string>& arguments, const std::filesystem::path& log_file);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Waits until the log holds a line with "http://" and returns that address. Throws ModelError with the log's last
  /// lines where the child ends or the deadline passes first.
  std::string wait_for_address(std::chrono::seconds deadline);
  /// Exit code, or 128 + signal. Blocks.
  int wait();
  /// Leaves the child running after destruction.
  void detach() { pid_ = -1; }
  pid_t pid() const { return pid_; }

 private:
  bool running();
  std::string name_;
  std::filesystem::path log_file_;
  pid_t pid_ = -1;
  int status_ = 0;
};

/// The last lines of a file, for messages.
std::string last_lines(const std::filesystem::path& file, int lines);

}  // namespace afina::app
