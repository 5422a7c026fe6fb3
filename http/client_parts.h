// SPDX-License-Identifier: Apache-2.0
// What the blocking client and the one on an event loop have in common. Internal to http/.
#pragma once
#include <exception>
#include <optional>
#include <string>

#include "http/client.h"
#include "http/sse.h"

namespace afina::http {

struct Address {
  std::string origin;  ///< "https://host:port"
  std::string prefix;  ///< "" or "/v1"
};
/// Throws UsageError.
Address split_base_url(const std::string& url);

/// The error of an answer that is no success, named as named_error does.
UpstreamError refusal(const std::string& origin, const ClientResponse& response);

/// In [0, 1), for the jitter of retries.
double random_unit();

/// An answer that should be an event stream: reads it, or keeps the body of a refusal. One thread.
class StreamedAnswer {
 public:
  StreamedAnswer(std::string origin, SseParser::OnEvent on_event)
      : origin_(std::move(origin)), on_event_(std::move(on_event)) {}
  StreamedAnswer(const StreamedAnswer&) = delete;
  StreamedAnswer& operator=(const StreamedAnswer&) = delete;
  /// At every attempt's head. Throws UpstreamError (nonsense) for a success that is no event stream.
  void begin(const ClientResponse& head);
  /// False ends the call without an error. Throws DataError for what is no event stream.
  bool take(std::string_view bytes);
  /// False once an event was handed over.
  const bool& may_repeat() const { return may_repeat_; }
  /// After the last attempt; failed: what it threw, or null. Throws unless the stream said [DONE] or was stopped.
  void finish(ClientResponse& response, std::exception_ptr failed);

 private:
  std::string origin_;
  SseParser::OnEvent on_event_;
  std::optional<SseParser> parser_;
  std::string error_body_;
  bool may_repeat_ = true, finished_ = false, is_stream_ = false;
};

}  // namespace afina::http
