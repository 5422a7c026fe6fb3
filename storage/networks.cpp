// SPDX-License-Identifier: Apache-2.0
#include "storage/networks.h"

#include "base/hash.h"
#include "base/hmac.h"
#include "storage/transaction.h"
#include "storage/types.h"

namespace afina::storage {
namespace {

constexpr size_t kSecretBytes = 32, kNetworkDigits = 16;

std::string network_secret(Transaction& t) {
  constexpr const char* kSelect = "SELECT secret FROM installation_secret WHERE name = 'network'";
  const Result known = t.exec(kSelect);
  if (!known.empty()) return known.one().text("secret");
  // Of two that make it at once one waits for the other and takes that one's.
  t.exec("INSERT INTO installation_secret (name, secret) VALUES ('network', $1) ON CONFLICT DO NOTHING",
         Params().text(random_hex(kSecretBytes)));
  const Result made = t.exec(kSelect);
  return made.one().text("secret");
}

}  // namespace

void put_network(Transaction& t, const std::string& visitor_id, const std::string& network) {
  require_uuid(visitor_id, "a visitor");
  // No conflict target: naming one would need the right to read the table.
  t.exec("INSERT INTO visitor_network (visitor_id, network) VALUES ($1::uuid, $2) ON CONFLICT DO NOTHING",
         Params().text(visitor_id).text(hmac_sha256_hex(network_secret(t), network).substr(0, kNetworkDigits)));
}

std::map<std::string, int64_t> visitor_networks(Transaction& t) {
  const Result rows = t.exec("SELECT visitor_id, dense_rank() OVER (ORDER BY network) AS network FROM visitor_network");
  std::map<std::string, int64_t> networks;
  for (size_t i = 0; i < rows.size(); ++i)
    networks.emplace(rows[i].text("visitor_id"), rows[i].integer("network"));
  return networks;
}

}  // namespace afina::storage
