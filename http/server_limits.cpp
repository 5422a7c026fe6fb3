// SPDX-License-Identifier: Apache-2.0
#include "http/server_limits.h"

#include <sys/resource.h>

#include <algorithm>

namespace afina::http {

void raise_descriptor_limit(const ServerOptions& options) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  const rlim_t wanted = 3 * static_cast<rlim_t>(options.max_connections) + 3 * options.max_event_streams + 256;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : std::min(wanted, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

namespace {

size_t connection_cap(int wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return static_cast<size_t>(wanted);
  return std::min<size_t>(static_cast<size_t>(wanted), std::max<size_t>(16, limit.rlim_cur / 3));
}

}  // namespace

LoopLimits loop_limits(const ServerOptions& options) {
  return {.max_connections = connection_cap(options.max_connections),
          .max_head_bytes = options.max_head_bytes,
          .head_deadline = options.head_deadline,
          .body_deadline = options.body_deadline,
          .idle_deadline = options.idle_deadline,
          .slowest_body_rate = options.slowest_body_rate,
          .bodies = {.large_from = options.large_body_bytes,
                     .max_ordinary = options.max_buffered_bytes,
                     .max_large = options.max_large_bytes,
                     .max_large_per_address = options.max_large_bytes_per_address},
          .max_connections_per_address = static_cast<size_t>(options.max_connections_per_address),
          .uncounted_addresses = options.trusted_proxies};
}

}  // namespace afina::http
