// SPDX-License-Identifier: Apache-2.0
// The OpenAI-compatible side of the collector: requests of any client go to an upstream by its name, or blind to two of
// which one is shown; everything is logged as conversations; feedback comes back by completion id.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "collector/proxy/alarms.h"
#include "collector/proxy/ask.h"
#include "collector/proxy/chat_request.h"
#include "collector/proxy/pending_pairs.h"
#include "collector/services.h"
#include "storage/events/completions.h"

namespace afina::collector {

/// One side of a request.
struct ProxySide {
  size_t upstream = 0;  ///< index into the config's
  std::string generation_id;
  int slot = 0;
  uint32_t seed = 0;
  Json body;  ///< as sent
};

/// One request from its log entry to its answer. Shared by the two sides of a blind comparison.
struct ProxyExchange {
  ChatRequest request;
  std::string visitor_id, workspace_id, message_id;
  storage::PromptPlace place;
  ProxySide shown;
  std::optional<ProxySide> hidden;
  storage::BlindPair pair;
  int64_t created = 0;
  std::shared_ptr<void> taken;   ///< the place of the shown side, given back before its end is told
  std::atomic<int> unlogged{1};  ///< sides that are still being made
  std::shared_ptr<void> making;  ///< of a comparison, until both are logged
  std::mutex mutex;              ///< of attempt and of pair's leaks
  std::optional<int> attempt;    ///< once the first answer is logged

  std::string completion_id() const { return cat("chatcmpl-", shown.generation_id); }
};

/// Trips once one of two others does.
class EitherStop {
 public:
  EitherStop(std::stop_token a, std::stop_token b) : a_(std::move(a), Trip{source_}), b_(std::move(b), Trip{source_}) {}
  std::stop_token token() const { return source_.get_token(); }

 private:
  struct Trip {
    std::stop_source source;
    void operator()() { source.request_stop(); }
  };
  std::stop_source source_;
  std::stop_callback<Trip> a_, b_;
};

/// Thread-safe. Outlives the server's threads that use it; services outlive it.
class ProxyService {
 public:
  explicit ProxyService(Services& services);
  /// Stops the services' jobs: the answers that are being made are logged as far as they came.
  ~ProxyService() { services_.jobs.stop(); }
  ProxyService(const ProxyService&) = delete;
  ProxyService& operator=(const ProxyService&) = delete;

  void chat(const Actor& actor, const http::Request& request, http::Response& response);
  void models(http::Response& response) const;
  void model(const std::string& name, http::Response& response) const;
  void feedback(const Actor& actor, const http::Request& request, http::Response& response);

 private:
  using OnChunk = std::function<bool(const Json&)>;
  /// What came, and null or why it was not logged.
  using OnLogged = std::function<void(const std::shared_ptr<const UpstreamAnswer>&, const std::exception_ptr&)>;

  std::shared_ptr<ProxyExchange> begin(const Actor& actor, ChatRequest request);
  void choose(ProxyExchange& exchange);
  ProxySide side(const ProxyExchange& exchange, size_t upstream, int slot) const;

  // answers.cpp
  /// Asks one side, logs what came, tells. side is of the exchange.
  void run_side(const std::shared_ptr<ProxyExchange>& exchange, const ProxySide& side, OnChunk on_chunk,
                std::stop_token stop, OnLogged on_logged);
  void start_hidden(const std::shared_ptr<ProxyExchange>& exchange, std::shared_ptr<void> place);
  void answer_whole(const std::shared_ptr<ProxyExchange>& exchange, http::Response& response);
  void answer_stream(const std::shared_ptr<ProxyExchange>& exchange, http::Response& response);
  storage::LoggedAnswers rows_of(const ProxyExchange& exchange, const ProxySide& side,
                                 const UpstreamAnswer& answer) const;
  /// Commits one side's answers, and the pair once both are there. Throws NotFound for a conversation withdrawn since.
  void log(ProxyExchange& exchange, const ProxySide& side, const storage::LoggedAnswers& answers);
  Json model_json(const std::string& name) const;

  Services& services_;
  const int64_t started_;
  std::atomic<int> shown_{0}, hidden_{0};  ///< being made now, at most config.max_turns each; above: 503
  PendingPairs pending_;
  Alarms alarms_;
};

}  // namespace afina::collector
