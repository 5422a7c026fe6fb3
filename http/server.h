// SPDX-License-Identifier: Apache-2.0
// The hardened HTTP/1.1 server every program of ours answers with. Loopback by default; one strict reader of request
// heads; whole-request deadlines; idle and slow connections cost no thread; bounded queue that sheds with 503;
// server-sent events under a cap of their own. No TLS (a reverse proxy does it), no files from disk, no regular
// expressions in routes. Built on cpp-httplib, which is seen by no header. Sources: RFC 9110, RFC 9112; probes in
// tests/http/server_probes_test.cpp.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "http/message.h"

namespace afina::http {

enum class ErrorForm { afina, openai };

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;                           ///< 0 takes a free one, told by port()
  bool allow_remote = false;              ///< must be true to bind anything but loopback
  std::vector<std::string> public_hosts;  ///< further names accepted in Host and Origin, such as a proxy's public name
  std::vector<std::string> trusted_proxies;  ///< peer addresses whose X-Forwarded-For is believed
  int workers = 32;                          ///< requests handled at one time, streams not counted
  int max_streams = 32;                      ///< event streams that hold a thread at one time; above: 503
  int max_event_streams = 256;               ///< event streams of the event loop at one time; above: 503
  int max_bodies = 8;                        ///< bodies of unknown length at one time; above: 503
  int max_queue = 128;                       ///< whole requests waiting for a worker; above: 503
  int max_connections = 1024;                ///< open sockets; above: 503 and close
  int max_connections_per_address = 0;       ///< of one client address, trusted proxies left out; 0: no such cap
  size_t max_head_bytes = 16 * 1024;
  size_t max_body_bytes = 1 << 20;  ///< where the route names no cap of its own
  /// Bytes that came of all bodies being read, one address a quarter of it; above: 503. Large ones count apart.
  size_t max_buffered_bytes = size_t{32} << 20;
  size_t large_body_bytes = size_t{64} << 10;             ///< bodies announced longer than this are large
  size_t max_large_bytes = size_t{128} << 20;             ///< that came of all large bodies being read; above: 503
  size_t max_large_bytes_per_address = size_t{64} << 20;  ///< of those of one client address
  /// Large bodies of requests with neither Cookie nor Authorization are refused with 401 before they are read.
  bool large_bodies_need_credentials = false;
  std::chrono::milliseconds head_deadline{5'000};    ///< from a request's first byte to the end of its head
  std::chrono::milliseconds body_deadline{15'000};   ///< from there to the end of its body, and
  size_t slowest_body_rate = size_t{256} << 10;      ///< a second more for each so many bytes of it that came; 0: none
  std::chrono::milliseconds idle_deadline{15'000};   ///< between requests of a kept connection, and before the first
  std::chrono::milliseconds write_deadline{10'000};  ///< without progress while a response is written
  std::chrono::milliseconds heartbeat{10'000};       ///< comment line on a silent event stream
  std::chrono::milliseconds drain_deadline{10'000};  ///< how long stop() waits for handlers and streams
  ErrorForm error_form = ErrorForm::afina;           ///< of refusals that belong to no route
  std::string openai_below;                          ///< but OpenAI's for paths that begin so, as "/v1/"; "": none
  /// Of HTML responses and all others. The default allows only what the same origin serves.
  std::string content_security_policy =
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; "
      "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for "
      "'script'";
};

/// Requests a second for each client address over all routes of one class; burst above it. Above: 429.
struct RateClass {
  std::string name;
  double per_second = 0;
  double burst = 0;
  int downloads = 0;  ///< bodies of unknown length of these routes at one time, of everybody; above: 503; 0: no own cap
};

struct RouteOptions {
  size_t max_body_bytes = 0;  ///< 0: the server's
  bool json_only = true;      ///< a body must be application/json; else 415
  ErrorForm error_form = ErrorForm::afina;
  std::string rate_class;  ///< "" for none; else a name given to add_rate_class
  std::string cache_control = "no-store";
};

/// Routes are added first, then start(); handlers run on many threads at once. The destructor stops.
class Server {
 public:
  explicit Server(ServerOptions options = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// pattern: "/api/pairs/{id}"; a literal part wins over {name}. {name} takes one non-empty part. Throws UsageError
  /// for a malformed pattern, a second route of the same method and shape, or an unknown rate class; InternalError once
  /// started.
  void route(const std::string& method, const std::string& pattern, Handler handler, RouteOptions options = {});
  void add_rate_class(RateClass rate);

  /// Binds and serves on threads of its own. Throws UsageError for a remote address without allow_remote, StorageError
  /// where the address cannot be bound.
  void start();
  /// The bound port, once started.
  int port() const;
  /// "http://127.0.0.1:8080".
  std::string address() const;
  /// Refuses new connections, ends streams through their stop tokens, waits for handlers up to drain_deadline.
  /// Idempotent.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The one mapping from an exception to a response: Afina's form {"error":{"kind","message","request_id"}} or OpenAI's
/// {"error":{"message","type","param","code"}}. A foreign exception gives 500 without its text, which goes to the log.
void write_error(const std::exception& error, const std::string& request_id, ErrorForm form, Response& response);
/// The body alone, for an error inside an event stream.
Json error_json(const std::exception& error, const std::string& request_id, ErrorForm form);

}  // namespace afina::http
