// SPDX-License-Identifier: Apache-2.0
// Sends the events of the outbox to webhooks: signed, without redirects, to public addresses only, at least once. What
// it holds when the program dies is taken up again when its lease ends, by this program or another one.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "http/async_client.h"
#include "storage/database.h"
#include "storage/events/webhooks.h"

namespace afina::collector {

struct DispatcherOptions {
  http::AddressPolicy policy;
  std::chrono::milliseconds poll{1'000};       ///< longest sleep between two looks at the table
  std::chrono::milliseconds deadline{15'000};  ///< of one delivery
  std::chrono::milliseconds lease{60'000};     ///< longer than the deadline
  int64_t max_open = 32;                       ///< deliveries on their way at one time
  int64_t max_open_of_host = 4;                ///< to one host: a slow receiver holds no other's places
  double backoff_scale = 1;                    ///< of the waits between tries; tests make them short
};

/// Wait after so many tries: 10 s doubling and more, ten tries in about 23 hours.
std::chrono::milliseconds webhook_backoff(int tries);
/// The body that is sent and signed.
std::string webhook_body(const storage::DueDelivery& delivery);

/// One thread of its own. The database outlives it.
class WebhookDispatcher {
 public:
  WebhookDispatcher(storage::Database& database, DispatcherOptions options);
  ~WebhookDispatcher();
  WebhookDispatcher(const WebhookDispatcher&) = delete;
  WebhookDispatcher& operator=(const WebhookDispatcher&) = delete;

 private:
  struct Outcome {
    storage::DueDelivery delivery;
    bool good = false;
    int status = 0;
    std::string error;
  };
  void run(std::stop_token stop);
  /// Takes what is due and begins to send it.
  void send_due();
  void send(const storage::DueDelivery& delivery);
  void record(const Outcome& outcome);
  void ended(Outcome outcome);

  storage::Database& database_;
  const DispatcherOptions options_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Outcome> outcomes_;
  std::map<std::string, int64_t> open_;  ///< by host; of the dispatcher's thread only
  http::AsyncClient client_;
  std::jthread thread_;
};

}  // namespace afina::collector
