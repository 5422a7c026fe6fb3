// SPDX-License-Identifier: Apache-2.0
#include "http/async_client.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include "http/client_parts.h"
#include "http/curl_loop.h"
#include "http/curl_transfer.h"
#include "http/retry.h"
#include "http/worker_pool.h"

namespace afina::http {
namespace {

using Clock = std::chrono::steady_clock;
/// Long enough for bursts to one server, short enough for a name that moves.
constexpr std::chrono::seconds kAddressesKept{60};
constexpr size_t kResolvers = 2, kWaitingNames = 1024;

std::exception_ptr cancelled() {
  return std::make_exception_ptr(Cancelled("[upstream] was not waited for any longer."));
}

bool is_down(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const UpstreamError& upstream) {
    return upstream.fault() == UpstreamFault::down;
  } catch (...) {
    return false;
  }
}

/// What a look-up's failure means for a call.
std::exception_ptr as_call_error(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const NotFound& unknown) {
    return std::make_exception_ptr(UpstreamError(UpstreamFault::down, unknown.what()));
  } catch (...) {
    return error;
  }
}

struct Call {
  uint64_t id = 0;
  AsyncCall call;
  AsyncClient::Handlers handlers;
  std::string path;  ///< with the base URL's prefix
  std::optional<Target> target;
  std::unique_ptr<CurlTransfer> transfer;
  int tried = 0;
  std::optional<Clock::time_point> resolve_by, retry_at;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;
};

struct Lookup {
  std::optional<Target> target;
  std::exception_ptr error;
};

}  // namespace

/// All members but the public functions belong to the loop's thread.
class AsyncClient::Loop {
 public:
  Loop()
      : resolvers_(kResolvers, kWaitingNames),
        loop_({.on_done = [this](CURL* easy, CURLcode code) { finish_attempt(easy, code); },
               .on_tick = [this] { tick(); }}) {}
  ~Loop() {
    loop_.stop([this] {
      stopping_ = true;
      while (!calls_.empty())
        end(*calls_.begin()->second, {}, cancelled());
    });
    resolvers_.close();
  }

  void start(AsyncCall call, Handlers handlers) {
    ++open_;
    auto shared = std::make_shared<Call>();
    shared->call = std::move(call);
    shared->handlers = std::move(handlers);
    loop_.post([this, shared] { begin(shared); });
  }
  size_t open() const { return open_; }

 private:
  void begin(const std::shared_ptr<Call>& call);
  void find_target(Call& call);
  void look_up(const std::string& key, const std::string& url, const AddressPolicy& policy);
  void take_lookup(const std::string& key, const Lookup& found);
  void attempt(Call& call);
  void finish_attempt(CURL* easy, CURLcode code);
  void retry_or_end(Call& call, ClientResponse response, std::exception_ptr error);
  void drop_transfer(Call& call);
  void cut(Call& call, std::exception_ptr error);
  void end(Call& call, ClientResponse response, std::exception_ptr error);
  void tick();

  std::atomic<size_t> open_{0};
  bool stopping_ = false;
  uint64_t next_id_ = 1;
  std::unordered_map<uint64_t, std::shared_ptr<Call>> calls_;
  std::unordered_map<CURL*, Call*> running_;
  struct Known {
    Target target;
    Clock::time_point until;
  };
  std::map<std::string, Known> known_;
  std::map<std::string, std::vector<uint64_t>> looking_;  ///< calls that wait for a look-up
  WorkerPool resolvers_;
  CurlLoop loop_;  // its thread uses all of the above
};

void AsyncClient::Loop::begin(const std::shared_ptr<Call>& call) {
  call->id = next_id_++;
  calls_.emplace(call->id, call);
  if (stopping_) return end(*call, {}, cancelled());
  call->on_stop.emplace(call->call.stop, [this, id = call->id] {
    loop_.post([this, id] {
      if (const auto found = calls_.find(id); found != calls_.end()) cut(*found->second, cancelled());
    });
  });
  try {
    call->path = split_base_url(call->call.endpoint->options.base_url).prefix + call->call.path;
    find_target(*call);
  } catch (...) {
    end(*call, {}, std::current_exception());
  }
}

void AsyncClient::Loop::find_target(Call& call) {
  const Endpoint& endpoint = *call.call.endpoint;
  const std::string& url = endpoint.options.base_url;
  Target target = parse_target(url);
  if (!endpoint.options.pinned_addresses.empty()) {
    target.addresses = endpoint.options.pinned_addresses;
    call.target = std::move(target);
    return attempt(call);
  }
  if (is_address(target.host)) {
    call.target = guard_target(url, endpoint.policy);
    return attempt(call);
  }
  const AddressPolicy& policy = endpoint.policy;
  const std::string key = cat(target.origin(), " ", policy.allow_loopback, policy.allow_private, policy.https_only);
  if (const auto known = known_.find(key); known != known_.end() && Clock::now() < known->second.until) {
    call.target = known->second.target;
    return attempt(call);
  }
  call.resolve_by = Clock::now() + endpoint.options.connect_deadline;
  std::vector<uint64_t>& waiting = looking_[key];
  waiting.push_back(call.id);
  if (waiting.size() == 1) look_up(key, url, policy);
}

void AsyncClient::Loop::look_up(const std::string& key, const std::string& url, const AddressPolicy& policy) {
  const bool taken = resolvers_.submit([this, key, url, policy] {
    Lookup found;
    try {
      found.target = guard_target(url, policy);
    } catch (...) {
      found.error = std::current_exception();
    }
    loop_.post([this, key, found = std::move(found)] { take_lookup(key, found); });
  });
  if (taken) return;
  // Later, not now: the caller is in the middle of a call's beginning.
  Lookup none;
  none.error = std::make_exception_ptr(UpstreamError(UpstreamFault::down, "[upstream] waits behind too many names."));
  loop_.post([this, key, none] { take_lookup(key, none); });
}

void AsyncClient::Loop::take_lookup(const std::string& key, const Lookup& found) {
  const std::vector<uint64_t> waiting = std::exchange(looking_[key], {});
  looking_.erase(key);
  if (found.target) {
    std::erase_if(known_, [now = Clock::now()](const auto& entry) { return entry.second.until <= now; });
    known_[key] = {*found.target, Clock::now() + kAddressesKept};
  }
  for (const uint64_t id : waiting) {
    const auto place = calls_.find(id);
    if (place == calls_.end()) continue;
    Call& call = *place->second;
    call.resolve_by.reset();
    if (!found.target) {
      retry_or_end(call, {}, as_call_error(found.error));
    } else {
      call.target = found.target;
      attempt(call);
    }
  }
}

void AsyncClient::Loop::attempt(Call& call) {
  try {
    call.transfer = std::make_unique<CurlTransfer>(call.call, call.handlers, *call.target, call.path);
    running_[call.transfer->handle()] = &call;
    loop_.add(call.transfer->handle());
  } catch (...) {
    end(call, {}, std::current_exception());
  }
}

void AsyncClient::Loop::finish_attempt(CURL* easy, CURLcode code) {
  const auto found = running_.find(easy);
  if (found == running_.end()) return;  // cut meanwhile
  Call& call = *found->second;
  ClientResponse response = call.transfer->take_response();
  const std::exception_ptr error = call.transfer->verdict(code);
  drop_transfer(call);
  retry_or_end(call, std::move(response), error);
}

void AsyncClient::Loop::retry_or_end(Call& call, ClientResponse response, std::exception_ptr error) {
  const ClientOptions& options = call.call.endpoint->options;
  const bool may_repeat = call.tried < options.max_retries && (!call.handlers.may_repeat || call.handlers.may_repeat());
  const bool worth_it = error ? is_down(error) : is_retryable(response.status, response.headers);
  if (!may_repeat || !worth_it) return end(call, std::move(response), std::move(error));
  const auto asked = error ? std::nullopt : retry_after(response.headers, std::chrono::system_clock::now());
  call.retry_at = Clock::now() + (asked ? *asked : backoff(options.first_backoff, call.tried, random_unit()));
  ++call.tried;
}

void AsyncClient::Loop::drop_transfer(Call& call) {
  if (!call.transfer) return;
  running_.erase(call.transfer->handle());
  loop_.remove(call.transfer->handle());
  call.transfer.reset();
}

void AsyncClient::Loop::cut(Call& call, std::exception_ptr error) {
  drop_transfer(call);
  end(call, {}, std::move(error));
}

void AsyncClient::Loop::end(Call& call, ClientResponse response, std::exception_ptr error) {
  const auto place = calls_.find(call.id);
  const std::shared_ptr<Call> owned = std::move(place->second);
  calls_.erase(place);
  drop_transfer(*owned);
  owned->on_stop.reset();
  --open_;  // before on_end: whoever hears of the end, on whatever thread, must not find the call counted
  if (owned->handlers.on_end) owned->handlers.on_end(std::move(response), std::move(error));
}

void AsyncClient::Loop::tick() {
  const Clock::time_point now = Clock::now();
  std::vector<std::shared_ptr<Call>> calls;
  for (const auto& [id, call] : calls_) {
    const bool silent =
        call->transfer && now - call->transfer->last_byte() > call->call.endpoint->options.read_deadline;
    const bool late = call->resolve_by && now > *call->resolve_by;
    const bool due = call->retry_at && now >= *call->retry_at;
    if (silent || late || due) calls.push_back(call);
  }
  for (const auto& call : calls) {
    if (call->retry_at) {
      call->retry_at.reset();
      try {
        find_target(*call);
      } catch (...) {
        end(*call, {}, std::current_exception());
      }
      continue;
    }
    const char* what = call->transfer ? "must not fall silent, but nothing came for too long"
                                      : "must have an address, but the look-up takes too long";
    cut(*call, std::make_exception_ptr(UpstreamError(
                   UpstreamFault::slow, cat("[upstream ", call->call.endpoint->options.base_url, "] ", what, "."))));
  }
}

AsyncClient::AsyncClient() : loop_(std::make_unique<Loop>()) {}
AsyncClient::~AsyncClient() = default;

void AsyncClient::start(AsyncCall call, Handlers handlers) {
  loop_->start(std::move(call), std::move(handlers));
}

void AsyncClient::post_stream(AsyncCall call, SseParser::OnEvent on_event,
                              std::function<void(std::exception_ptr)> on_end) {
  call.method = "POST";
  call.headers.set("Accept", "text/event-stream");
  const auto answer =
      std::make_shared<StreamedAnswer>(split_base_url(call.endpoint->options.base_url).origin, std::move(on_event));
  Handlers handlers;
  handlers.on_head = [answer](const ClientResponse& head) { answer->begin(head); };
  handlers.on_bytes = [answer](std::string_view bytes) { return answer->take(bytes); };
  handlers.may_repeat = [answer] { return answer->may_repeat(); };
  handlers.on_end = [answer, on_end = std::move(on_end)](ClientResponse response, std::exception_ptr error) {
    std::exception_ptr verdict;
    try {
      answer->finish(response, std::move(error));
    } catch (...) {
      verdict = std::current_exception();
    }
    on_end(std::move(verdict));
  };
  start(std::move(call), std::move(handlers));
}

size_t AsyncClient::open() const {
  return loop_->open();
}

}  // namespace afina::http
