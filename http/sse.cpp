// SPDX-License-Identifier: Apache-2.0
#include "http/sse.h"

#include <utility>

#include "base/error.h"
#include "base/utf8.h"

namespace afina::http {

SseParser::SseParser(OnEvent on_event, size_t max_event_bytes)
    : on_event_(std::move(on_event)), max_event_bytes_(max_event_bytes) {}

bool SseParser::push(std::string_view bytes) {
  while (!stopped_ && !bytes.empty()) {
    if (last_was_cr_) {
      last_was_cr_ = false;
      if (bytes.front() == '\n') bytes.remove_prefix(1);
      continue;
    }
    const size_t end = bytes.find_first_of("\r\n");
    const std::string_view piece = bytes.substr(0, end);
    if (line_.size() + piece.size() + data_.size() > max_event_bytes_) {
      throw DataError(cat("[event stream] an event must be at most ", max_event_bytes_, " bytes, but got more."));
    }
    line_.append(piece);
    if (end == std::string_view::npos) break;
    last_was_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(line_, {});
    if (!take_line(line)) stopped_ = true;
  }
  return !stopped_;
}

bool SseParser::take_line(std::string_view line) {
  if (at_start_ && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  at_start_ = false;
  if (line.empty()) return dispatch();
  const size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (name == "data") {
    if (has_data_) data_ += '\n';
    data_.append(value);
    has_data_ = true;
  } else if (name == "event") {
    event_ = value;
  } else if (name == "id" && value.find('\0') == std::string_view::npos) {
    id_ = value;
  }
  return true;
}

bool SseParser::dispatch() {
  SseEvent event{std::exchange(event_, {}), std::exchange(data_, {}), id_};
  if (!std::exchange(has_data_, false)) return true;
  if (!is_valid_utf8(event.data)) throw DataError("[event stream] an event's data must be UTF-8, but got other bytes.");
  if (event.event.empty()) event.event = "message";
  return on_event_(event);
}

std::string format_sse_event(std::string_view data, std::string_view event, std::string_view id) {
  const auto one_line = [](std::string_view text) { return text.substr(0, text.find_first_of("\r\n")); };
  std::string out;
  out.reserve(data.size() + 16);
  if (!event.empty()) out.append("event: ").append(one_line(event)).append("\n");
  if (!id.empty()) out.append("id: ").append(one_line(id)).append("\n");
  for (;;) {
    const size_t end = data.find_first_of("\r\n");
    out.append("data: ").append(data.substr(0, end)).append("\n");
    if (end == std::string_view::npos) break;
    const bool crlf = data.substr(end).starts_with("\r\n");
    data.remove_prefix(end + (crlf ? 2 : 1));
  }
  return out.append("\n");
}

}  // namespace afina::http
