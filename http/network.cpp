// SPDX-License-Identifier: Apache-2.0
#include "http/network.h"

#include <arpa/inet.h>

#include <algorithm>

namespace afina::http {
namespace {

constexpr size_t kFourBytes = 3, kSixBytes = 6;  // of a /24 and a /48
constexpr unsigned char kLoopbackFour = 127;

std::string network_of_four(in_addr address) {
  auto* bytes = reinterpret_cast<unsigned char*>(&address);
  if (bytes[0] == kLoopbackFour) return "";
  std::fill(bytes + kFourBytes, bytes + sizeof address, static_cast<unsigned char>(0));
  char text[INET_ADDRSTRLEN] = "";
  return std::string(::inet_ntop(AF_INET, &address, text, sizeof text)) + "/24";
}

std::string network_of_six(in6_addr address) {
  unsigned char* bytes = address.s6_addr;
  if (IN6_IS_ADDR_LOOPBACK(&address)) return "";
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    in_addr four{};
    std::copy(bytes + 12, bytes + 16, reinterpret_cast<unsigned char*>(&four));
    return network_of_four(four);
  }
  std::fill(bytes + kSixBytes, bytes + sizeof address, static_cast<unsigned char>(0));
  char text[INET6_ADDRSTRLEN] = "";
  return std::string(::inet_ntop(AF_INET6, &address, text, sizeof text)) + "/48";
}

}  // namespace

std::string network_of(const std::string& address) {
  in_addr four{};
  if (::inet_pton(AF_INET, address.c_str(), &four) == 1) return network_of_four(four);
  in6_addr six{};
  // A zone ("fe80::1%eth0") belongs to link-local addresses and says which cable.
  if (::inet_pton(AF_INET6, address.substr(0, address.find('%')).c_str(), &six) == 1) return network_of_six(six);
  return "";
}

}  // namespace afina::http
