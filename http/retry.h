// SPDX-License-Identifier: Apache-2.0
// When and how long OpenAI's own client waits before it asks again (openai-python: _base_client.py). Pure functions.
#pragma once
#include <chrono>
#include <optional>

#include "http/message.h"

namespace afina::http {

/// True for 408, 409, 429 and >= 500, unless the answer says otherwise in x-should-retry.
bool is_retryable(int status, const Headers& headers);

/// What retry-after-ms or retry-after (seconds or an HTTP date) asks for; nothing where absent, malformed, negative or
/// above 120 s.
std::optional<std::chrono::milliseconds> retry_after(const Headers& headers, std::chrono::system_clock::time_point now);

/// first * 2^attempt up to 8 s, less up to a quarter by `jitter` in [0, 1).
std::chrono::milliseconds backoff(std::chrono::milliseconds first, int attempt, double jitter);

}  // namespace afina::http
