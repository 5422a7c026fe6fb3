// SPDX-License-Identifier: Apache-2.0
// Server-sent events, read and written (WHATWG HTML §9.2). The parser takes bytes in any pieces; lines may end with CR,
// LF or CRLF; a code point may be split across pieces; memory is bounded.
#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace afina::http {

struct SseEvent {
  std::string event;  ///< "message" where the stream names none
  std::string data;   ///< data lines joined with \n
  std::string id;     ///< last event id
};

/// Not thread-safe.
class SseParser {
 public:
  /// Returns false to stop: the rest of the input is ignored.
  using OnEvent = std::function<bool(const SseEvent&)>;
  explicit SseParser(OnEvent on_event, size_t max_event_bytes = 1 << 20);
  /// Feeds bytes. False once on_event asked to stop. Throws DataError for an event or line above max_event_bytes, or
  /// data that is not UTF-8. An unfinished event at the end of a stream is dropped, as the standard says.
  bool push(std::string_view bytes);

 private:
  bool take_line(std::string_view line);
  bool dispatch();

  OnEvent on_event_;
  size_t max_event_bytes_;
  std::string line_, event_, data_, id_;
  bool has_data_ = false, last_was_cr_ = false, stopped_ = false, at_start_ = true;
};

/// One event as bytes; data with line breaks becomes several data lines. event and id must hold no line break (they are
/// cut).
std::string format_sse_event(std::string_view data, std::string_view event = {}, std::string_view id = {});

}  // namespace afina::http
