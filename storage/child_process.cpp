// SPDX-License-Identifier: Apache-2.0
#include "storage/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/error.h"

extern char** environ;

namespace afina::storage {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) {
    out.push_back(const_cast<char*>(word.c_str()));
  }
  out.push_back(nullptr);
  return out;
}

struct Prepared {
  const ChildOptions& options;
  std::vector<char*> arguments, environment;
  int null_device, failure_pipe;
  pid_t parent;
};

// After fork in a program with threads only async-signal-safe calls are allowed: all memory was made before.
[[noreturn]] void become(const Prepared& p) {
  const ChildOptions& o = p.options;
  const auto fail = [&] {
    const int code = errno;
    [[maybe_unused]] const auto written = write(p.failure_pipe, &code, sizeof code);
    _exit(127);
  };
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);  // main blocks SIGINT and SIGTERM, and a mask survives exec
  for (const int number : {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGCHLD})
    signal(number, SIG_DFL);
  if (o.change_user &&
      (setgroups(0, nullptr) != 0 || setresgid(o.gid, o.gid, o.gid) != 0 || setresuid(o.uid, o.uid, o.uid) != 0)) {
    fail();
  }
  // After the change of user, which clears it.
  if (o.death_signal != 0) {
    prctl(PR_SET_PDEATHSIG, o.death_signal);
    if (getppid() != p.parent) _exit(126);
  }
  if (!o.folder.empty() && chdir(o.folder.c_str()) != 0) fail();
  dup2(p.null_device, 0);
  dup2(o.output >= 0 ? o.output : p.null_device, 1);
  dup2(1, 2);
  if (o.passed >= 0) dup2(o.passed, 3) == 3 ? static_cast<void>(fcntl(3, F_SETFD, 0)) : fail();
  close_range(o.passed >= 0 ? 4 : 3, ~0U, CLOSE_RANGE_CLOEXEC);
  execve(p.arguments[0], p.arguments.data(), p.environment.data());
  fail();
  _exit(127);
}

}  // namespace

void Descriptor::reset(int value) {
  if (value_ >= 0) close(value_);
  value_ = value;
}

std::vector<std::string> environment_with(const std::string& name, const std::string& value) {
  std::vector<std::string> out{cat(name, "=", value)};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with(name + "=")) out.emplace_back(*entry);
  }
  return out;
}

pid_t start_child(const ChildOptions& options) {
  AFINA_CHECK(!options.command.empty(), "a command has a program");
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw StorageError(cat("[storage] a pipe must open, but ", std::strerror(errno)));
  // Descriptor 3 is the child's: the pipe must not be in its place.
  Descriptor read_end(ends[0]), write_end(fcntl(ends[1], F_DUPFD_CLOEXEC, 10));
  close(ends[1]);
  Descriptor null_device(open("/dev/null", O_RDWR | O_CLOEXEC));
  Prepared prepared{options,
                    pointers(options.command),
                    options.environment ? pointers(*options.environment) : std::vector<char*>(),
                    null_device.get(),
                    write_end.get(),
                    getpid()};
  if (!options.environment) {
    for (char** entry = environ; *entry != nullptr; ++entry)
      prepared.environment.push_back(*entry);
    prepared.environment.push_back(nullptr);
  }
  const pid_t pid = fork();
  if (pid == 0) {
    if (options.detached) {
      setsid();
      if (fork() != 0) _exit(0);
    }
    become(prepared);
  }
  if (pid < 0) throw StorageError(cat("[storage] a process must start, but ", std::strerror(errno)), "", true);
  write_end.reset();
  if (options.detached) wait_child(pid);
  int code = 0;
  ssize_t got = 0;
  do {
    got = read(read_end.get(), &code, sizeof code);
  } while (got < 0 && errno == EINTR);
  if (got == sizeof code) {
    if (!options.detached) wait_child(pid);
    throw StorageError(cat("[storage] ", options.command[0], " must start, but ", std::strerror(code), "."));
  }
  return options.detached ? 0 : pid;
}

int wait_child(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

Descriptor lock_file(const std::filesystem::path& path, bool wait) {
  Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) throw StorageError(cat("[storage] ", path.string(), " must open, but ", std::strerror(errno), "."));
  int result = 0;
  do {
    result = flock(file.get(), LOCK_EX | (wait ? 0 : LOCK_NB));
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EWOULDBLOCK) {
    throw StorageError(cat("[storage] ", path.string(), " must be locked, but ", std::strerror(errno), "."));
  }
  return result == 0 ? std::move(file) : Descriptor();
}

}  // namespace afina::storage
