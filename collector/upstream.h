// SPDX-License-Identifier: Apache-2.0
// One model behind an OpenAI-compatible server: asks for a streamed chat completion and reads what comes back as
// hostile input. No thread waits: pieces come on the client's thread. Source: OpenAI chat completions; the `afina`
// object of `afina serve` is passed on as it came.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "collector/config.h"
#include "collector/streams/breaker.h"
#include "http/async_client.h"

namespace afina::collector {

struct ChatMessage {
  std::string role;  ///< system, user or assistant
  std::string content;
};

/// What became of one request. error is "" for an answer, else one of the words upstream_down, upstream_slow,
/// upstream_nonsense, upstream_refused, upstream_busy, upstream_empty, interrupted; then text is what came before it.
struct Completion {
  std::string text;
  std::string finish_reason;
  std::string error;
  std::string error_detail;  ///< for the log, never for the page
  std::optional<int> prompt_tokens, completion_tokens;
  std::optional<int> first_piece_ms;
  int total_ms = 0;
  Json afina;  ///< extension object of `afina serve`, else null
};

/// Longest answer taken, in bytes; more is nonsense.
inline constexpr size_t kMaxAnswerBytes = 256 * 1024;

/// Reads the events of one stream. Not thread-safe; the test drives it without a network.
class ChunkReader {
 public:
  using OnPiece = std::function<void(std::string_view)>;
  explicit ChunkReader(OnPiece on_piece) : on_piece_(std::move(on_piece)) {}
  /// One event's data. False once the stream is over. Throws UpstreamError for nonsense and error objects.
  bool take(std::string_view data);
  Completion result;

 private:
  void take_choice(const Json& choice);
  OnPiece on_piece_;
};

/// Thread-safe.
class Upstream {
 public:
  /// Reads the secret. Throws UsageError.
  explicit Upstream(const UpstreamConfig& config);
  const UpstreamConfig& config() const { return config_; }

  /// The one way to this upstream: a streamed request with that body, through `client`. on_event returns false to end.
  /// on_end gets null for a whole stream, else UpstreamError, AddressRefused, UsageError, Cancelled or what on_event
  /// threw. Both run on the client's thread, on_end once and last; where the upstream is being left alone (breaker) on
  /// this one, with UpstreamError (down). This object lives until then.
  void ask(http::AsyncClient& client, const Json& body, http::SseParser::OnEvent on_event,
           std::function<void(std::exception_ptr)> on_end, std::stop_token stop) const;
  /// ask() for a conversation. Nothing is thrown for what the upstream does: see Completion::error.
  void start(http::AsyncClient& client, const std::vector<ChatMessage>& messages, uint32_t seed,
             ChunkReader::OnPiece on_piece, std::function<void(Completion)> on_end, std::stop_token stop) const;
  /// Where this upstream stands; other requests to it may ask and report too.
  CircuitBreaker& breaker() const { return breaker_; }
  /// The request's sampling part, as it is stored with the generation.
  Json sampling(uint32_t seed) const;

 private:
  UpstreamConfig config_;
  std::string path_;
  std::shared_ptr<const http::Endpoint> endpoint_;
  mutable CircuitBreaker breaker_;  // has a lock of its own
};

}  // namespace afina::collector
