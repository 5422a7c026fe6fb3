// SPDX-License-Identifier: Apache-2.0
#include "storage/cluster.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "storage/child_process.h"
#include "storage/database_url.h"
#include "storage/pg_connection.h"

namespace afina::storage {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPoll{10};

std::string without_line_end(std::string text) {
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text;
}

ChildOptions child(const ClusterPaths& paths, std::vector<std::string> command, int output) {
  ChildOptions options;
  options.command = std::move(command);
  options.environment = std::vector<std::string>{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"};
  options.folder = "/";
  options.uid = paths.uid;
  options.gid = paths.gid;
  options.change_user = geteuid() == 0 && paths.uid != 0;
  options.output = output;
  return options;
}

void sync_file_system(const fs::path& folder) {
  const Descriptor fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || syncfs(fd.get()) != 0) {
    throw StorageError(cat("[storage.cluster] ", folder.string(), " must reach the disk, but ", std::strerror(errno)));
  }
}

template <typename Done>
bool wait_for(std::chrono::milliseconds limit, Done&& done) {
  for (const auto deadline = steady_clock::now() + limit; !done();) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

// In most containers root lacks CAP_SYS_PTRACE and may not see where other users' processes work; the users themselves
// may. The file-system ids are the calling thread's own.
class LookAs {
 public:
  LookAs(uid_t uid, gid_t gid) : gid_(setfsgid(gid)), uid_(setfsuid(uid)) {}
  ~LookAs() {
    setfsuid(static_cast<uid_t>(uid_));
    setfsgid(static_cast<gid_t>(gid_));
  }
  LookAs(const LookAs&) = delete;
  LookAs& operator=(const LookAs&) = delete;

 private:
  int gid_, uid_;
};

}  // namespace

std::vector<pid_t> processes_in(const fs::path& folder) {
  struct stat wanted {};
  std::vector<pid_t> out;
  if (stat(folder.c_str(), &wanted) != 0) return out;
  const LookAs owner(wanted.st_uid, wanted.st_gid);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    const auto end = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (end.ec != std::errc() || end.ptr != name.data() + name.size() || pid == getpid()) continue;
    struct stat found {};
    if (stat((entry.path() / "cwd").c_str(), &found) != 0) continue;
    if (found.st_dev == wanted.st_dev && found.st_ino == wanted.st_ino) out.push_back(pid);
  }
  return out;
}

Cluster::~Cluster() {
  if (pid_ == 0) return;
  kill(pid_, SIGQUIT);
  wait_child(pid_);
}

std::string Cluster::url(const std::string& database) const {
  return socket_url(paths_.run, kClusterPort, kClusterUser, database);
}

void Cluster::start() {
  initialise();
  clear_remains();
  launch();
  wait_until_ready();
  create_database();
}

void Cluster::restart() {
  AFINA_CHECK(pid_ == 0, "restart is for a dead server");
  // Backends notice a dead parent only when they next wait, and hold its shared memory until then.
  for (const pid_t orphan : processes_in(paths_.data))
    kill(orphan, SIGKILL);
  clear_remains();
  launch();
  wait_until_ready();
}

void Cluster::initialise() {
  struct stat info {};
  if (stat(paths_.data.c_str(), &info) == 0) {
    if (info.st_uid != paths_.uid) {
      throw StorageError(cat("[storage.cluster] ", paths_.data.string(), " must belong to user ", paths_.uid,
                             ", but belongs to ", info.st_uid, "."),
                         "use it as the user who made it, or set AFINA_HOME to another folder");
    }
    if (!fs::exists(paths_.data / "PG_VERSION")) {
      throw StorageError(
          cat("[storage.cluster] ", paths_.data.string(), " must be a PostgreSQL data folder, but has no PG_VERSION."),
          "move it away");
    }
    programs_ = find_postgres(without_line_end(read_file(paths_.data / "PG_VERSION", 64)));
    return;
  }
  programs_ = find_postgres();
  // Under another name until it is whole: a kill in the middle leaves nothing that looks like data.
  const fs::path unfinished = paths_.data.string() + ".new";
  fs::create_directories(paths_.data.parent_path());
  fs::remove_all(unfinished);
  make_private_folder(unfinished, paths_.uid, paths_.gid);
  log_info("storage", "making a PostgreSQL data folder in ", paths_.data.string());
  std::vector<std::string> command{
      programs_ / "initdb", "-D", unfinished, "-U",         kClusterUser,      "--auth-local=trust",
      "--auth-host=reject", "-E", "UTF8",     "--locale=C", "--data-checksums"};
  if (!options_.fsync) command.push_back("--no-sync");
  const int status = wait_child(start_child(child(paths_, std::move(command), options_.output)));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fs::remove_all(unfinished);
    throw StorageError(cat("[storage.cluster] initdb must succeed in ", unfinished.string(), ", but ended with status ",
                           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), "."),
                       cat("see ", paths_.log.string()));
  }
  // initdb would flush a thousand files one by one, which takes seconds on a slow disk; this is one flush.
  if (options_.fsync) sync_file_system(unfinished);
  fs::rename(unfinished, paths_.data);
  sync_path(paths_.data.parent_path());
}

void Cluster::clear_remains() {
  // A server whose keeper was killed is told by the kernel, and is on its way out.
  std::vector<pid_t> users;
  const auto unused = [&] {
    users = processes_in(paths_.data);
    return users.empty();
  };
  if (!wait_for(options_.foreign_timeout, unused)) {
    throw StorageError(
        cat("[storage.cluster] nobody else may use ", paths_.data.string(), ", but process ", users.front(), " does."),
        "stop it", true);
  }
  // The lock of the data folder is ours and nobody works in it: whatever process these files name, it is not a server.
  fs::remove(paths_.data / "postmaster.pid");
  make_private_folder(paths_.run, paths_.uid, paths_.gid);
  const std::string socket = cat(".s.PGSQL.", kClusterPort);
  fs::remove(paths_.run / socket);
  fs::remove(paths_.run / (socket + ".lock"));
}

void Cluster::launch() {
  std::vector<std::string> command{programs_ / "postgres", "-D", paths_.data, "-k", paths_.run};
  for (const std::string& setting :
       {std::string("listen_addresses="), cat("port=", kClusterPort), std::string("unix_socket_permissions=0700"),
        std::string("unix_socket_group="), cat("fsync=", options_.fsync ? "on" : "off"),
        cat("synchronous_commit=", options_.fsync ? "on" : "off"), std::string("full_page_writes=on"),
        std::string("recovery_init_sync_method=syncfs"), cat("max_connections=", options_.max_connections),
        std::string("shared_buffers=64MB"),
        // Old log files are used again instead of new ones filled with zeros, which holds up every commit for 20 ms.
        std::string("min_wal_size=256MB"), std::string("log_destination=stderr"), std::string("logging_collector=off"),
        std::string("log_min_messages=warning"), std::string("log_min_error_statement=panic"),
        std::string("log_checkpoints=off"), std::string("log_statement=none")}) {
    command.insert(command.end(), {"-c", setting});
  }
  ChildOptions options = child(paths_, std::move(command), options_.output);
  options.death_signal = SIGINT;
  pid_ = start_child(options);
}

bool Cluster::running() {
  if (pid_ == 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == 0) return true;
  pid_ = 0;
  return false;
}

void Cluster::wait_until_ready() {
  bool died = false;
  const bool ready = wait_for(options_.start_timeout, [&] {
    died = !running();
    if (died) return true;
    try {
      PgConnection(url("postgres")).script("SELECT 1");
      return true;
    } catch (const StorageError&) {
      return false;
    }
  });
  if (died || !ready) {
    stop();
    throw StorageError(cat("[storage.cluster] PostgreSQL must start in ", paths_.data.string(), ", but ",
                           died ? "ended at once" : "did not answer in time", "."),
                       cat("see ", paths_.log.string()), !died);
  }
}

void Cluster::create_database() {
  PgConnection connection(url("postgres"));
  if (connection.exec("SELECT 1 FROM pg_database WHERE datname = $1", Params().text(kClusterDatabase)).empty()) {
    connection.script(cat("CREATE DATABASE ", kClusterDatabase));
  }
}

void Cluster::stop() {
  if (pid_ == 0) return;
  constexpr std::chrono::seconds kPatience{20};
  kill(pid_, SIGINT);
  if (wait_for(kPatience, [&] { return !running(); })) return;
  kill(pid_, SIGQUIT);
  if (wait_for(kPatience, [&] { return !running(); })) return;
  kill(pid_, SIGKILL);
  wait_child(pid_);
  pid_ = 0;
}

}  // namespace afina::storage
