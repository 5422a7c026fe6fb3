// SPDX-License-Identifier: Apache-2.0
// Which visitors came from one network, without saying which: what is stored is a keyed hash of the network, and what
// is read back is a number that holds within one reading.
#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace afina::storage {

class Transaction;

/// Stores where a visitor came from: the first 8 bytes of HMAC-SHA-256 under a key that this installation makes when it
/// is first needed. network: as http::network_of writes it, not empty. Of a visitor the first one stays. In the
/// transaction that made the visitor; needs the rights of afina_web.
void put_network(Transaction& t, const std::string& visitor_id, const std::string& network);

/// Visitor to network, equal for those of one network. The numbers mean nothing else and nothing in another call.
/// Visitors with an account, those who withdrew and those whose network is not known are not there. Needs the rights of
/// afina_trainer.
std::map<std::string, int64_t> visitor_networks(Transaction& t);

}  // namespace afina::storage
