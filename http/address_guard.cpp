// SPDX-License-Identifier: Apache-2.0
#include "http/address_guard.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include "base/cat.h"

namespace afina::http {
namespace {

struct Block4 {
  uint32_t network;
  int bits;
};
constexpr uint32_t ip4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}
// Not reachable as somebody else's public server. 192.0.0.0/24 and 192.88.99.0/24 are protocol assignments.
constexpr Block4 kClosed4[] = {{ip4(0, 0, 0, 0), 8},      {ip4(10, 0, 0, 0), 8},      {ip4(100, 64, 0, 0), 10},
                               {ip4(169, 254, 0, 0), 16}, {ip4(172, 16, 0, 0), 12},   {ip4(192, 0, 0, 0), 24},
                               {ip4(192, 0, 2, 0), 24},   {ip4(192, 88, 99, 0), 24},  {ip4(192, 168, 0, 0), 16},
                               {ip4(198, 18, 0, 0), 15},  {ip4(198, 51, 100, 0), 24}, {ip4(203, 0, 113, 0), 24},
                               {ip4(224, 0, 0, 0), 4},    {ip4(240, 0, 0, 0), 4}};

AddressKind kind4(uint32_t address) {
  if (address >> 24 == 127) return AddressKind::loopback;
  const bool closed = std::ranges::any_of(
      kClosed4, [&](const Block4& block) { return (address ^ block.network) >> (32 - block.bits) == 0; });
  return closed ? AddressKind::closed : AddressKind::open;
}

using Bytes6 = std::array<uint8_t, 16>;

uint32_t word_at(const Bytes6& bytes, size_t at) {
  return ip4(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
}

AddressKind kind6(const Bytes6& bytes) {
  const auto zero_until = [&](size_t end) {
    return std::all_of(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(end), [](uint8_t b) { return b == 0; });
  };
  // An IPv4 address inside decides, where there is one; loopback inside is never a plain loopback.
  const auto inside = [](uint32_t address) {
    return kind4(address) == AddressKind::open ? AddressKind::open : AddressKind::closed;
  };
  if (zero_until(15) && bytes[15] == 1) return AddressKind::loopback;
  if (zero_until(10) && bytes[10] == 0xff && bytes[11] == 0xff) return kind4(word_at(bytes, 12));
  if (zero_until(12)) return AddressKind::closed;  // unspecified, and IPv4-compatible, which nobody uses rightly
  if (word_at(bytes, 0) == 0x0064ff9b) {
    // 64:ff9b::/96 carries any address; 64:ff9b:1::/48 is for local use.
    const bool well_known = std::all_of(bytes.begin() + 4, bytes.begin() + 12, [](uint8_t b) { return b == 0; });
    return well_known ? inside(word_at(bytes, 12)) : AddressKind::closed;
  }
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return inside(word_at(bytes, 2));  // 6to4
  if (word_at(bytes, 0) == 0x20010000) return AddressKind::closed;             // Teredo: the client inside is obscured
  if (word_at(bytes, 0) == 0x20010db8) return AddressKind::closed;             // documentation
  // Only 2000::/3 is given out as global unicast; fc00::/7, fe80::/10, fec0::/10, ff00::/8, 100::/64 lie outside.
  return bytes[0] >> 5 == 1 ? AddressKind::open : AddressKind::closed;
}

[[noreturn]] void bad_url(const std::string& url, const char* why) {
  throw UsageError(cat("[url] must be http(s)://host[:port][/path], but \"", url.substr(0, 200), "\" ", why, "."));
}

bool is_ip4(const std::string& host) {
  in_addr parsed{};
  return ::inet_pton(AF_INET, host.c_str(), &parsed) == 1;
}

/// A name whose last label begins with a digit is a number to some readers of URLs (WHATWG) and a name to others.
bool looks_numeric(const std::string& host) {
  const size_t dot = host.rfind('.');
  const std::string last = dot == std::string::npos ? host : host.substr(dot + 1);
  return !last.empty() && last[0] >= '0' && last[0] <= '9';
}

bool is_name(const std::string& host) {
  if (host.empty() || host.size() > 253) return false;
  size_t label = 0;
  for (size_t i = 0; i <= host.size(); ++i) {
    if (i == host.size() || host[i] == '.') {
      if (label == 0 || label > 63) return false;
      label = 0;
      continue;
    }
    const char c = host[i];
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!fits) return false;
    ++label;
  }
  return true;
}

int parse_port(const std::string& url, std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || text.size() > 5 || error != std::errc() || end != text.data() + text.size() || port < 1 ||
      port > 65535) {
    bad_url(url, "has no port between 1 and 65535");
  }
  return port;
}

std::string host_of(const std::string& url, std::string_view authority, std::string_view& rest) {
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) bad_url(url, "has an open bracket");
    std::string host(authority.substr(1, end - 1));
    in6_addr parsed{};
    if (::inet_pton(AF_INET6, host.c_str(), &parsed) != 1) bad_url(url, "has no IPv6 address in its brackets");
    rest = authority.substr(end + 1);
    return host;
  }
  const size_t colon = std::min(authority.find(':'), authority.size());
  std::string host(authority.substr(0, colon));
  rest = authority.substr(colon);
  std::ranges::transform(host, host.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (host.ends_with('.')) host.pop_back();
  if (is_ip4(host)) return host;
  if (looks_numeric(host)) bad_url(url, "writes an address in another way than four plain numbers");
  if (!is_name(host)) bad_url(url, "has no host name of ASCII letters, digits and dashes");
  return host;
}

}  // namespace

bool is_address(const std::string& host) {
  return is_ip4(host) || host.find(':') != std::string::npos;
}

std::string Target::origin() const {
  const bool six = host.find(':') != std::string::npos;
  return cat(scheme, "://", six ? "[" : "", host, six ? "]" : "", ":", port);
}

AddressKind address_kind(std::string_view address) {
  const std::string text(address);
  in_addr four{};
  if (::inet_pton(AF_INET, text.c_str(), &four) == 1) return kind4(ntohl(four.s_addr));
  in6_addr six{};
  // A zone ("fe80::1%eth0") belongs to link-local addresses only.
  if (::inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &six) == 1) {
    Bytes6 bytes;
    std::copy_n(six.s6_addr, bytes.size(), bytes.begin());
    return kind6(bytes);
  }
  throw UsageError(cat("[address] must be IPv4 or IPv6, but got \"", text, "\"."));
}

std::vector<std::string> system_resolver(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) throw NotFound(cat("[host] must have an address, but \"", host, "\": ", ::gai_strerror(error), "."));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    char text[NI_MAXHOST] = "";
    ::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
    if (std::ranges::find(addresses, text) == addresses.end()) addresses.emplace_back(text);
  }
  return addresses;
}

Target parse_target(const std::string& url) {
  if (url.size() > 2'000) bad_url(url, "is longer than 2000 bytes");
  if (std::ranges::any_of(url, [](unsigned char c) { return c <= 0x20 || c >= 0x7f || c == '\\'; })) {
    bad_url(url, "has blanks, control characters, backslashes or letters beyond ASCII");
  }
  Target target;
  const size_t scheme = std::min(url.find("://"), url.size());
  target.scheme = url.substr(0, scheme);
  if (target.scheme != "http" && target.scheme != "https") bad_url(url, "has another scheme");
  const std::string_view rest = std::string_view(url).substr(scheme + 3);
  const size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority = rest.substr(0, slash), tail = rest.substr(slash);
  if (authority.find('@') != std::string_view::npos) bad_url(url, "has a user name");
  if (tail.find('#') != std::string_view::npos) bad_url(url, "has a fragment");
  std::string_view port;
  target.host = host_of(url, authority, port);
  if (!port.empty() && !port.starts_with(':')) bad_url(url, "has something after its bracket");
  target.port = !port.empty() ? parse_port(url, port.substr(1)) : target.scheme == "https" ? 443 : 80;
  target.path = tail.starts_with('/') ? std::string(tail) : cat("/", tail);
  return target;
}

Target guard_target(const std::string& url, const AddressPolicy& policy, const Resolver& resolve) {
  Target target = parse_target(url);
  if (policy.https_only && target.scheme != "https") {
    throw AddressRefused(cat("[url] must be https://, but ", target.host, " is asked without TLS."));
  }
  target.addresses = is_address(target.host) ? std::vector{target.host} : resolve(target.host);
  if (target.addresses.empty()) throw NotFound(cat("[host] must have an address, but \"", target.host, "\" has none."));
  for (const std::string& address : target.addresses) {
    const AddressKind kind = address_kind(address);
    const bool allowed =
        policy.allow_private || kind == AddressKind::open || (kind == AddressKind::loopback && policy.allow_loopback);
    if (!allowed) throw AddressRefused(cat("[url] must lead to a public server, but ", target.host, " does not."));
  }
  return target;
}

}  // namespace afina::http
