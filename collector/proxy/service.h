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

#include "collector/proxy/chat_request.h"
#include "collector/proxy/upstream_call.h"
#include "collector/services.h"
#include "http/worker_pool.h"
#include "storage/events/completions.h"

namespace afina::collector {

/// Requests being answered at one time; above: 503. Whole answers hold a worker of the server, so they have less.
inline constexpr int kMaxProxyStreams = 64, kMaxProxyWholes = 12;

/// One side of a request.
struct ProxySide {
  size_t upstream = 0;  ///< index into the config's
  std::string generation_id;
  int slot = 0;
  uint32_t seed = 0;
  Json body;  ///< as sent
};

/// One request from its log entry to its answer. Shared by the two threads of a blind comparison.
struct ProxyExchange {
  ChatRequest request;
  std::string visitor_id, workspace_id, message_id;
  storage::PromptPlace place;
  ProxySide shown;
  std::optional<ProxySide> hidden;
  storage::BlindPair pair;
  int64_t created = 0;
  std::mutex mutex;            ///< of attempt
  std::optional<int> attempt;  ///< once the first answer is logged

  std::string completion_id() const { return cat("chatcmpl-", shown.generation_id); }
};

/// Thread-safe. Outlives the server's threads that use it; services outlive it.
class ProxyService {
 public:
  explicit ProxyService(Services& services);
  ~ProxyService();
  ProxyService(const ProxyService&) = delete;
  ProxyService& operator=(const ProxyService&) = delete;

  void chat(const Actor& actor, const http::Request& request, http::Response& response);
  void models(http::Response& response) const;
  void model(const std::string& name, http::Response& response) const;
  void feedback(const Actor& actor, const http::Request& request, http::Response& response);

 private:
  std::shared_ptr<ProxyExchange> begin(const Actor& actor, ChatRequest request);
  void choose(ProxyExchange& exchange);
  ProxySide side(const ProxyExchange& exchange, size_t upstream, int slot) const;
  void start_hidden(const std::shared_ptr<ProxyExchange>& exchange);
  /// Commits one side's answers, and the pair once both are there. Throws NotFound for a conversation withdrawn since.
  void log(ProxyExchange& exchange, const ProxySide& side, const UpstreamAnswer& answer);
  void answer_whole(const std::shared_ptr<ProxyExchange>& exchange, std::stop_token stop, http::Response& response);
  void answer_stream(const std::shared_ptr<ProxyExchange>& exchange, std::shared_ptr<void> place,
                     http::Response& response);
  Json model_json(const std::string& name) const;

  Services& services_;
  std::vector<std::unique_ptr<UpstreamCall>> calls_;
  const int64_t started_;
  std::atomic<int> streams_{0}, wholes_{0};
  std::stop_source stop_;
  http::WorkerPool hidden_;  ///< the halves nobody waits for
};

/// feedback.cpp. Throws HttpError.
Json take_feedback(Services& services, const Actor& actor, const http::Request& request);

}  // namespace afina::collector
