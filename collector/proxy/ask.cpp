// SPDX-License-Identifier: Apache-2.0
#include "collector/proxy/ask.h"

#include "base/clock.h"
#include "collector/upstream_request.h"

namespace afina::collector {
namespace {

constexpr JsonLimits kChunkLimits{.max_depth = 32, .max_elements = 500'000};

/// One request while it is answered; the client's thread.
struct Run {
  bool take(const http::SseEvent& event);
  void finish(const std::exception_ptr& error);

  std::function<bool(const Json&)> on_chunk;
  UpstreamAnswer answer;
  Stopwatch watch;
};

bool Run::take(const http::SseEvent& event) {
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
}

void Run::finish(const std::exception_ptr& error) {
  answer.total_ms = watch.seconds() * 1000;
  try {
    if (error) std::rethrow_exception(error);
    if (answer.error.empty() && answer.said.count() == 0) answer.error = "upstream_empty";
  } catch (const http::UpstreamError& fault) {
    answer.error = error_word(fault);
    answer.error_detail = fault.what();
    answer.upstream_status = fault.upstream_status();
    answer.retry_after_s = fault.retry_after_s();
    answer.words = fault.words();
  } catch (const Cancelled&) {
    answer.error = "interrupted";
  } catch (const std::exception& other) {
    answer.error = "upstream_down";  // a forbidden address, or none
    answer.error_detail = other.what();
  }
}

}  // namespace

void ask_upstream(const Upstream& upstream, http::AsyncClient& client, const Json& body,
                  std::function<bool(const Json&)> on_chunk, std::function<void(UpstreamAnswer)> on_end,
                  std::stop_token stop) {
  const auto run = std::make_shared<Run>();
  run->on_chunk = std::move(on_chunk);
  upstream.ask(
      client, body, [run](const http::SseEvent& event) { return run->take(event); },
      [run, on_end = std::move(on_end)](const std::exception_ptr& error) {
        run->finish(error);
        run->on_chunk = nullptr;  // it holds the client's place
        on_end(std::move(run->answer));
      },
      std::move(stop));
}

}  // namespace afina::collector
