// SPDX-License-Identifier: Apache-2.0
#include "http/shares.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>

namespace afina::http {
namespace {

constexpr size_t kSubnetBytes = 8;

std::string bytes_of(const void* from, size_t size) {
  return std::string(static_cast<const char*>(from), size);
}

std::string key_of(const in6_addr& address) {
  return IN6_IS_ADDR_V4MAPPED(&address) ? bytes_of(address.s6_addr + 12, 4) : bytes_of(address.s6_addr, kSubnetBytes);
}

/// "" for a socket that has no such peer.
std::string key_of(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "";
  if (address.ss_family == AF_INET) return bytes_of(&reinterpret_cast<sockaddr_in&>(address).sin_addr, 4);
  if (address.ss_family == AF_INET6) return key_of(reinterpret_cast<sockaddr_in6&>(address).sin6_addr);
  return "";
}

}  // namespace

std::string rate_key(const std::string& address) {
  in6_addr six{};
  if (address.find(':') == std::string::npos || ::inet_pton(AF_INET6, address.c_str(), &six) != 1) return address;
  const std::string key = key_of(six);
  char text[INET6_ADDRSTRLEN] = "";
  if (key.size() == kSubnetBytes) {
    std::fill(six.s6_addr + kSubnetBytes, six.s6_addr + sizeof six.s6_addr, uint8_t{0});
    return ::inet_ntop(AF_INET6, &six, text, sizeof text);
  }
  return ::inet_ntop(AF_INET, key.data(), text, sizeof text);
}

Peers::Peers(const std::vector<std::string>& uncounted) {
  for (const std::string& text : uncounted) {
    in_addr four{};
    in6_addr six{};
    if (::inet_pton(AF_INET, text.c_str(), &four) == 1) uncounted_.push_back(bytes_of(&four, 4));
    if (::inet_pton(AF_INET6, text.c_str(), &six) == 1) uncounted_.push_back(key_of(six));
  }
}

std::shared_ptr<Peer> Peers::join(int socket) {
  const std::string key = key_of(socket);
  std::shared_ptr<Peer> peer;  // outlives the lock, which its end may need
  const std::lock_guard lock(table_->mutex);
  std::weak_ptr<Peer>& known = table_->peers[key];
  peer = known.lock();
  if (peer) return peer;
  const auto forget = [table = table_, key](const Peer* gone) {
    delete gone;
    const std::lock_guard inner(table->mutex);
    const auto found = table->peers.find(key);
    if (found != table->peers.end() && found->second.expired()) table->peers.erase(found);
  };
  const bool counted = !key.empty() && std::ranges::find(uncounted_, key) == uncounted_.end();
  peer = std::shared_ptr<Peer>(new Peer{.counted = counted}, forget);
  known = peer;
  return peer;
}

bool BodyShares::hold(Peer& peer, bool large, size_t before, size_t now) {
  const size_t most = large ? limits_.max_large : limits_.max_ordinary;
  const size_t most_of_one = large ? limits_.max_large_per_address : limits_.max_ordinary / 4;
  size_t& total = total_[large];
  size_t& own = peer.bytes[large];
  if (now > before) {
    const size_t more = now - before;
    if (total + more > most || (peer.counted && own + more > most_of_one)) return false;
  }
  total = total - before + now;
  own = own - before + now;
  return true;
}

}  // namespace afina::http
