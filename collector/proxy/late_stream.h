// SPDX-License-Identifier: Apache-2.0
// A stream of events whose head goes out with its first event: until then it may still become a refusal with a status
// of its own, as the same request without a stream would.
#pragma once
#include <atomic>
#include <exception>
#include <memory>
#include <stop_token>
#include <string>

#include "http/event_reader.h"
#include "http/message.h"

namespace afina::collector {

/// Thread-safe.
class LateStream {
 public:
  /// id: for the log, where an error has no words for the client.
  LateStream(http::Reply reply, std::string id) : reply_(std::move(reply)), id_(std::move(id)) {}
  LateStream(const LateStream&) = delete;
  LateStream& operator=(const LateStream&) = delete;

  /// Sends the head now, so that whoever stands between sees an answer. Nothing where it was sent.
  void begin();
  /// An event, after the head. False once the client is gone.
  bool push(const std::string& data);
  void finish() { pipe_.finish(); }
  /// Ends with the error: as the answer where the head was not sent, else as the last event, in OpenAI's form.
  void fail(const std::exception_ptr& error);
  /// Tripped when the client has left, which is noticed once the head was sent.
  std::stop_token stop_token() const { return pipe_.stop_token(); }

 private:
  http::EventPipe pipe_;
  http::Reply reply_;
  const std::string id_;
  std::atomic<bool> begun_{false};
};

}  // namespace afina::collector
