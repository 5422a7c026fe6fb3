// SPDX-License-Identifier: Apache-2.0
#include "storage/keeper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "storage/child_process.h"
#include "storage/cluster.h"

namespace afina::storage {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kTick{100};      // how late a death is seen where the kernel has no pidfd
constexpr milliseconds kDoorRetry{50};  // a client stands in the door: look again
constexpr size_t kCrashesBeforeDespair = 5;
constexpr std::chrono::seconds kCrashWindow{20};
constexpr size_t kMaxClients = 512;

void tell(int fd, const std::string& word) {
  if (fd >= 0) [[maybe_unused]]
    const auto written = write(fd, word.data(), word.size());
}

Descriptor listen_on(const fs::path& path, uid_t uid, gid_t gid) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = path.string();
  AFINA_CHECK(name.size() < sizeof address.sun_path, "socket path too long: ", name);
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  fs::remove(path);
  Descriptor socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_fd || bind(socket_fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(socket_fd.get(), 128) != 0) {
    throw StorageError(cat("[storage.keeper] ", name, " must open, but ", std::strerror(errno), "."));
  }
  if (geteuid() == 0 && chown(name.c_str(), uid, gid) != 0) {
    throw StorageError(cat("[storage.keeper] ", name, " must get its owner, but ", std::strerror(errno), "."));
  }
  return socket_fd;
}

class Keeper {
 public:
  Keeper(const KeeperOptions& options, ClusterPaths paths)
      : options_(options), cluster_(paths, {.output = STDERR_FILENO}), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  void open() {
    cluster_.start();
    const fs::path socket = cluster_.paths().run / "keeper.sock";
    listener_ = listen_on(socket, cluster_.paths().uid, cluster_.paths().gid);
    write_file_atomic(cluster_.paths().address, dump_json(Json{{"socket", socket.string()}}) + "\n");
    watch_server();
  }

  void serve(const std::stop_token& stop) {
    const std::stop_callback on_stop(stop, [this] {
      const uint64_t one = 1;
      [[maybe_unused]] const auto written = write(wake_.get(), &one, sizeof one);
    });
    auto idle_since = steady_clock::now();
    while (!stop.stop_requested()) {
      wait(next_timeout(idle_since));
      if (!cluster_.running()) recover();
      drop_closed();
      accept_all();
      if (!clients_.empty()) idle_since = steady_clock::now();
      if (options_.linger.count() >= 0 && steady_clock::now() - idle_since >= options_.linger && close_door()) break;
    }
    log_info("storage", "stopping PostgreSQL in ", cluster_.paths().data.string());
    listener_.reset();
    fs::remove(cluster_.paths().address);
    fs::remove(cluster_.paths().run / "keeper.sock");
    clients_.clear();
    cluster_.stop();
    std::error_code not_empty;
    fs::remove(cluster_.paths().run, not_empty);
  }

 private:
  milliseconds next_timeout(steady_clock::time_point idle_since) const {
    milliseconds timeout = server_ ? milliseconds(60'000) : kTick;
    if (options_.linger.count() >= 0 && clients_.empty()) {
      const auto left = std::chrono::ceil<milliseconds>(idle_since + options_.linger - steady_clock::now());
      timeout = std::min(timeout, std::max(left, kDoorRetry));
    }
    return timeout;
  }

  void wait(milliseconds timeout) {
    std::vector<pollfd> watched{{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    if (server_) watched.push_back({server_.get(), POLLIN, 0});
    for (const Descriptor& client : clients_)
      watched.push_back({client.get(), POLLIN | POLLRDHUP, 0});
    poll(watched.data(), watched.size(), static_cast<int>(timeout.count()));
  }

  void watch_server() { server_.reset(static_cast<int>(syscall(SYS_pidfd_open, cluster_.pid(), 0))); }

  void recover() {
    const auto now = steady_clock::now();
    while (!crashes_.empty() && now - crashes_.front() > kCrashWindow)
      crashes_.pop_front();
    crashes_.push_back(now);
    if (crashes_.size() > kCrashesBeforeDespair) {
      throw StorageError(
          cat("[storage.keeper] PostgreSQL must stay up, but ended ", crashes_.size(), " times within seconds."),
          cat("see ", cluster_.paths().log.string()));
    }
    log_warning("storage", "PostgreSQL ended by itself; starting it again");
    cluster_.restart();
    watch_server();
  }

  void drop_closed() {
    std::erase_if(clients_, [](const Descriptor& client) {
      char byte = 0;
      const ssize_t got = recv(client.get(), &byte, 1, MSG_DONTWAIT);
      return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    });
  }

  void accept_all() {
    for (;;) {
      Descriptor client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!client) return;
      if (clients_.size() >= kMaxClients) continue;
      const std::string greeting = dump_json(Json{{"url", cluster_.url(kClusterDatabase)},
                                                  {"data_folder", cluster_.paths().data.string()},
                                                  {"keeper_pid", getpid()},
                                                  {"postgres_pid", cluster_.pid()}}) +
                                   "\n";
      if (send(client.get(), greeting.data(), greeting.size(), MSG_NOSIGNAL) > 0) clients_.push_back(std::move(client));
    }
  }

  // Clients connect while they hold the door: with the door ours and nobody waiting, nobody can come in any more.
  bool close_door() {
    door_ = lock_file(cluster_.paths().door_lock, false);
    if (!door_) return false;
    accept_all();
    if (clients_.empty()) return true;
    door_.reset();
    return false;
  }

  KeeperOptions options_;
  Cluster cluster_;
  Descriptor wake_, listener_, server_, door_;
  std::vector<Descriptor> clients_;
  std::deque<steady_clock::time_point> crashes_;
};

}  // namespace

int run_keeper(const KeeperOptions& options, const std::stop_token& stop) {
  try {
    signal(SIGPIPE, SIG_IGN);
    const ClusterPaths paths = cluster_paths(cluster_path_inputs(options.home));
    fs::create_directories(paths.home);
    const Descriptor lock = lock_file(paths.keeper_lock, false);
    if (!lock) {
      tell(options.ready_fd, "busy\n");
      log_info("storage", "another keeper is at work for ", paths.home.string());
      return 0;
    }
    Keeper keeper(options, paths);
    keeper.open();
    tell(options.ready_fd, "ready\n");
    log_info("storage", "PostgreSQL is up, files in ", paths.data.string());
    keeper.serve(stop);
    return 0;
  } catch (const std::exception& error) {
    tell(options.ready_fd, cat("error: ", error.what(), "\n"));
    throw;
  }
}

}  // namespace afina::storage
