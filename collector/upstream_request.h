// SPDX-License-Identifier: Apache-2.0
// What every request to an upstream has in common, whichever client makes it.
#pragma once
#include <string>

#include "collector/config.h"
#include "http/client.h"

namespace afina::collector {

/// Address, secret and deadlines of an upstream. Throws UsageError as read_api_key().
http::ClientOptions client_options(const UpstreamConfig& config, size_t max_response_bytes);
/// "/v1/chat/completions", without /v1 where the base URL ends with it.
std::string completions_path(std::string base_url);
/// upstream_down, upstream_slow, upstream_nonsense, upstream_refused or upstream_busy.
std::string error_word(const http::UpstreamError& error);

}  // namespace afina::collector
