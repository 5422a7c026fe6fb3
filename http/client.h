// SPDX-License-Identifier: Apache-2.0
// Calls to OpenAI-compatible and other JSON servers: certificates verified, no redirects, every call under deadlines
// and a size cap, retries as OpenAI's own client does them. Not a general HTTP client: no cookies, no proxies, no
// uploads.
#pragma once
#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "http/message.h"
#include "http/sse.h"

namespace afina::http {

struct ClientOptions {
  std::string base_url;  ///< "https://host[:port][/prefix]"; the prefix comes before every path
  std::string bearer;    ///< secret for Authorization, "" for none; never logged
  std::chrono::milliseconds connect_deadline{5'000};
  std::chrono::milliseconds read_deadline{60'000};    ///< between two reads
  std::chrono::milliseconds total_deadline{600'000};  ///< of one attempt
  size_t max_response_bytes = size_t{16} << 20;
  int max_retries = 2;                           ///< after 408, 409, 429, >= 500 and failed connections
  std::chrono::milliseconds first_backoff{500};  ///< doubled up to 8 s, with jitter; retry-after wins, up to 120 s
  /// Where not empty: connected to instead of what the host's name resolves to (http/address_guard.h).
  std::vector<std::string> pinned_addresses;
  std::string ca_file;  ///< certificates to trust instead of the system's, for tests and sites
};

/// What went wrong with an upstream. down: cannot connect or cut off (502); slow: a deadline passed (504); nonsense:
/// not what the protocol allows, or too large (502); refused: it answered with an error status (502; 429 and 503 are
/// passed on).
enum class UpstreamFault { down, slow, nonsense, refused };
std::string_view to_string(UpstreamFault fault);

/// What may be read of an `error` in OpenAI's form: never its message, for servers copy into it what they were sent,
/// people's texts and keys among it. Each is "" where it is no such word.
struct ErrorWords {
  std::string type, code;  ///< of a-z and _, at most 40 bytes
  std::string param;       ///< of a-z, 0-9, _, dots and brackets, at most 80 bytes
};
ErrorWords error_words(const Json& error);
/// The type and code as they stand in messages and logs: " (TYPE, CODE)", "" where neither is a word.
std::string named_words(const ErrorWords& words);
inline std::string named_error(const Json& error) {
  return named_words(error_words(error));
}

class UpstreamError : public HttpError {
 public:
  UpstreamError(UpstreamFault fault, const std::string& message, int upstream_status = 0, int retry_after_s = 0,
                ErrorWords words = {});
  UpstreamFault fault() const { return fault_; }
  /// What it answered; 0 where it did not.
  int upstream_status() const { return upstream_status_; }
  /// What it said of its refusal.
  const ErrorWords& words() const { return words_; }

 private:
  UpstreamFault fault_;
  int upstream_status_;
  ErrorWords words_;
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;
  /// The body as JSON. Throws UpstreamError (nonsense).
  Json json() const;
};

/// Thread-safe: every call has a connection of its own.
class Client {
 public:
  /// Throws UsageError for an address that is not http:// or https://.
  explicit Client(ClientOptions options);

  /// Any status comes back after the retries; it is for the caller to judge. Throws UpstreamError (down, slow,
  /// nonsense), Cancelled when stop is tripped.
  ClientResponse get(const std::string& path, std::stop_token stop = {}) const;
  ClientResponse post(const std::string& path, const Json& body, std::stop_token stop = {}) const;
  ClientResponse request(const std::string& method, const std::string& path, const std::string& json_body,
                         const Headers& headers = {}, std::stop_token stop = {}) const;
  /// As get and post, for callers that need 2xx and JSON: throws UpstreamError for everything else.
  Json get_json(const std::string& path, std::stop_token stop = {}) const;
  Json post_json(const std::string& path, const Json& body, std::stop_token stop = {}) const;
  /// POSTs and hands over each event until on_event returns false, "[DONE]" was handed over or the stream ends. Retried
  /// only before the first event. Throws as post_json; UpstreamError (down) where the stream breaks before it said
  /// [DONE].
  void post_stream(const std::string& path, const Json& body, const SseParser::OnEvent& on_event,
                   std::stop_token stop = {}) const;

  const ClientOptions& options() const { return options_; }

 private:
  ClientOptions options_;
};

}  // namespace afina::http
