// SPDX-License-Identifier: Apache-2.0
// The processes of the stream bench: a child whose memory is read from outside, and a server of slow answers.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace afina::bench {

/// A child that says its address in its first line; ended with SIGTERM by the destructor.
class Process {
 public:
  /// Throws StorageError where it does not start or says nothing within a minute.
  explicit Process(const std::vector<std::string>& command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  const std::string& line() const { return line_; }
  double rss_mib() const { return status("VmRSS:") / 1024; }
  double peak_mib() const { return status("VmHWM:") / 1024; }
  /// The peak counts from now on: what a start needed (a password hash of 64 MiB) is not what streams need.
  void forget_peak() const;
  int threads() const { return static_cast<int>(status("Threads:")); }
  /// Open ones, counted now.
  int descriptors() const;

 private:
  /// The number after that key in /proc/PID/status.
  double status(const std::string& key) const;
  pid_t pid_ = 0;
  int output_ = -1;
  std::string line_;
};

/// This program's own file.
std::string self();
std::vector<std::string> collector_command(const std::string& program, const std::filesystem::path& home,
                                           const std::string& models, int max_streams, int max_turns);

/// An OpenAI-compatible server on a free port: every answer has `pieces` pieces, one every `pace`. way: "--events" (one
/// event loop) or "--threads" (a thread each). Prints its address; ends with SIGTERM.
int serve_pieces(const std::string& way, int max_streams, int pieces, std::chrono::milliseconds pace);

}  // namespace afina::bench
