// SPDX-License-Identifier: Apache-2.0
// Many calls to JSON servers on one thread: hundreds of streamed answers at a time without a thread each. The rules of
// http/client.h hold here too (deadlines, size cap, no redirects, no proxies, certificates verified, retries as
// OpenAI's own client does them); besides, every address is checked and pinned (http/address_guard.h). Built on
// libcurl's multi interface, which is seen by no header. HTTP/1.1 only.
#pragma once
#include <exception>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "http/address_guard.h"
#include "http/client.h"
#include "http/sse.h"

namespace afina::http {

/// Where to and how: shared by the calls to one server. options.pinned_addresses, where given, are connected to without
/// a look-up or a check.
struct Endpoint {
  ClientOptions options;
  AddressPolicy policy;
};

struct AsyncCall {
  std::shared_ptr<const Endpoint> endpoint;
  std::string method = "POST";
  std::string path;  ///< after the base URL's prefix
  std::string body;  ///< JSON; "" for none
  Headers headers;
  std::stop_token stop;  ///< tripped: the call ends with Cancelled
};

/// Thread-safe; calls may be started from handlers too. The destructor cancels what is open; every on_end has run
/// when it returns.
class AsyncClient {
 public:
  /// All run on the client's thread, must not block and must not throw unless said otherwise.
  struct Handlers {
    /// At every attempt's head, before its body. May throw: the call ends with that error.
    std::function<void(const ClientResponse& head)> on_head;
    /// Pieces of the body; without it they are collected in the response. False ends the call without an error; may
    /// throw: the call ends with that error.
    std::function<bool(std::string_view)> on_bytes;
    /// False once something was shown to somebody: then the call is not repeated. Absent: always true.
    std::function<bool()> may_repeat;
    /// Exactly once, the last of all. error: UpstreamError (down, slow, nonsense), UsageError or AddressRefused,
    /// Cancelled, what a handler threw, or null; any status comes without an error.
    std::function<void(ClientResponse response, std::exception_ptr error)> on_end;
  };

  /// Throws StorageError where the system gives no descriptors.
  AsyncClient();
  ~AsyncClient();
  AsyncClient(const AsyncClient&) = delete;
  AsyncClient& operator=(const AsyncClient&) = delete;

  void start(AsyncCall call, Handlers handlers);
  /// As Client::post_stream. on_event returns false to end; on_end gets null for a whole stream, else UpstreamError,
  /// UsageError, AddressRefused, Cancelled or what on_event threw. Retried only before the first event.
  void post_stream(AsyncCall call, SseParser::OnEvent on_event, std::function<void(std::exception_ptr)> on_end);
  /// Calls that have not ended; one whose on_end was called is not among them.
  size_t open() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace afina::http
