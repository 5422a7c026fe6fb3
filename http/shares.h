// SPDX-License-Identifier: Apache-2.0
// What each client address holds of a server: its connections, and the bytes of bodies that are half read. Bytes count
// as they come and not as they are announced, large bodies apart from ordinary ones, so that neither a promise nor a
// large file keeps others' small requests out. Internal to http/.
#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace afina::http {

/// One client address; an IPv6 one with all its /64, which belongs to one customer.
struct Peer {
  bool counted = true;       ///< false: a proxy, whose clients are not told apart here
  size_t bytes[2] = {0, 0};  ///< of ordinary and of large bodies; BodyShares' thread only
};

/// Thread-safe.
class Peers {
 public:
  /// `uncounted`: addresses of proxies.
  explicit Peers(const std::vector<std::string>& uncounted);
  /// The peer of a connected socket. Each holder of it is one connection: use_count() tells how many there are.
  std::shared_ptr<Peer> join(int socket);

 private:
  struct Table {
    std::mutex mutex;
    std::unordered_map<std::string, std::weak_ptr<Peer>> peers;
  };
  std::vector<std::string> uncounted_;
  std::shared_ptr<Table> table_ = std::make_shared<Table>();  ///< connections may outlive us
};

/// Who an address is for limits of rates: itself, or its /64 where it is an IPv6 one, written in one way.
std::string rate_key(const std::string& address);

struct BodyLimits {
  size_t large_from;             ///< bodies announced longer than this are large
  size_t max_ordinary;           ///< bytes of all half-read ordinary bodies; of one address a quarter
  size_t max_large;              ///< bytes of all half-read large bodies
  size_t max_large_per_address;  ///< of those of one address
};

/// By one thread.
class BodyShares {
 public:
  explicit BodyShares(BodyLimits limits) : limits_(limits) {}
  bool is_large(size_t content_length) const { return content_length > limits_.large_from; }
  /// A half-read body holds `now` bytes in place of `before`. False where that is too much: then nothing has changed.
  bool hold(Peer& peer, bool large, size_t before, size_t now);

 private:
  const BodyLimits limits_;
  size_t total_[2] = {0, 0};
};

}  // namespace afina::http
