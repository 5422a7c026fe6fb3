// SPDX-License-Identifier: Apache-2.0
// Which network an address belongs to, as far as its number tells.
#pragma once
#include <string>

namespace afina::http {

/// "203.0.113.0/24" for IPv4 (also inside IPv6, ::ffff:0:0/96), "2001:db8:1::/48" for IPv6, written in one way. A /24
/// is the smallest network that is routed by itself, a /48 what one site gets (RFC 6177). Empty for a loopback address,
/// which tells of no network, and for what is no address.
std::string network_of(const std::string& address);

}  // namespace afina::http
