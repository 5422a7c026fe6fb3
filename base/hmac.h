// SPDX-License-Identifier: Apache-2.0
// HMAC-SHA-256 (RFC 2104, FIPS 180-4).
#pragma once
#include <string>
#include <string_view>

namespace afina {

/// 64 lower-case hex digits. key and message: any bytes.
std::string hmac_sha256_hex(std::string_view key, std::string_view message);

}  // namespace afina
