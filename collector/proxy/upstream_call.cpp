// SPDX-License-Identifier: Apache-2.0
#include "collector/proxy/upstream_call.h"

#include "base/clock.h"
#include "collector/upstream_request.h"

namespace afina::collector {
namespace {

constexpr JsonLimits kChunkLimits{.max_depth = 32, .max_elements = 500'000};

constexpr size_t kMaxResponseBytes = size_t{64} << 20;

}  // namespace

UpstreamCall::UpstreamCall(const UpstreamConfig& config)
    : path_(completions_path(config.base_url)), client_(client_options(config, kMaxResponseBytes)) {}

UpstreamAnswer UpstreamCall::ask(const Json& body, const std::function<bool(const Json&)>& on_chunk,
                                 std::stop_token stop) const {
  UpstreamAnswer answer;
  const Stopwatch watch;
  const auto take = [&](const http::SseEvent& event) {
    if (event.data == "[DONE]") return false;
    Json chunk;
    try {
      chunk = parse_json(event.data, "upstream event", kChunkLimits);
    } catch (const DataError&) {
      throw http::UpstreamError(http::UpstreamFault::nonsense,
                                "[upstream] must answer in OpenAI's form, but an event is no JSON.");
    }
    answer.said.take(chunk);
    if (!answer.first_piece_ms && answer.said.count() > 0) answer.first_piece_ms = watch.seconds() * 1000;
    if (on_chunk(chunk)) return true;
    answer.error = "interrupted";
    return false;
  };
  try {
    client_.post_stream(path_, body, take, stop);
    if (answer.error.empty() && answer.said.count() == 0) answer.error = "upstream_empty";
  } catch (const http::UpstreamError& fault) {
    answer.error = error_word(fault);
    answer.error_detail = fault.what();
    answer.upstream_status = fault.upstream_status();
  } catch (const Cancelled&) {
    answer.error = "interrupted";
  }
  answer.total_ms = watch.seconds() * 1000;
  return answer;
}

}  // namespace afina::collector
