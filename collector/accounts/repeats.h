// SPDX-License-Identifier: Apache-2.0
// Secrets that are shown once and kept as hashes only, and yet are the same when a lost reply makes somebody repeat
// their request: HMAC-SHA-256 (RFC 2104) of the Idempotency-Key under the secret that the caller came with, which the
// database has not either.
#pragma once
#include <string>

#include "collector/config.h"
#include "http/message.h"

namespace afina::collector {

/// What a signed-in caller came with: the API token, or else the session's cookie.
std::string credential_of(const http::Request& request, const CollectorConfig& config);

/// 64 hex digits. With an Idempotency-Key the same for the same credential, act and key; without one random.
/// credential: at least 128 random bits. act: a word of the program. Throws HttpError 400 for a malformed key.
std::string repeatable_secret(const http::Request& request, const std::string& credential, const std::string& act);

}  // namespace afina::collector
