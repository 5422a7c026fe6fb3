// SPDX-License-Identifier: Apache-2.0
// One streamed request of the proxy to one upstream, with the client's own body. The only place of the proxy that
// touches the network.
#pragma once
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "collector/config.h"
#include "collector/proxy/assembler.h"
#include "http/client.h"

namespace afina::collector {

/// What became of it. error: as Completion::error (upstream.h); then `said` is what came before.
struct UpstreamAnswer {
  Assembler said;
  std::string error, error_detail;  ///< the detail is for the log
  int upstream_status = 0;          ///< where the upstream refused with a status
  std::optional<double> first_piece_ms;
  double total_ms = 0;
};

/// Thread-safe.
class UpstreamCall {
 public:
  /// Reads the secret. Throws UsageError.
  explicit UpstreamCall(const UpstreamConfig& config);
  /// Never throws for what the upstream does. on_chunk runs on this thread for each chunk after `said` took it; false
  /// ends the request (error "interrupted").
  UpstreamAnswer ask(const Json& body, const std::function<bool(const Json&)>& on_chunk, std::stop_token stop) const;

 private:
  std::string path_;
  http::Client client_;
};

}  // namespace afina::collector
