// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <cpp-httplib/httplib.h>

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>

#include "base/clock.h"
#include "base/utf8.h"
#include "http/address_guard.h"
#include "http/client_parts.h"
#include "http/retry.h"

namespace afina::http {
namespace {

/// A call to make: what to send and who takes the answer's bytes.
struct Call {
  std::string method, path, body;
  Headers headers;
  std::stop_token stop;
  /// Runs when the head is there, before any byte of the body. False ends the call without an error.
  std::function<bool(const ClientResponse&)> on_head = [](const ClientResponse&) { return true; };
  /// Takes body bytes; null: they are collected in the response.
  std::function<bool(std::string_view)> on_bytes;
};

UpstreamError transport_error(const ClientOptions& options, const std::string& origin, httplib::Error error,
                              double elapsed_s) {
  using E = httplib::Error;
  const auto seconds = [](std::chrono::milliseconds time) { return std::chrono::duration<double>(time).count(); };
  const bool cut = error == E::Read || error == E::Write || error == E::ConnectionClosed;
  const double deadline_s = std::min(seconds(options.read_deadline), seconds(options.total_deadline));
  if (error == E::ConnectionTimeout || error == E::Timeout || (cut && elapsed_s >= 0.95 * deadline_s)) {
    return {UpstreamFault::slow,
            cat("[upstream ", origin, "] must answer in time, but did not within ", elapsed_s, " s.")};
  }
  if (error == E::InvalidHeaders || error == E::HTTPParsing || error == E::UnsupportedContentEncoding) {
    return {UpstreamFault::nonsense,
            cat("[upstream ", origin, "] must answer in HTTP, but got: ", httplib::to_string(error), ".")};
  }
  return {UpstreamFault::down,
          cat("[upstream ", origin, "] must be reachable, but got: ", httplib::to_string(error), ".")};
}

void configure(httplib::Client& client, const ClientOptions& options, const std::stop_token& stop) {
  client.set_connection_timeout(options.connect_deadline);
  client.set_read_timeout(options.read_deadline);
  client.set_write_timeout(options.read_deadline);
  client.set_max_timeout(options.total_deadline);
  client.set_payload_max_length(std::numeric_limits<size_t>::max());  // ours is kept where the bytes arrive
  client.set_tcp_nodelay(true);
  client.set_follow_location(false);
  client.set_keep_alive(false);
  client.set_decompress(false);
  client.enable_server_certificate_verification(true);
  if (!options.ca_file.empty()) client.set_ca_cert_path(options.ca_file);
  if (!options.pinned_addresses.empty()) {
    client.set_hostname_addr_map({{parse_target(options.base_url).host, options.pinned_addresses.front()}});
  }
  // A stop that came while the connection was made found no socket to shut: it is seen here.
  client.set_header_writer([stop](httplib::Stream& stream, httplib::Headers& headers) -> ssize_t {
    return stop.stop_requested() ? -1 : httplib::detail::write_headers(stream, headers);
  });
}

/// One attempt, without retries.
ClientResponse attempt(const ClientOptions& options, const Address& address, const Call& call) {
  const Stopwatch watch;
  httplib::Client client(address.origin);
  configure(client, options, call.stop);
  httplib::Request request;
  request.start_time_ = std::chrono::steady_clock::now();  // else the total deadline is not kept
  request.method = call.method;
  request.path = address.prefix + call.path;
  request.body = call.body;
  request.headers.emplace("Accept-Encoding", "identity");
  for (const auto& [name, value] : call.headers.lines())
    request.headers.emplace(name, value);
  if (!call.body.empty()) request.headers.emplace("Content-Type", "application/json");
  if (!options.bearer.empty()) request.headers.emplace("Authorization", "Bearer " + options.bearer);
  ClientResponse response;
  bool ended_by_us = false, too_large = false;
  size_t received = 0;
  std::exception_ptr thrown;
  // Callbacks of the library must not throw: what ours throw waits until the call is over.
  const auto guarded = [&](const auto& act) {
    try {
      ended_by_us = !act();
    } catch (...) {
      thrown = std::current_exception();
      ended_by_us = true;
    }
    return !ended_by_us;
  };
  request.response_handler = [&](const httplib::Response& head) {
    response.status = head.status;
    for (const auto& [name, value] : head.headers)
      response.headers.add(name, value);
    return guarded([&] { return call.on_head(response); });
  };
  request.content_receiver = [&](const char* data, size_t size, size_t, size_t) {
    received += size;
    too_large = received > options.max_response_bytes;
    if (too_large || call.stop.stop_requested()) return false;
    if (!call.on_bytes) return response.body.append(data, size), true;
    return guarded([&] { return call.on_bytes({data, size}); });
  };
  std::optional<std::stop_callback<std::function<void()>>> on_stop;
  on_stop.emplace(call.stop, [&client] { client.stop(); });
  const httplib::Result result = client.send(request);
  on_stop.reset();
  if (thrown) std::rethrow_exception(thrown);
  if (call.stop.stop_requested())
    throw Cancelled(cat("[upstream ", address.origin, "] was not waited for any longer."));
  if (too_large) {
    throw UpstreamError(UpstreamFault::nonsense, cat("[upstream ", address.origin, "] must answer with at most ",
                                                     options.max_response_bytes, " bytes, but sent more."));
  }
  if (!result && !ended_by_us) throw transport_error(options, address.origin, result.error(), watch.seconds());
  return response;
}

void wait(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, time, [] { return false; });
  if (stop.stop_requested()) throw Cancelled("[upstream] was not asked again.");
}

/// Repeats the call as the rules of retry.h say. `may_repeat` turns false once something was shown to the caller.
ClientResponse with_retries(const ClientOptions& options, const Address& address, const Call& call,
                            const bool& may_repeat) {
  for (int tried = 0;; ++tried) {
    const bool last = tried >= options.max_retries;
    std::optional<std::chrono::milliseconds> asked;
    try {
      ClientResponse response = attempt(options, address, call);
      if (last || !may_repeat || !is_retryable(response.status, response.headers)) return response;
      asked = retry_after(response.headers, std::chrono::system_clock::now());
    } catch (const UpstreamError& error) {
      if (last || !may_repeat || error.fault() != UpstreamFault::down) throw;
    }
    wait(asked ? *asked : backoff(options.first_backoff, tried, random_unit()), call.stop);
  }
}

int gateway_status(UpstreamFault fault, int upstream_status) {
  if (fault == UpstreamFault::slow) return 504;
  return upstream_status == 429 || upstream_status == 503 ? upstream_status : 502;
}

}  // namespace

std::string_view to_string(UpstreamFault fault) {
  constexpr std::string_view kNames[] = {"down", "slow", "nonsense", "refused"};
  return kNames[static_cast<int>(fault)];
}

UpstreamError::UpstreamError(UpstreamFault fault, const std::string& message, int upstream_status, int retry_after_s,
                             ErrorWords words)
    : HttpError(ErrorKind::model, gateway_status(fault, upstream_status), message, cat("upstream_", to_string(fault)),
                retry_after_s),
      fault_(fault),
      upstream_status_(upstream_status),
      words_(std::move(words)) {}

Json ClientResponse::json() const {
  try {
    return parse_json(body, "upstream's answer", {.max_depth = 64, .max_elements = 2'000'000});
  } catch (const DataError& error) {
    throw UpstreamError(UpstreamFault::nonsense, error.what(), status);
  }
}

Client::Client(ClientOptions options) : options_(std::move(options)) {
  split_base_url(options_.base_url);
}

ClientResponse Client::request(const std::string& method, const std::string& path, const std::string& json_body,
                               const Headers& headers, std::stop_token stop) const {
  Call call;
  call.method = method;
  call.path = path;
  call.body = json_body;
  call.headers = headers;
  call.stop = std::move(stop);
  const bool may_repeat = true;
  return with_retries(options_, split_base_url(options_.base_url), call, may_repeat);
}

ClientResponse Client::get(const std::string& path, std::stop_token stop) const {
  return request("GET", path, "", {}, std::move(stop));
}

ClientResponse Client::post(const std::string& path, const Json& body, std::stop_token stop) const {
  return request("POST", path, dump_json(body), {}, std::move(stop));
}

Json Client::get_json(const std::string& path, std::stop_token stop) const {
  const ClientResponse response = get(path, std::move(stop));
  if (response.status / 100 != 2) throw refusal(split_base_url(options_.base_url).origin, response);
  return response.json();
}

Json Client::post_json(const std::string& path, const Json& body, std::stop_token stop) const {
  const ClientResponse response = post(path, body, std::move(stop));
  if (response.status / 100 != 2) throw refusal(split_base_url(options_.base_url).origin, response);
  return response.json();
}

void Client::post_stream(const std::string& path, const Json& body, const SseParser::OnEvent& on_event,
                         std::stop_token stop) const {
  const Address address = split_base_url(options_.base_url);
  StreamedAnswer answer(address.origin, on_event);
  Call call;
  call.method = "POST";
  call.path = path;
  call.body = dump_json(body);
  call.stop = std::move(stop);
  call.headers.set("Accept", "text/event-stream");
  call.on_head = [&](const ClientResponse& head) {
    answer.begin(head);
    return true;
  };
  call.on_bytes = [&](std::string_view bytes) { return answer.take(bytes); };
  const bool& may_repeat = answer.may_repeat();
  std::exception_ptr failed;
  ClientResponse response;
  try {
    response = with_retries(options_, address, call, may_repeat);
  } catch (...) {
    failed = std::current_exception();
  }
  answer.finish(response, failed);
}

}  // namespace afina::http
