// SPDX-License-Identifier: Apache-2.0
// How a webhook's receiver knows that an event is ours and fresh. Source: RFC 2104, FIPS 180-4.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace afina::collector {

/// Value of the header Afina-Signature: "t=UNIX,v1=HEX", HEX over "UNIX.body". Receivers recompute it and refuse old t.
std::string webhook_signature(std::string_view secret, int64_t unix_time, std::string_view body);

}  // namespace afina::collector
