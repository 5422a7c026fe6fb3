// SPDX-License-Identifier: Apache-2.0
// Where a URL that people typed may lead: resolved once, private addresses refused, the addresses found are the ones to
// connect to (a second look-up could answer otherwise). For upstream models and webhooks.
// Sources: OWASP SSRF cheat sheet; IANA special-purpose registries for IPv4 and IPv6 (RFC 6890); RFC 6052, 3056, 4380.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace afina::http {

struct AddressPolicy {
  bool allow_loopback = false;  ///< 127.0.0.0/8, ::1 and names that lead there
  bool allow_private = false;   ///< every address; for an operator's own network
  bool https_only = false;
};

/// A URL after the guard: what to connect to and what to say. Host is lower case, without a trailing dot.
struct Target {
  std::string scheme, host;
  int port = 0;
  std::string path;  ///< with query; "/" where the URL has none
  /// IP addresses as getnameinfo writes them, all allowed by the policy, at least one.
  std::vector<std::string> addresses;

  /// "https://host:port", IPv6 in brackets.
  std::string origin() const;
};

/// The URL leads where the policy forbids. Its text names the host, never an address: the answer must tell nobody what
/// the server's network looks like.
class AddressRefused : public Error {
 public:
  explicit AddressRefused(const std::string& message) : Error(ErrorKind::usage, message) {}
};

/// All addresses of a name, as text. Throws NotFound where it has none.
using Resolver = std::function<std::vector<std::string>(const std::string& host)>;
/// getaddrinfo. Blocks as long as the system's resolver does.
std::vector<std::string> system_resolver(const std::string& host);

/// The parts of "http(s)://host[:port][/path][?query]". Throws UsageError for every other form: user names, fragments,
/// control characters, blanks, numbers that are no plain dotted IPv4 ("0x7f.1", "2130706433"), ports outside 1..65535.
/// No addresses yet.
Target parse_target(const std::string& url);
/// parse_target, then one look-up. Throws UsageError, NotFound (no such name), AddressRefused where any address found
/// is refused: a name with a public and a private address is a trap.
Target guard_target(const std::string& url, const AddressPolicy& policy, const Resolver& resolve = system_resolver);

/// True for a host that is an IPv4 or IPv6 address, as Target::host holds it.
bool is_address(const std::string& host);

/// What an address is, as the policy sees it.
enum class AddressKind { open, loopback, closed };
/// closed: private, link-local, shared (CGNAT), unique local, multicast, unspecified, reserved, documentation, and what
/// carries one of those inside (IPv4-mapped and -compatible, 6to4, Teredo, NAT64). Throws UsageError for what is no
/// address.
AddressKind address_kind(std::string_view address);

}  // namespace afina::http
