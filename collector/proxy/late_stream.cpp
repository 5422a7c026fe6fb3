// SPDX-License-Identifier: Apache-2.0
#include "collector/proxy/late_stream.h"

#include "http/server.h"

namespace afina::collector {

void LateStream::begin() {
  if (begun_.exchange(true)) return;
  reply_([this](http::Response& response) {
    response.headers.set("X-Accel-Buffering", "no");
    response.stream_events(pipe_.reader());
  });
}

bool LateStream::push(const std::string& data) {
  const bool taken = pipe_.push(data);
  begin();
  return taken;
}

void LateStream::fail(const std::exception_ptr& error) {
  if (!begun_.exchange(true)) {
    return reply_([&](http::Response&) { std::rethrow_exception(error); });
  }
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& told) {
    pipe_.push(dump_json(http::error_json(told, id_, http::ErrorForm::openai)));
  }
  pipe_.finish();
}

}  // namespace afina::collector
