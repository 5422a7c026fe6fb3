// SPDX-License-Identifier: Apache-2.0
#include "http/engine.h"

#include <cpp-httplib/httplib.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>

#include "base/cat.h"
#include "base/log.h"
#include "base/utf8.h"
#include "http/server.h"

namespace afina::http {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kSlowestReaderBytesPerS = 32 * 1024;

/// Hands the library a head that was read before, and writes to the socket under a deadline.
class PreparedStream final : public httplib::Stream {
 public:
  PreparedStream(int socket, std::string_view head, std::chrono::milliseconds write_deadline)
      : socket_(socket), head_(head), write_deadline_(write_deadline) {}

  bool is_readable() const override { return !head_.empty(); }
  bool wait_readable() const override { return !head_.empty(); }
  bool wait_writable() const override { return !broken_; }
  ssize_t read(char* to, size_t size) override {
    const size_t count = std::min(size, head_.size());
    std::copy_n(head_.data(), count, to);
    head_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, size_t size) override;
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return socket_; }
  time_t duration() const override { return 0; }
  const char* buffered_data(size_t& size) const override {
    size = head_.size();
    return head_.data();
  }
  /// Nothing more is written: what comes belongs to somebody else's hands.
  void discard_rest() { discards_ = true; }
  void consume_buffered(size_t size) override { head_.remove_prefix(std::min(size, head_.size())); }

 private:
  int socket_;
  std::string_view head_;
  std::chrono::milliseconds write_deadline_;
  bool broken_ = false, discards_ = false;
};

// Two limits: some progress within the deadline, and a pace over the whole, so that neither a stuck nor a dripping
// reader holds a worker for long.
ssize_t PreparedStream::write(const char* from, size_t size) {
  if (discards_) return static_cast<ssize_t>(size);
  const Clock::time_point start = Clock::now();
  Clock::time_point progress = start;
  size_t done = 0;
  while (!broken_ && done < size) {
    const ssize_t sent = ::send(socket_, from + done, size - done, MSG_DONTWAIT | MSG_NOSIGNAL);
    const Clock::time_point now = Clock::now();
    if (sent > 0) {
      done += static_cast<size_t>(sent);
      progress = now;
      continue;
    }
    const auto earned = std::chrono::duration<double>(static_cast<double>(done) / kSlowestReaderBytesPerS);
    broken_ = (sent < 0 && errno != EAGAIN && errno != EINTR) || now - progress > write_deadline_ ||
              now - start > write_deadline_ + earned;
    pollfd descriptor{.fd = socket_, .events = POLLOUT, .revents = 0};
    if (!broken_) ::poll(&descriptor, 1, static_cast<int>(std::min<int64_t>(write_deadline_.count(), 100)));
  }
  return broken_ ? -1 : static_cast<ssize_t>(size);
}

std::string peer_ip(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  char text[NI_MAXHOST] = "";
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "";
  ::getnameinfo(reinterpret_cast<sockaddr*>(&address), length, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  return text;
}

/// Adopting a socket takes microseconds, so the accepting thread does it itself.
class InlineQueue final : public httplib::TaskQueue {
 public:
  bool enqueue(std::function<void()> job) override {
    job();
    return true;
  }
  void shutdown() override {}
};

/// A body's pieces, sent in portions of kPortion.
class CollectingWriter final : public BodyWriter {
 public:
  CollectingWriter(httplib::DataSink& sink, std::stop_source stop) : sink_(sink), stop_(std::move(stop)) {}
  bool write(std::string_view bytes) override {
    portion_.append(bytes);
    return portion_.size() < kPortion ? !broken_ && !stop_.stop_requested() : flush();
  }
  std::stop_token stop_token() const override { return stop_.get_token(); }
  bool flush() {
    broken_ =
        broken_ || stop_.stop_requested() || (!portion_.empty() && !sink_.write(portion_.data(), portion_.size()));
    portion_.clear();
    if (broken_) stop_.request_stop();
    return !broken_;
  }

 private:
  static constexpr size_t kPortion = 64 * 1024;
  httplib::DataSink& sink_;
  std::stop_source stop_;
  std::string portion_;
  bool broken_ = false;
};

/// Of the target as it came: the library drops what is repeated to the letter.
bool repeats_a_name(std::string_view target) {
  const size_t question = target.find('?');
  if (question == std::string_view::npos) return false;
  std::set<std::string_view> names;
  for (std::string_view rest = target.substr(question + 1); !rest.empty();) {
    const std::string_view piece = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), piece.size() + 1));
    if (!piece.empty() && !names.insert(piece.substr(0, piece.find('='))).second) return true;
  }
  return false;
}

/// Status line and header lines of a response that the library does not write.
std::string head_text(const Response& response) {
  std::string text = cat("HTTP/1.1 ", response.status, " ", httplib::status_message(response.status), "\r\n");
  for (const auto& [name, value] : response.headers.lines()) {
    if (!httplib::detail::fields::is_field_name(name) || !httplib::detail::fields::is_field_value(value)) continue;
    text += cat(name, ": ", value, "\r\n");
  }
  return text;
}

/// What the library's callbacks need of the request this thread serves; they get no context of their own.
struct Current {
  Connection* connection = nullptr;
  Exchange* exchange = nullptr;
  PreparedStream* stream = nullptr;
  bool keep = true;
  std::optional<EventStream> events;
  std::function<void(Reply)> later;
};
thread_local Current* t_current = nullptr;

}  // namespace

class Engine::Library final : public httplib::Server {
 public:
  Library(Config config, Watcher& watcher) : config_(std::move(config)), watcher_(watcher) {
    new_task_queue = [] { return new InlineQueue; };
    set_tcp_nodelay(true);
    set_trusted_proxies(config_.trusted_proxies);
    // Not SO_REUSEPORT, the library's default: a second server must not share our port in silence.
    set_socket_options([](socket_t sock) { httplib::set_socket_opt(sock, SOL_SOCKET, SO_REUSEADDR, 1); });
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      answer(request, response);
      return HandlerResponse::Handled;
    });
    set_post_routing_handler([](const httplib::Request&, httplib::Response& response) {
      response.headers.erase("Keep-Alive");
      response.headers.erase("Connection");
      if (!t_current->keep) response.set_header("Connection", "close");
    });
    set_error_logger([](const httplib::Error& error, const httplib::Request*) {
      log_line(LogLevel::debug, "http", httplib::to_string(error));
    });
  }

  Served serve(Connection& connection, bool close);
  std::chrono::milliseconds write_deadline() const { return config_.write_deadline; }

 private:
  bool process_and_close_socket(socket_t sock) override {
    config_.on_accept(sock);
    return true;
  }
  void answer(const httplib::Request& request, httplib::Response& response);
  void set_stream(const httplib::Request& request, httplib::Response& response, Response&& ours);
  void set_body(const httplib::Request& request, httplib::Response& response, Response&& ours);
  void set_events(const httplib::Request& request, httplib::Response& response, Response&& ours);
  void set_provider(const httplib::Request& request, httplib::Response& response, const std::string& type,
                    httplib::ContentProviderWithoutLength provider);

  Config config_;
  Watcher& watcher_;
};

Engine::Served Engine::Library::serve(Connection& connection, bool close) {
  PreparedStream stream(connection.fd, connection.request.head.text, config_.write_deadline);
  Exchange exchange{.socket = connection.fd, .stop = {}, .stream = nullptr};
  Current current{.connection = &connection, .exchange = &exchange, .stream = &stream, .keep = !close};
  t_current = &current;
  watcher_.add(exchange);
  bool connection_closed = false;
  const bool written = serve_guarded([&] {
    return process_request(stream, peer_ip(connection.fd), 0, "", 0, close, connection_closed,
                           [&](httplib::Request&) { current.keep = current.keep && !connection_closed; });
  });
  watcher_.remove(exchange);
  t_current = nullptr;
  connection.request.body.clear();
  if (!written) current.events.reset();
  return {written && current.keep && !connection_closed, std::move(current.events), std::move(current.later)};
}

void Engine::Library::answer(const httplib::Request& request, httplib::Response& response) {
  Request ours;
  ours.repeats_query = repeats_a_name(request.target);
  ours.method = request.method;
  ours.path = t_current->connection->request.head.path;
  for (const auto& [name, value] : request.params)
    ours.repeats_query |= !ours.query.emplace(name, value).second;
  for (const auto& [name, value] : request.headers)
    ours.headers.add(name, value);
  ours.body = std::move(t_current->connection->request.body);
  ours.remote_ip = request.remote_addr;
  ours.stop = t_current->exchange->stop.get_token();
  Response answer;
  config_.dispatch(ours, answer);
  if (answer.later) {
    // The library believes that it has answered; who replies later writes to the socket.
    t_current->stream->discard_rest();
    t_current->later = std::move(answer.later);
    return;
  }
  response.status = answer.status;
  for (const auto& [name, value] : answer.headers.lines())
    response.headers.emplace(name, value);
  if (answer.streamer) {
    set_stream(request, response, std::move(answer));
  } else if (answer.events) {
    set_events(request, response, std::move(answer));
  } else if (answer.body_writer) {
    set_body(request, response, std::move(answer));
  } else {
    response.body = std::move(answer.body);
  }
}

void Engine::Library::set_stream(const httplib::Request& request, httplib::Response& response, Response&& ours) {
  response.headers.erase("Content-Type");
  const auto provider = [this, write = std::move(ours.streamer)](size_t, httplib::DataSink& sink) {
    StreamWriter writer([&](std::string_view bytes) { return sink.write(bytes.data(), bytes.size()); },
                        t_current->exchange->stop);
    watcher_.set_stream(*t_current->exchange, &writer);
    try {
      write(writer);
    } catch (...) {
      watcher_.set_stream(*t_current->exchange, nullptr);
      throw;
    }
    watcher_.set_stream(*t_current->exchange, nullptr);
    sink.done();
    return true;
  };
  set_provider(request, response, "text/event-stream", provider);
}

void Engine::Library::set_body(const httplib::Request& request, httplib::Response& response, Response&& ours) {
  const std::string type = ours.headers.get("Content-Type");
  response.headers.erase("Content-Type");
  set_provider(request, response, type, [write = std::move(ours.body_writer)](size_t, httplib::DataSink& sink) {
    CollectingWriter writer(sink, t_current->exchange->stop);
    write(writer);
    if (!writer.flush()) return false;
    sink.done();
    return true;
  });
}

// The library writes the head and believes that the body was written too; the event loop takes over from there.
void Engine::Library::set_events(const httplib::Request& request, httplib::Response& response, Response&& ours) {
  response.headers.erase("Content-Type");
  const bool chunked = request.version == "HTTP/1.1";
  const auto box = std::make_shared<EventStream>(EventStream{std::move(ours.events), chunked});
  set_provider(request, response, "text/event-stream", [box](size_t, httplib::DataSink& sink) {
    t_current->stream->discard_rest();
    t_current->events = std::move(*box);
    sink.done();
    return true;
  });
}

void Engine::Library::set_provider(const httplib::Request& request, httplib::Response& response,
                                   const std::string& type, httplib::ContentProviderWithoutLength provider) {
  if (request.version == "HTTP/1.1") {
    response.set_chunked_content_provider(type, std::move(provider));
  } else {
    t_current->keep = false;
    response.set_content_provider(type, std::move(provider));
  }
}

std::string Engine::head_of_events(const Response& response, bool chunked, bool keep) {
  return cat(head_text(response), "Content-Type: text/event-stream\r\n",
             chunked ? "Transfer-Encoding: chunked\r\n" : "", keep && chunked ? "" : "Connection: close\r\n", "\r\n");
}

std::optional<std::string> Engine::write_now(Connection& connection, const Response& response, bool keep) {
  const std::string bytes = cat(head_text(response), keep ? "" : "Connection: close\r\n",
                                "Content-Length: ", response.body.size(), "\r\n\r\n", response.body);
  const ssize_t sent = ::send(connection.fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return std::nullopt;
  return bytes.substr(static_cast<size_t>(std::max<ssize_t>(sent, 0)));
}

bool Engine::write_rest(Connection& connection, std::string_view bytes) {
  PreparedStream stream(connection.fd, "", library_->write_deadline());
  return stream.write(bytes.data(), bytes.size()) >= 0;
}

Engine::Engine(Config config, Watcher& watcher) : library_(std::make_unique<Library>(std::move(config), watcher)) {}
Engine::~Engine() = default;

int Engine::bind(const std::string& host, int port) {
  const int bound = port == 0 ? library_->bind_to_any_port(host) : (library_->bind_to_port(host, port) ? port : -1);
  if (bound <= 0) {
    throw StorageError(cat("[http server] must bind ", host, " port ", port, ", but the system refuses."),
                       "Choose another --port, or stop the program that holds it.");
  }
  return bound;
}

void Engine::listen() {
  library_->listen_after_bind();
}
void Engine::stop() {
  library_->stop();
}
Engine::Served Engine::serve(Connection& connection, bool close) {
  return library_->serve(connection, close);
}

}  // namespace afina::http
