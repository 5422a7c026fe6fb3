// SPDX-License-Identifier: Apache-2.0
#include "collector/upstream_request.h"

#include "base/cat.h"

namespace afina::collector {

http::ClientOptions client_options(const UpstreamConfig& config, size_t max_response_bytes) {
  http::ClientOptions options;
  options.base_url = config.base_url;
  options.bearer = read_api_key(config);
  options.read_deadline = std::chrono::seconds(config.read_seconds);
  options.total_deadline = std::chrono::seconds(config.total_seconds);
  options.max_response_bytes = max_response_bytes;
  options.max_retries = config.retries;
  options.ca_file = config.ca_file;
  return options;
}

std::string completions_path(std::string base_url) {
  while (base_url.ends_with('/'))
    base_url.pop_back();
  return base_url.ends_with("/v1") ? "/chat/completions" : "/v1/chat/completions";
}

std::string error_word(const http::UpstreamError& error) {
  if (error.upstream_status() == 429 || error.upstream_status() == 503) return "upstream_busy";
  // A server that fails has not refused what it was asked.
  if (error.upstream_status() >= 500 && error.fault() == http::UpstreamFault::refused) return "upstream_down";
  return cat("upstream_", http::to_string(error.fault()));
}

}  // namespace afina::collector
