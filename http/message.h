// SPDX-License-Identifier: Apache-2.0
// What a handler sees and says: plain values, no sockets and no HTTP library. Bodies of requests are whole (read under
// a cap and a deadline before the handler runs); responses may stream, as server-sent events or as a body of unknown
// length.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "http/event_reader.h"

namespace afina::http {

/// Header lines in order; names compare without case.
class Headers {
 public:
  /// The first value of that name, or null.
  const std::string* find(std::string_view name) const;
  /// The first value of that name, or "".
  std::string get(std::string_view name) const;
  /// Replaces every line of that name.
  void set(std::string name, std::string value);
  void add(std::string name, std::string value) { lines_.emplace_back(std::move(name), std::move(value)); }
  const std::vector<std::pair<std::string, std::string>>& lines() const { return lines_; }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

/// ASCII case-insensitive equality, as header names and hosts compare.
bool equal_without_case(std::string_view a, std::string_view b);
/// Without the blanks and tabs around it (OWS of RFC 9110).
std::string_view trimmed(std::string_view text);

struct Request {
  std::string method;  ///< upper case
  std::string path;    ///< percent-decoded, begins with '/', valid UTF-8 without control characters
  std::map<std::string, std::string> params;  ///< {name} parts of the route
  std::map<std::string, std::string> query;   ///< percent-decoded; a name that comes twice is refused with 400
  Headers headers;
  std::string body;
  std::string remote_ip;       ///< of the peer, or of the client where the peer is a trusted proxy
  bool repeats_query = false;  ///< for the server: a name of the query came twice
  std::stop_token stop;  ///< tripped when the client has left (noticed within about a second): long work may end early
  std::string request_id;  ///< UUIDv7, also in the response's X-Request-Id and in log lines

  /// A {name} part of the route. Throws InternalError where the route has none of that name.
  const std::string& param(const std::string& name) const;
  /// A query value, or nothing.
  std::optional<std::string> query_value(const std::string& name) const;
  /// The value of that cookie, or "".
  std::string cookie(std::string_view name) const;
  /// The body as JSON, depth at most 16. Throws DataError; an empty body is one too.
  Json json() const;
};

/// Writes events to one client. Thread-safe; every call is bounded in time.
class SseWriter {
 public:
  SseWriter() = default;
  SseWriter(const SseWriter&) = delete;
  SseWriter& operator=(const SseWriter&) = delete;
  virtual ~SseWriter() = default;
  /// One event; data may hold line breaks. False once the client is gone: then stop.
  virtual bool send(std::string_view data, std::string_view event = {}, std::string_view id = {}) = 0;
  /// Tripped when the client has left or the server drains. Heartbeats find a vanished client within about a second.
  virtual std::stop_token stop_token() const = 0;
};

/// Writes a body of unknown length to one client, from one thread. Small pieces are collected into larger ones.
class BodyWriter {
 public:
  BodyWriter() = default;
  BodyWriter(const BodyWriter&) = delete;
  BodyWriter& operator=(const BodyWriter&) = delete;
  virtual ~BodyWriter() = default;
  /// Bounded in time: a client that takes nothing for the server's write_deadline, or reads slower than 32 KiB/s on the
  /// whole, counts as gone. False once the client is gone: then stop.
  virtual bool write(std::string_view bytes) = 0;
  /// Tripped when the client has left (noticed within about a second) or the server cuts off what has not ended.
  virtual std::stop_token stop_token() const = 0;
};

struct Response;
/// Ends a request that is answered later: runs `make`, which fills a fresh response (of streams only stream_events())
/// or throws what a handler may throw, and sends it. Any thread; the first call counts. Where no copy is ever called,
/// the client hears 500.
using Reply = std::function<void(const std::function<void(Response&)>& make)>;

struct Response {
  int status = 200;
  Headers headers;  ///< Content-Type among them
  std::string body;
  std::function<void(Reply)> later;              ///< set by answer_later()
  std::function<void(SseWriter&)> streamer;      ///< set by stream()
  std::function<void(BodyWriter&)> body_writer;  ///< set by stream_body()
  std::shared_ptr<EventReader> events;           ///< set by stream_events()

  /// status and `application/json` body.
  void set_json(const Json& value, int new_status = 200);
  void set_json(const OrderedJson& value, int new_status = 200);
  /// A body of that type, such as "text/html; charset=utf-8".
  void set_body(std::string content, std::string content_type, int new_status = 200);
  /// Answers with server-sent events: `write` runs on a stream thread after the handler has returned and the headers
  /// were sent, so what it captures must own itself. It may throw: an `{"error":…}` event is sent, then the stream
  /// closes.
  void stream(std::function<void(SseWriter&)> write) { streamer = std::move(write); }
  /// Answers with server-sent events that hold no thread: the server's event loop pulls them once the headers were
  /// sent, under the server's max_event_streams (503 above it).
  void stream_events(std::unique_ptr<EventReader> reader) { events = std::move(reader); }
  /// Answers when `begin`'s Reply is called: until then the request holds no thread. `begin` runs once the handler has
  /// returned, on its thread; it must own what it captures and not wait. Headers set by the handler are not sent.
  void answer_later(std::function<void(Reply)> begin) { later = std::move(begin); }
  /// Answers with a body of that type whose length nobody knows before (chunked for HTTP/1.1). `write` runs after the
  /// handler has returned and the headers were sent, under the server's max_bodies (503 above it). Where it throws, the
  /// connection is cut without the last chunk, so that no client takes the part for the whole.
  void stream_body(std::string content_type, std::function<void(BodyWriter&)> write) {
    headers.set("Content-Type", std::move(content_type));
    body_writer = std::move(write);
  }
};

using Handler = std::function<void(const Request&, Response&)>;

/// An error with an HTTP status of its own and, where given, an OpenAI error code and parameter. The server's error
/// writer honours all of them.
class HttpError : public Error {
 public:
  HttpError(ErrorKind kind, int status, const std::string& message, std::string code = "", int retry_after_s = 0,
            std::string param = "")
      : Error(kind, message),
        status_(status),
        retry_after_s_(retry_after_s),
        code_(std::move(code)),
        param_(std::move(param)) {}
  int status() const { return status_; }
  const std::string& code() const { return code_; }
  /// Seconds for Retry-After; 0: no such header.
  int retry_after_s() const { return retry_after_s_; }
  /// The field of the request that is at fault; "" where none is.
  const std::string& param() const { return param_; }

 private:
  int status_, retry_after_s_;
  std::string code_, param_;
};

}  // namespace afina::http
