// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"
#include "http/connection_loop.h"
#include "http/date.h"
#include "http/engine.h"
#include "http/error_body.h"
#include "http/event_loop.h"
#include "http/exchange.h"
#include "http/pending_replies.h"
#include "http/rate_limiter.h"
#include "http/request_checks.h"
#include "http/router.h"
#include "http/server_limits.h"
#include "http/shares.h"
#include "http/worker_pool.h"

namespace afina::http {
namespace {

/// What `make` throws becomes the response.
template <typename Make>
void with_errors(const std::string& request_id, ErrorForm form, Response& response, const Make& make) {
  try {
    make();
  } catch (const std::exception& error) {
    write_error(error, request_id, form, response);
  } catch (...) {
    write_error(std::runtime_error("not an exception"), request_id, form, response);
  }
}

}  // namespace

class Server::Impl {
 public:
  explicit Impl(ServerOptions options) : options_(std::move(options)) {}
  ~Impl() { stop(); }

  void start();
  void stop();
  void dispatch(Request& request, Response& response);

  ServerOptions options_;
  Router router_;
  struct Class {
    explicit Class(const RateClass& wanted)
        : limiter(wanted.per_second, wanted.burst), max_downloads(wanted.downloads) {}
    RateLimiter limiter;
    const int max_downloads;
    std::atomic<int> downloads{0};
  };
  std::map<std::string, std::unique_ptr<Class>> classes_;
  int port_ = 0;
  bool started_ = false, stopped_ = false;

 private:
  bool serve(std::unique_ptr<Connection>& connection);
  void send_later(std::unique_ptr<Connection> connection, bool keep, Response&& response);
  ErrorForm form_of(const std::string& path) const {
    const bool openai = !options_.openai_below.empty() && path.starts_with(options_.openai_below);
    return openai ? ErrorForm::openai : options_.error_form;
  }
  void finish_later(const Request& request, const Route* route, ErrorForm form, Response& response);
  std::string refusal(const HeadFault& fault) const;
  std::optional<HeadFault> check_body(const RequestHead& head) const;
  void check_rate(const Request& request, const Route& route);
  void run_handler(Request& request, const RouteMatch& match, Response& response);
  void guard_stream(const Request& request, const Route& route, Response& response);
  void guard_body(const Request& request, const Route& route, Response& response);
  void guard_events(Response& response);
  std::shared_ptr<void> take_slot(std::atomic<int>& taken, int most, const char* what);
  void add_common_headers(const std::string& request_id, const Route* route, Response& response) const;

  std::atomic<int> streams_{0}, event_streams_{0}, bodies_{0};
  std::atomic<bool> draining_{false};
  std::unique_ptr<Watcher> watcher_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<ConnectionLoop> loop_;
  std::unique_ptr<EventLoop> event_loop_;
  std::unique_ptr<PendingReplies> pending_;
  std::unique_ptr<WorkerPool> pool_;
  std::thread acceptor_;
};

void Server::Impl::start() {
  if (started_) throw InternalError("[http server] must be started once, but was started twice.");
  if (!is_loopback(options_.host) && !options_.allow_remote) {
    throw UsageError(cat("[http server] must bind a loopback address, but got \"", options_.host, "\"."),
                     "Put a reverse proxy with TLS in front, or allow remote addresses explicitly.");
  }
  raise_descriptor_limit(options_);
  watcher_ = std::make_unique<Watcher>(options_.heartbeat);
  engine_ = std::make_unique<Engine>(
      Engine::Config{.trusted_proxies = options_.trusted_proxies,
                     .write_deadline = options_.write_deadline,
                     .on_accept = [this](int socket) { loop_->adopt(socket); },
                     .dispatch = [this](Request& request, Response& response) { dispatch(request, response); }},
      *watcher_);
  port_ = engine_->bind(options_.host, options_.port);
  pool_ =
      std::make_unique<WorkerPool>(options_.workers + options_.max_streams + options_.max_bodies, options_.max_queue);
  loop_ = std::make_unique<ConnectionLoop>(
      loop_limits(options_),
      ConnectionLoop::Callbacks{.check_body = [this](const RequestHead& head) { return check_body(head); },
                                .serve = [this](std::unique_ptr<Connection>& connection) { return serve(connection); },
                                .refusal = [this](const HeadFault& fault) { return refusal(fault); }});
  event_loop_ = std::make_unique<EventLoop>(
      EventLoopLimits{options_.heartbeat, options_.write_deadline},
      [this](std::unique_ptr<Connection> connection, bool keep) { loop_->give_back(std::move(connection), keep); });
  pending_ =
      std::make_unique<PendingReplies>([this](std::unique_ptr<Connection> connection, bool keep, Response&& response) {
        send_later(std::move(connection), keep, std::move(response));
      });
  started_ = true;
  acceptor_ = std::thread([this] { engine_->listen(); });
}

void Server::Impl::stop() {
  if (!started_ || stopped_) return;
  stopped_ = true;
  draining_ = true;
  engine_->stop();
  acceptor_.join();
  loop_->drain();
  watcher_->stop_streams();
  event_loop_->drain();
  const auto deadline = std::chrono::steady_clock::now() + options_.drain_deadline;
  if (!pool_->wait_idle(deadline)) {
    log_warning("http", "requests did not end within ", options_.drain_deadline.count(),
                " ms of the stop and are cut off");
    watcher_->abort_all();
  }
  event_loop_->wait_idle(deadline);
  if (!pending_->wait_idle(deadline)) {
    log_warning("http", "requests were not answered within ", options_.drain_deadline.count(), " ms of the stop");
  }
  pending_->abandon();
  // Workers give connections to both loops and the loop hands requests to the pool: all must rest before any goes.
  pool_->close();
  event_loop_.reset();
  loop_.reset();
  pool_.reset();
  engine_.reset();
  watcher_.reset();
}

bool Server::Impl::serve(std::unique_ptr<Connection>& connection) {
  // std::function must be copyable, so the job owns the connection through a shared pointer of its own.
  auto job = std::make_shared<std::unique_ptr<Connection>>(std::move(connection));
  const bool taken = pool_->submit([this, job] {
    Engine::Served served = engine_->serve(**job, draining_);
    if (served.events) {
      served.events->keep = served.keep;
      event_loop_->adopt(std::move(*job), std::move(*served.events));
    } else if (served.later) {
      served.later(pending_->add(std::move(*job), served.keep));
    } else {
      loop_->give_back(std::move(*job), served.keep);
    }
  });
  if (!taken) connection = std::move(*job);
  return taken;
}

void Server::Impl::send_later(std::unique_ptr<Connection> connection, bool keep, Response&& response) {
  if (response.events) {
    EventStream stream{std::move(response.events), connection->request.head.http_1_1, keep};
    stream.head = Engine::head_of_events(response, stream.chunked, keep);
    return event_loop_->adopt(std::move(connection), std::move(stream));
  }
  std::optional<std::string> rest = engine_->write_now(*connection, response, keep);
  if (!rest) return;
  if (rest->empty()) return loop_->give_back(std::move(connection), keep);
  // A client that does not read must not hold whoever replies: a worker waits for it instead.
  auto job = std::make_shared<std::unique_ptr<Connection>>(std::move(connection));
  pool_->submit([this, job, keep, bytes = std::move(*rest)] {
    if (engine_->write_rest(**job, bytes)) loop_->give_back(std::move(*job), keep);
  });
}

// The part of dispatch() that comes after the handler, for a handler whose answer comes later.
void Server::Impl::finish_later(const Request& request, const Route* route, ErrorForm form, Response& response) {
  response.later = [this, route, form, id = request.request_id, begin = std::move(response.later)](const Reply& send) {
    const Reply reply = [this, route, form, id, send](const std::function<void(Response&)>& make) {
      send([&](Response& answer) {
        with_errors(id, form, answer, [&] {
          make(answer);
          if (answer.events) guard_events(answer);
        });
        add_common_headers(id, route, answer);
      });
    };
    try {
      begin(reply);
    } catch (...) {
      reply([error = std::current_exception()](Response&) { std::rethrow_exception(error); });
    }
  };
}

std::string Server::Impl::refusal(const HeadFault& fault) const {
  const std::string request_id = new_uuid();
  const std::string body = dump_json(fault_json(fault.status, fault.reason, request_id, form_of(fault.path)));
  return cat("HTTP/1.1 ", fault.status, " Refused\r\nDate: ", http_date(system_clock().now()),
             "\r\nContent-Type: application/json\r\nContent-Length: ", body.size(),
             "\r\nConnection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: ",
             request_id, fault.status == 503 ? "\r\nRetry-After: 1" : "", "\r\n\r\n", body);
}

std::optional<HeadFault> Server::Impl::check_body(const RequestHead& head) const {
  const RouteMatch match = router_.match(head.method, head.path);
  const size_t own = match.route == nullptr ? 0 : match.route->options.max_body_bytes;
  const size_t cap = own == 0 ? options_.max_body_bytes : own;
  if (head.content_length > cap) return HeadFault{413, cat("The body must be at most ", cap, " bytes."), head.path};
  if (options_.large_bodies_need_credentials && !head.has_credentials &&
      head.content_length > options_.large_body_bytes) {
    return HeadFault{401, cat("A body of more than ", options_.large_body_bytes, " bytes must come with a session."),
                     head.path};
  }
  return std::nullopt;
}

void Server::Impl::dispatch(Request& request, Response& response) {
  const Stopwatch watch;
  request.request_id = new_uuid();
  const Route* route = nullptr;
  ErrorForm form = form_of(request.path);
  with_errors(request.request_id, form, response, [&] {
    RouteMatch match = router_.match(request.method, request.path);
    route = match.route;
    if (route != nullptr) form = route->options.error_form;
    with_errors(request.request_id, form, response, [&] {
      check_origin(request, options_);
      run_handler(request, match, response);
    });
  });
  if (response.later) {
    finish_later(request, route, form, response);
  } else {
    add_common_headers(request.request_id, route, response);
  }
  log_line(
      LogLevel::debug, "http",
      cat(request.method, " ", request.path, " ", response.status, " ", watch.seconds(), " s ", request.request_id));
}

void Server::Impl::check_rate(const Request& request, const Route& route) {
  if (route.options.rate_class.empty()) return;
  const double wait_s = classes_.at(route.options.rate_class)->limiter.take(rate_key(request.remote_ip));
  if (wait_s > 0) {
    const bool openai = route.options.error_form == ErrorForm::openai;
    throw HttpError(ErrorKind::usage, 429, "[requests] must come more slowly, but came too fast.",
                    openai ? "rate_limit_exceeded" : "rate_limited",
                    std::max(1, static_cast<int>(std::ceil(std::min(wait_s, 3600.0)))));
  }
}

void Server::Impl::run_handler(Request& request, const RouteMatch& match, Response& response) {
  if (match.route == nullptr && match.allowed.empty()) {
    throw HttpError(ErrorKind::not_found, 404, "[path] must be a route of this server, but is none.");
  }
  if (match.route == nullptr) {
    write_error(
        HttpError(ErrorKind::usage, 405, cat("[method] must be one of this route's, but got ", request.method, ".")),
        request.request_id, form_of(request.path), response);
    for (const std::string& method : match.allowed)
      response.headers.add("Allow", method);
    return;
  }
  const Route& route = *match.route;
  check_rate(request, route);
  if (!request.body.empty() && route.options.json_only) check_json_type(request);
  check_query(request);
  request.params = match.params;
  route.handler(request, response);
  if (response.streamer) guard_stream(request, route, response);
  if (response.events) guard_events(response);
  if (response.body_writer) guard_body(request, route, response);
}

// The slot is freed with the writer that holds it, also where that never runs (HEAD, a client that left).
std::shared_ptr<void> Server::Impl::take_slot(std::atomic<int>& taken, int most, const char* what) {
  const int before = taken.fetch_add(1);
  std::shared_ptr<void> slot(nullptr, [&taken](void*) { taken.fetch_sub(1); });
  if (draining_ || before >= most) {
    throw HttpError(ErrorKind::conflict, 503, cat("[", what, "] must be fewer at one time, but all are taken."),
                    "overloaded", 1);
  }
  return slot;
}

void Server::Impl::guard_body(const Request& request, const Route& route, Response& response) {
  Class* const own = route.options.rate_class.empty() ? nullptr : classes_.at(route.options.rate_class).get();
  std::shared_ptr<void> own_slot;
  if (own != nullptr && own->max_downloads > 0) {
    own_slot = take_slot(own->downloads, own->max_downloads, "downloads of this kind");
  }
  response.body_writer = [write = std::move(response.body_writer), own_slot = std::move(own_slot),
                          slot = take_slot(bodies_, options_.max_bodies, "downloads"),
                          id = request.request_id](BodyWriter& writer) {
    try {
      write(writer);
    } catch (const std::exception& error) {
      log_error("http", "request ", id, " broke off in its body: ", error.what());
      throw;
    }
  };
}

void Server::Impl::guard_events(Response& response) {
  struct Held {
    std::shared_ptr<void> slot;
    std::shared_ptr<EventReader> reader;  // goes before the slot
  };
  auto held = std::make_shared<Held>();
  held->slot = take_slot(event_streams_, options_.max_event_streams, "streams");
  held->reader = std::move(response.events);
  EventReader* reader = held->reader.get();
  response.events = std::shared_ptr<EventReader>(std::move(held), reader);
  response.headers.set("X-Accel-Buffering", "no");
}

void Server::Impl::guard_stream(const Request& request, const Route& route, Response& response) {
  const std::shared_ptr<void> slot = take_slot(streams_, options_.max_streams, "streams");
  const ErrorForm form = route.options.error_form;
  response.streamer = [write = std::move(response.streamer), slot, form, id = request.request_id](SseWriter& writer) {
    try {
      write(writer);
    } catch (const std::exception& error) {
      writer.send(dump_json(error_json(error, id, form)));
    }
  };
  response.headers.set("X-Accel-Buffering", "no");
}

void Server::Impl::add_common_headers(const std::string& request_id, const Route* route, Response& response) const {
  Headers& headers = response.headers;
  if (headers.find("Content-Security-Policy") == nullptr) {
    headers.set("Content-Security-Policy", options_.content_security_policy);
  }
  headers.set("Date", http_date(system_clock().now()));  // a MUST of RFC 9110 section 6.6.1
  headers.set("X-Content-Type-Options", "nosniff");
  headers.set("Referrer-Policy", "no-referrer");
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  headers.set("X-Request-Id", request_id);
  if (headers.find("Cache-Control") == nullptr) {
    headers.set("Cache-Control", route != nullptr && response.status < 400 ? route->options.cache_control : "no-store");
  }
}

Server::Server(ServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Server::~Server() = default;

void Server::route(const std::string& method, const std::string& pattern, Handler handler, RouteOptions options) {
  if (impl_->started_) throw InternalError("[http server] must get its routes before it starts, but has started.");
  if (!options.rate_class.empty() && !impl_->classes_.contains(options.rate_class)) {
    throw UsageError(
        cat("[route \"", pattern, "\"] must name a known rate class, but got \"", options.rate_class, "\"."));
  }
  impl_->router_.add({method, pattern, std::move(handler), std::move(options), {}});
}

void Server::add_rate_class(RateClass rate) {
  impl_->classes_[rate.name] = std::make_unique<Impl::Class>(rate);
}

void Server::start() {
  impl_->start();
}
void Server::stop() {
  impl_->stop();
}
int Server::port() const {
  return impl_->port_;
}

std::string Server::address() const {
  const std::string& host = impl_->options_.host;
  return cat("http://", host.find(':') == std::string::npos ? host : cat("[", host, "]"), ":", impl_->port_);
}

}  // namespace afina::http
