// SPDX-License-Identifier: Apache-2.0
#include "app/demo/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <fstream>
#include <mutex>

#include "base/error.h"
#include "base/file.h"

namespace afina::app {
namespace {

// A pause that no one interrupts: the child's log and exit can only be polled.
void pause_for(std::chrono::milliseconds time) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, time);
}

}  // namespace

std::string last_lines(const std::filesystem::path& file, int lines) {
  std::string text;
  try {
    text = read_file(file, size_t{64} << 20);
  } catch (const Error&) {
    return "(no log)";
  }
  size_t at = text.size();
  for (int i = 0; i <= lines && at != std::string::npos && at > 0; ++i)
    at = text.rfind('\n', at - 1);
  return at == std::string::npos ? text : text.substr(at);
}

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, const std::filesystem::path& log_file)
    : name_(std::filesystem::path(arguments.at(0)).filename().string()), log_file_(log_file) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND,
                                   0644);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  // Our own threads block SIGINT and SIGTERM (base/cancel.h); the child must see them.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> argv;
  for (const auto& argument : arguments)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int code = posix_spawn(&pid_, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0) {
    pid_ = -1;
    throw InternalError(cat("[app.child] must start ", arguments[0], ", but got: ", std::strerror(code), "."));
  }
}

ChildProcess::~ChildProcess() {
  if (!running()) return;
  ::kill(pid_, SIGTERM);
  for (int i = 0; i < 200 && running(); ++i)
    pause_for(std::chrono::milliseconds(50));
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  wait();
}

bool ChildProcess::running() {
  if (pid_ < 0) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) {
    status_ = status;
    pid_ = -1;
  }
  return pid_ >= 0;
}

int ChildProcess::wait() {
  if (pid_ >= 0) {
    while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

std::string ChildProcess::wait_for_address(std::chrono::seconds deadline) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (std::chrono::steady_clock::now() < end) {
    std::ifstream in(log_file_);
    for (std::string line; std::getline(in, line);) {
      const size_t at = line.find("http://");
      if (at != std::string::npos && !in.eof()) return line.substr(at, line.find_first_of(" \t,;", at) - at);
    }
    if (!running()) break;
    pause_for(std::chrono::milliseconds(50));
  }
  throw ModelError(cat("[app.child] ", name_, " must print its address within ", deadline.count(),
                       " s, but did not. Its last lines:\n", last_lines(log_file_, 8)));
}

}  // namespace afina::app
