// SPDX-License-Identifier: Apache-2.0
// Streams of events that hold no thread: a client's place in a source, pulled by the server's event loop whenever the
// socket takes more. A slow client stays behind in the source instead of growing a buffer of its own.
#pragma once
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

namespace afina::http {

/// One client's place. Made by a handler, then used by the loop's thread alone, which also ends it.
class EventReader {
 public:
  EventReader() = default;
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;
  /// After it no ring is called any more. Runs once the client has left, everything was sent, or the server stops.
  virtual ~EventReader() = default;
  /// Appends whole events (format_sse_event), about max_bytes of them; none where there are none yet. False once there
  /// will be none any more. Must not block for long; what it throws cuts the client off.
  virtual bool pull(std::string& out, size_t max_bytes) = 0;
  /// Called once, before the first pull. From then on the reader calls `ring` from any thread whenever pull may give
  /// more; ring is cheap, never blocks and never calls back.
  virtual void on_news(std::function<void()> ring) = 0;
};

/// From one producer to one client, through a bounded queue: for events that are made for this client alone.
/// Thread-safe.
class EventPipe {
 public:
  /// A client that lets more than this many bytes pile up is cut off.
  explicit EventPipe(size_t max_bytes = 1 << 20);
  ~EventPipe();
  EventPipe(const EventPipe&) = delete;
  EventPipe& operator=(const EventPipe&) = delete;

  /// For Response::stream_events; once.
  std::unique_ptr<EventReader> reader();
  /// False once the client is gone: then stop.
  bool push(std::string_view data, std::string_view event = {}, std::string_view id = {});
  /// No more events; what is queued is still sent.
  void finish();
  /// Tripped when the client has left, or was cut off.
  std::stop_token stop_token() const;

 private:
  struct Shared;
  class Reader;
  std::shared_ptr<Shared> shared_;
};

}  // namespace afina::http
