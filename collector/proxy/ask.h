// SPDX-License-Identifier: Apache-2.0
// One streamed request of the proxy to one upstream, with the client's own body.
#pragma once
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "collector/proxy/assembler.h"
#include "collector/upstream.h"

namespace afina::collector {

/// What became of it. error: as Completion::error (upstream.h); then `said` is what came before.
struct UpstreamAnswer {
  Assembler said;
  std::string error, error_detail;  ///< the detail is for the log
  int upstream_status = 0;          ///< where the upstream refused with a status
  int retry_after_s = 0;            ///< where it asked for a pause
  http::ErrorWords words;           ///< of its refusal
  std::optional<double> first_piece_ms;
  double total_ms = 0;
};

/// Nothing is thrown for what the upstream does. on_chunk gets each chunk after `said` took it; false ends the request
/// (error "interrupted"). on_end comes once and last. Threads as in Upstream::ask.
void ask_upstream(const Upstream& upstream, http::AsyncClient& client, const Json& body,
                  std::function<bool(const Json&)> on_chunk, std::function<void(UpstreamAnswer)> on_end,
                  std::stop_token stop);

}  // namespace afina::collector
