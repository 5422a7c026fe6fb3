// SPDX-License-Identifier: Apache-2.0
// Reads requests off many sockets on one thread (epoll, non-blocking) and hands over only whole ones, so that a slow or
// idle client costs a file descriptor and never a worker. Enforces the deadlines and caps of a request; knows nothing
// of routes.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "http/head.h"
#include "http/shares.h"

namespace afina::http {

struct WholeRequest {
  RequestHead head;
  std::string body;
};

struct LoopLimits {
  size_t max_connections, max_head_bytes;
  std::chrono::milliseconds head_deadline, body_deadline, idle_deadline;
  size_t slowest_body_rate;  ///< bytes a second; 0: none
  BodyLimits bodies;
  size_t max_connections_per_address = 0;             ///< 0: only max_connections bounds them
  std::vector<std::string> uncounted_addresses = {};  ///< of proxies, to which neither share of an address applies
};

/// One socket; closes it. While a request is served, it belongs to the worker.
struct Connection {
  explicit Connection(int socket) : fd(socket) {}
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  enum class State { head, body, lingering };
  const int fd;
  State state = State::head;
  std::string buffer;    ///< bytes read and not yet handed over
  WholeRequest request;  ///< its head is set in State::body
  std::shared_ptr<Peer> peer;
  bool crowded = false;  ///< its address has too many
  size_t held = 0;       ///< bytes of a half-read body that BodyShares knows of
  size_t discarded = 0;  ///< while lingering
  std::chrono::steady_clock::time_point deadline;
  std::list<std::unique_ptr<Connection>>::iterator place;  ///< in the loop's list, while it is there
};

class ConnectionLoop {
 public:
  struct Callbacks {
    /// Whether a request with this head may send its body; runs on the loop's thread, before the body is read.
    std::function<std::optional<HeadFault>(const RequestHead&)> check_body;
    /// Takes a whole request; later calls give_back or drops the connection. False: overloaded, nothing was taken.
    std::function<bool(std::unique_ptr<Connection>&)> serve;
    /// The whole response for a request that is refused before it is served.
    std::function<std::string(const HeadFault&)> refusal;
  };

  /// Throws StorageError where the system gives no descriptors.
  ConnectionLoop(LoopLimits limits, Callbacks callbacks);
  ~ConnectionLoop();
  ConnectionLoop(const ConnectionLoop&) = delete;
  ConnectionLoop& operator=(const ConnectionLoop&) = delete;

  /// A freshly accepted socket; any thread.
  void adopt(int socket);
  /// After a response: keep = true waits for the next request, else says goodbye and closes; any thread.
  void give_back(std::unique_ptr<Connection> connection, bool keep);
  /// Closes idle connections and keeps none from now on; requests half read may still be finished.
  void drain();

 private:
  struct Mail {
    std::unique_ptr<Connection> connection;
    bool keep;
  };

  void run();
  void read_mail();
  void wake() const;
  void watch(std::unique_ptr<Connection> connection);
  void forget(Connection* connection);
  std::unique_ptr<Connection> take(Connection* connection);
  void on_readable(Connection* connection);
  /// False once the connection is gone from the loop.
  bool advance(Connection* connection);
  bool take_head(Connection* connection);
  bool hand_over(Connection* connection);
  void refuse(Connection* connection, const HeadFault& fault);
  void linger(Connection* connection);
  void expire();
  bool hold(Connection* connection, size_t bytes);

  const LoopLimits limits_;
  const Callbacks callbacks_;
  Peers peers_;
  BodyShares shares_;
  int epoll_ = -1, wake_ = -1;
  std::list<std::unique_ptr<Connection>> watched_;
  std::mutex mail_mutex_;
  std::vector<Mail> mail_;
  std::atomic<bool> draining_{false}, stopping_{false};
  std::thread thread_;
};

}  // namespace afina::http
