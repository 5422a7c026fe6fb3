// SPDX-License-Identifier: Apache-2.0
// Programs started by the keeper and its clients: another user, a parent-death signal, a clean environment. Not a
// general process library.
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace afina::storage {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : value_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  int get() const { return value_; }
  explicit operator bool() const { return value_ >= 0; }
  int release() {
    const int value = value_;
    value_ = -1;
    return value;
  }
  void reset(int value = -1);

 private:
  int value_;
};

struct ChildOptions {
  std::vector<std::string> command;
  std::optional<std::vector<std::string>> environment;  ///< "KEY=value"; nothing: this program's
  std::filesystem::path folder;                         ///< working folder; empty: this program's
  uid_t uid = 0;
  gid_t gid = 0;
  bool change_user = false;  ///< to uid and gid, with no other groups
  int death_signal = 0;      ///< sent to the child when the calling thread ends
  int output = -1;           ///< stdout and stderr; -1: /dev/null
  int passed = -1;           ///< becomes descriptor 3 of the child; all others are closed
  bool detached = false;     ///< a session of its own and no parent of ours: nothing to wait for
};

/// This program's environment with that variable instead of its own, for ChildOptions::environment.
std::vector<std::string> environment_with(const std::string& name, const std::string& value);
/// Starts it. Returns its process id, or 0 for a detached one. Throws StorageError where it cannot be started.
pid_t start_child(const ChildOptions& options);
/// Waits for its end. Returns its exit status as waitpid gives it.
int wait_child(pid_t pid);
/// Exclusive lock of a file that is made where it is missing. wait=false: an empty descriptor where it is taken.
Descriptor lock_file(const std::filesystem::path& path, bool wait);

}  // namespace afina::storage
