// SPDX-License-Identifier: Apache-2.0
#include "storage/keeper_link.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "storage/child_process.h"
#include "storage/cluster_paths.h"

namespace afina::storage {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr off_t kLogLimitBytes = 4 << 20;

// One line from fd before the deadline, without its end; empty at the end of the stream or too late.
std::string read_line(int fd, steady_clock::time_point deadline) {
  std::string line;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    pollfd watched{fd, POLLIN, 0};
    if (left.count() <= 0 || poll(&watched, 1, static_cast<int>(left.count())) == 0) return "";
    char byte = 0;
    const ssize_t got = read(fd, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return "";
    if (byte == '\n') return line;
    line += byte;
  }
}

fs::path keeper_socket(const ClusterPaths& paths) {
  try {
    return parse_json(read_file(paths.address, 4096), paths.address).at("socket").get<std::string>();
  } catch (const std::exception&) {
    return paths.run / "keeper.sock";
  }
}

Descriptor connect_to(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = path.string();
  if (name.size() >= sizeof address.sun_path) return Descriptor();
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return Descriptor();
  return fd;
}

// The keeper greets as soon as it looks at its listener, which crash recovery may hold up.
Descriptor greet(const ClusterPaths& paths, steady_clock::time_point deadline, ClusterAddress& address) {
  Descriptor fd = connect_to(keeper_socket(paths));
  if (!fd) return fd;
  const std::string line = read_line(fd.get(), deadline);
  if (line.empty()) return Descriptor();
  const Json greeting = parse_json(line, "storage.keeper");
  address.url = greeting.at("url").get<std::string>();
  address.data_folder = greeting.at("data_folder").get<std::string>();
  address.keeper_pid = greeting.at("keeper_pid").get<long>();
  address.postgres_pid = greeting.at("postgres_pid").get<long>();
  return fd;
}

std::vector<std::string> keeper_command(const KeeperLinkOptions& options) {
  std::vector<std::string> command = options.keeper_command;
  if (command.empty()) {
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path() / "afina";
    if (access(program.c_str(), X_OK) != 0) {
      throw StorageError(
          cat("[storage.keeper] the program 'afina' must stand beside this one, but ", program.string(), " does not."),
          "install both in one folder, or set DATABASE_URL");
    }
    command = {program, "db", "keep"};
  }
  for (const std::string& word :
       {std::string("--home"), options.home.string(), std::string("--linger-ms"),
        std::to_string(options.linger.count()), std::string("--ready-fd"), std::string("3")}) {
    command.push_back(word);
  }
  return command;
}

// Starts a keeper and waits for its word: "ready", "busy" or "error: …".
std::string spawn_keeper(const KeeperLinkOptions& options, const ClusterPaths& paths,
                         steady_clock::time_point deadline) {
  const Descriptor log(open(paths.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat info {};
  if (log && fstat(log.get(), &info) == 0 && info.st_size > kLogLimitBytes) {
    [[maybe_unused]] const int cut = ftruncate(log.get(), 0);
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw StorageError(cat("[storage] a pipe must open, but ", std::strerror(errno)));
  const Descriptor read_end(ends[0]);
  Descriptor write_end(ends[1]);
  ChildOptions child;
  child.command = keeper_command(options);
  child.folder = "/";
  child.output = log.get();
  child.passed = write_end.get();
  child.detached = true;
  start_child(child);
  write_end.reset();
  return read_line(read_end.get(), deadline);
}

}  // namespace

KeeperLink::~KeeperLink() {
  if (socket_ >= 0) close(socket_);
}

bool KeeperLink::alive() const {
  if (socket_ < 0) return false;
  char byte = 0;
  const ssize_t got = recv(socket_, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

ClusterAddress KeeperLink::ensure() {
  const std::lock_guard guard(mutex_);
  if (alive()) return address_;
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
  const ClusterPaths paths = cluster_paths(cluster_path_inputs(options_.home));
  std::error_code error;
  fs::create_directories(paths.home, error);
  if (error) {
    throw StorageError(
        cat("[storage.keeper] the home folder ", paths.home.string(), " must be made, but ", error.message(), "."),
        "set AFINA_HOME to a folder you may write");
  }
  const auto deadline = steady_clock::now() + options_.start_timeout;
  const Descriptor door = lock_file(paths.door_lock, true);
  std::string said;
  for (milliseconds pause{10}; steady_clock::now() < deadline; pause = std::min(pause * 2, milliseconds(200))) {
    Descriptor fd = greet(paths, deadline, address_);
    if (fd) {
      socket_ = fd.release();
      return address_;
    }
    said = spawn_keeper(options_, paths, deadline);
    if (said == "ready") continue;
    if (said != "busy") break;
    // An older keeper is on its way out, or one started by hand on its way in.
    std::this_thread::sleep_for(pause);
  }
  throw StorageError(cat("[storage.keeper] a keeper must start PostgreSQL for ", paths.home.string(), ", but ",
                         said.empty() ? "it ended without a word" : said),
                     cat("see ", paths.log.string()), said == "busy");
}

bool ask_keeper(const fs::path& home, ClusterAddress& address) {
  const ClusterPaths paths = cluster_paths(cluster_path_inputs(home));
  return static_cast<bool>(greet(paths, steady_clock::now() + std::chrono::seconds(5), address));
}

}  // namespace afina::storage
