// SPDX-License-Identifier: Apache-2.0
#include "collector/upstream.h"

#include <algorithm>

#include "base/cat.h"
#include "base/clock.h"
#include "collector/upstream_request.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxResponseBytes = size_t{32} << 20;

[[noreturn]] void nonsense(const std::string& what) {
  throw http::UpstreamError(http::UpstreamFault::nonsense,
                            cat("[upstream] must answer in OpenAI's form, but ", what, "."));
}

/// What a request's end says about the server, not about the request: a refusal or too many requests come from one
/// that works.
CircuitBreaker::Outcome outcome_of(const std::exception_ptr& error) {
  if (!error) return CircuitBreaker::Outcome::success;
  try {
    std::rethrow_exception(error);
  } catch (const http::UpstreamError& upstream) {
    if (upstream.upstream_status() == 429) return CircuitBreaker::Outcome::neither;
    const bool refused = upstream.fault() == http::UpstreamFault::refused;
    return refused && upstream.upstream_status() < 500 ? CircuitBreaker::Outcome::success
                                                       : CircuitBreaker::Outcome::failure;
  } catch (...) {
    return CircuitBreaker::Outcome::neither;
  }
}

std::optional<int> count_of(const Json& usage, const char* key) {
  const auto found = usage.find(key);
  if (found == usage.end() || !found->is_number_unsigned() || found->get<uint64_t>() > 100'000'000) return std::nullopt;
  return found->get<int>();
}

/// One request while it is answered; the client's thread.
struct Run {
  explicit Run(ChunkReader::OnPiece on_piece)
      : reader([this, on_piece = std::move(on_piece)](std::string_view piece) {
          if (!first_piece_ms) first_piece_ms = elapsed_ms();
          on_piece(piece);
        }) {}
  int elapsed_ms() const { return static_cast<int>(watch.seconds() * 1000); }
  Completion finish(const std::exception_ptr& error);

  Stopwatch watch;
  std::optional<int> first_piece_ms;
  ChunkReader reader;
};

Completion Run::finish(const std::exception_ptr& error) {
  Completion completion = std::move(reader.result);
  completion.first_piece_ms = first_piece_ms;
  completion.total_ms = elapsed_ms();
  try {
    if (error) std::rethrow_exception(error);
    if (completion.text.find_first_not_of(" \t\r\n") == std::string::npos) completion.error = "upstream_empty";
  } catch (const http::UpstreamError& fault) {
    completion.error = error_word(fault);
    completion.error_detail = fault.what();
  } catch (const Cancelled&) {
    completion.error = "interrupted";
  } catch (const std::exception& other) {
    completion.error = "upstream_down";  // a forbidden address, or none
    completion.error_detail = other.what();
  }
  return completion;
}

/// PostgreSQL's text cannot hold U+0000.
std::string without_nul(std::string text) {
  for (size_t at = text.find('\0'); at != std::string::npos; at = text.find('\0', at))
    text.replace(at, 1, "\uFFFD");
  return text;
}

}  // namespace

bool ChunkReader::take(std::string_view data) {
  if (data == "[DONE]") return false;
  Json chunk;
  try {
    chunk = parse_json(data, "upstream event", {.max_depth = 16, .max_elements = 500'000});
  } catch (const DataError&) {
    nonsense("an event is no JSON");  // the parser's words would bring a piece of the answer into the log
  }
  if (!chunk.is_object()) nonsense("an event is no object");
  if (const auto error = chunk.find("error"); error != chunk.end() && !error->is_null()) {
    throw http::UpstreamError(http::UpstreamFault::refused,
                              cat("[upstream] must go on, but sent an error", http::named_error(*error), "."));
  }
  if (const auto usage = chunk.find("usage"); usage != chunk.end() && usage->is_object()) {
    result.prompt_tokens = count_of(*usage, "prompt_tokens");
    result.completion_tokens = count_of(*usage, "completion_tokens");
  }
  if (const auto ours = chunk.find("afina"); ours != chunk.end() && ours->is_object()) {
    if (!result.afina.is_object()) result.afina = Json::object();
    result.afina.update(*ours);
  }
  const auto choices = chunk.find("choices");
  if (choices == chunk.end() || choices->is_null()) return true;
  if (!choices->is_array()) nonsense("choices is no list");
  for (const Json& choice : *choices)
    take_choice(choice);
  return true;
}

void ChunkReader::take_choice(const Json& choice) {
  if (!choice.is_object()) nonsense("a choice is no object");
  if (choice.value("index", Json(0)) != Json(0)) return;
  if (const auto ours = choice.find("afina"); ours != choice.end() && ours->is_object()) result.afina = *ours;
  if (const auto reason = choice.find("finish_reason"); reason != choice.end() && reason->is_string()) {
    result.finish_reason = reason->get<std::string>().substr(0, 40);
  }
  const auto delta = choice.find("delta");
  if (delta == choice.end() || !delta->is_object()) return;
  const auto content = delta->find("content");
  if (content == delta->end() || content->is_null()) return;
  if (!content->is_string()) nonsense("content is no string");
  const std::string piece = without_nul(content->get<std::string>());
  if (piece.empty()) return;
  if (result.text.size() + piece.size() > kMaxAnswerBytes) nonsense("the answer has no end");
  result.text += piece;
  on_piece_(piece);
}

Upstream::Upstream(const UpstreamConfig& config)
    : config_(config),
      path_(completions_path(config.base_url)),
      endpoint_(std::make_shared<const http::Endpoint>(
          http::Endpoint{client_options(config, kMaxResponseBytes), address_policy(config)})),
      breaker_(config.name, config.breaker_failures, std::chrono::seconds(config.breaker_seconds)) {
  if (config_.model.empty()) config_.model = config_.name;
}

Json Upstream::sampling(uint32_t seed) const {
  return {{"temperature", config_.temperature},
          {"top_p", config_.top_p},
          {"max_tokens", config_.max_tokens},
          {"seed", seed}};
}

void Upstream::ask(http::AsyncClient& client, const Json& body, http::SseParser::OnEvent on_event,
                   std::function<void(std::exception_ptr)> on_end, std::stop_token stop) const {
  if (!breaker_.allow()) {
    return on_end(std::make_exception_ptr(
        http::UpstreamError(http::UpstreamFault::down, "[upstream] failed too often and is left alone for a while.")));
  }
  http::AsyncCall call;
  call.endpoint = endpoint_;
  call.path = path_;
  call.body = dump_json(body);
  call.stop = std::move(stop);
  client.post_stream(std::move(call), std::move(on_event),
                     [this, on_end = std::move(on_end)](const std::exception_ptr& error) {
                       breaker_.report(outcome_of(error));
                       on_end(error);
                     });
}

void Upstream::start(http::AsyncClient& client, const std::vector<ChatMessage>& messages, uint32_t seed,
                     ChunkReader::OnPiece on_piece, std::function<void(Completion)> on_end,
                     std::stop_token stop) const {
  Json body = sampling(seed);
  body["model"] = config_.model;
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  body["messages"] = Json::array();
  for (const ChatMessage& message : messages) {
    body["messages"].push_back({{"role", message.role}, {"content", message.content}});
  }
  const auto run = std::make_shared<Run>(std::move(on_piece));
  ask(
      client, body, [run](const http::SseEvent& event) { return run->reader.take(event.data); },
      [run, on_end = std::move(on_end)](const std::exception_ptr& error) { on_end(run->finish(error)); },
      std::move(stop));
}

}  // namespace afina::collector
