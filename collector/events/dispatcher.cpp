// SPDX-License-Identifier: Apache-2.0
#include "collector/events/dispatcher.h"

#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/log.h"
#include "collector/events/signature.h"

namespace afina::collector {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<seconds, storage::kMaxDeliveryTries - 1> kBackoff = {
    seconds(10),   seconds(30),    seconds(120),   seconds(600),  seconds(1800),
    seconds(3600), seconds(10800), seconds(21600), seconds(43200)};
constexpr size_t kMaxReplyBytes = 64 * 1024;
constexpr milliseconds kAfterTrouble{5'000};

std::string word_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const http::AddressRefused&) {
    return "the address leads where webhooks may not";
  } catch (const NotFound&) {
    return "the name is not known";
  } catch (const http::UpstreamError& fault) {
    return cat("the receiver is ", http::to_string(fault.fault()));
  } catch (const std::exception&) {
    return "not sent";
  }
}

/// "https://host:port" and the path after it, as the client takes them.
std::pair<std::string, std::string> split(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t path = scheme == std::string::npos ? std::string::npos : url.find_first_of("/?", scheme + 3);
  if (path == std::string::npos) return {url, "/"};
  return {url.substr(0, path), url[path] == '?' ? cat("/", url.substr(path)) : url.substr(path)};
}

}  // namespace

milliseconds webhook_backoff(int tries) {
  return kBackoff[static_cast<size_t>(std::clamp(tries - 1, 0, static_cast<int>(kBackoff.size()) - 1))];
}

std::string webhook_body(const storage::DueDelivery& delivery) {
  return dump_json(OrderedJson{{"id", delivery.id},
                               {"event", delivery.event_id},
                               {"type", delivery.type},
                               {"workspace", delivery.workspace_id},
                               {"created_at", iso8601_utc(delivery.event_at)},
                               {"data", delivery.payload}});
}

WebhookDispatcher::WebhookDispatcher(storage::Database& database, DispatcherOptions options)
    : database_(database), options_(std::move(options)), thread_([this](std::stop_token stop) { run(stop); }) {}

WebhookDispatcher::~WebhookDispatcher() {
  thread_.request_stop();
  thread_.join();
}

void WebhookDispatcher::run(std::stop_token stop) {
  const storage::WorkspaceScope everybody(storage::kEveryWorkspace);
  milliseconds rest = options_.poll;
  while (!stop.stop_requested()) {
    try {
      std::deque<Outcome> outcomes;
      {
        const std::scoped_lock lock(mutex_);
        outcomes.swap(outcomes_);
      }
      for (const Outcome& outcome : outcomes) {
        const auto place = open_.find(outcome.delivery.host);
        if (--place->second == 0) open_.erase(place);
      }
      for (const Outcome& outcome : outcomes)
        record(outcome);
      send_due();
      rest = options_.poll;
    } catch (const std::exception& error) {
      // What was not recorded is sent again when its lease ends.
      if (rest == options_.poll) log_warning("webhooks", "the outbox could not be read: ", error.what());
      rest = std::max(options_.poll, kAfterTrouble);
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, rest, [&] { return !outcomes_.empty(); });
  }
}

void WebhookDispatcher::send_due() {
  const storage::DeliveryPlaces places{options_.max_open, options_.max_open_of_host, open_};
  const auto due = database_.transaction(
      [&](storage::Transaction& t) { return storage::take_due_deliveries(t, places, options_.lease); });
  for (const storage::DueDelivery& delivery : due) {
    ++open_[delivery.host];
    send(delivery);
  }
}

void WebhookDispatcher::send(const storage::DueDelivery& delivery) {
  const auto [origin, path] = split(delivery.url);
  auto endpoint = std::make_shared<http::Endpoint>();
  endpoint->options.base_url = origin;
  endpoint->options.read_deadline = options_.deadline;
  endpoint->options.total_deadline = options_.deadline;
  endpoint->options.max_response_bytes = kMaxReplyBytes;
  endpoint->options.max_retries = 0;
  endpoint->policy = options_.policy;
  http::AsyncCall call;
  call.endpoint = std::move(endpoint);
  call.path = path;
  call.body = webhook_body(delivery);
  const int64_t now = std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  call.headers.set("Afina-Signature", webhook_signature(delivery.secret, now, call.body));
  call.headers.set("Afina-Delivery", delivery.id);
  call.headers.set("Afina-Event", delivery.type);
  http::AsyncClient::Handlers handlers;
  handlers.on_bytes = [](std::string_view) { return true; };  // what a receiver says beside its status is its own
  handlers.on_end = [this, delivery](const http::ClientResponse& response, const std::exception_ptr& error) {
    const bool good = !error && response.status >= 200 && response.status < 300;
    ended({delivery, good, response.status, good ? "" : error ? word_of(error) : cat("HTTP ", response.status)});
  };
  client_.start(std::move(call), std::move(handlers));
}

void WebhookDispatcher::ended(Outcome outcome) {
  {
    const std::scoped_lock lock(mutex_);
    outcomes_.push_back(std::move(outcome));
  }
  wake_.notify_all();
}

void WebhookDispatcher::record(const Outcome& outcome) {
  const auto wait = std::chrono::duration_cast<milliseconds>(
      std::chrono::duration<double, std::milli>(webhook_backoff(outcome.delivery.tries)) * options_.backoff_scale);
  database_.transaction([&](storage::Transaction& t) {
    storage::finish_delivery(t, outcome.delivery, outcome.good, outcome.status, outcome.error, wait);
  });
}

}  // namespace afina::collector
