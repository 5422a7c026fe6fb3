// SPDX-License-Identifier: Apache-2.0
// Webhooks and their deliveries. A delivery is leased by moving its next try ahead: a sender that dies lets go of it
// when the lease ends, so an event arrives at least once, under the same delivery id.
#pragma once
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "storage/types.h"

namespace afina::storage {

class Transaction;

inline constexpr int kMaxDeliveryTries = 10;
/// A webhook is switched off after so many events in a row that were given up.
inline constexpr int kMaxWebhookFailures = 5;
inline constexpr int kMaxWebhooks = 16;  ///< active ones of a workspace

struct Webhook {
  std::string id = new_uuid();
  std::string workspace_id;
  std::string url;
  std::vector<std::string> types;  ///< of kEventTypes, or "*"
  std::string secret;              ///< key of the signature, new_webhook_secret()
  bool active = true;
  std::string disabled_reason;  ///< "by an admin" or what went wrong
  int failures = 0;
  Time created_at{};
  std::optional<Time> disabled_at;
};
/// "whsec_" and 256 random bits as hex.
std::string new_webhook_secret();
/// The same of those random hex digits.
std::string webhook_secret_of(const std::string& hex);
/// The same secret again finds the workspace's webhook that it is of; returns that one's id. Throws DataError for an
/// unknown type, Occupied above kMaxWebhooks, Conflict where that secret's webhook has another url or other types.
std::string create_webhook(Transaction& t, const Webhook& webhook);
/// Without secrets, newest first.
std::vector<Webhook> list_webhooks(Transaction& t, const std::string& workspace_id);
/// Its waiting deliveries are given up. Throws NotFound for one of another workspace. Again: nothing happens.
void disable_webhook(Transaction& t, const std::string& workspace_id, const std::string& webhook_id,
                     const std::string& reason);
/// Events from now on go there again; those of before stay given up. Throws NotFound, Occupied where the workspace has
/// as many active ones as it may. Again: nothing happens.
void enable_webhook(Transaction& t, const std::string& workspace_id, const std::string& webhook_id);
/// Where it leads. Throws NotFound for one of another workspace.
std::string webhook_url(Transaction& t, const std::string& workspace_id, const std::string& webhook_id);
/// An event of type webhook.test for this webhook only; returns the delivery's id. Throws NotFound, Conflict where it
/// is disabled.
std::string test_webhook(Transaction& t, const std::string& workspace_id, const std::string& webhook_id);

enum class DeliveryState { waiting, delivered, failed };
std::string_view to_string(DeliveryState value);

struct Delivery {
  std::string id, event_id, type;
  DeliveryState state = DeliveryState::waiting;
  int tries = 0, last_status = 0;
  std::string last_error;
  Time created_at{}, next_try_at{};
  std::optional<Time> finished_at;
};
/// Newest first, below before_event_id where it is given. Throws NotFound for a webhook of another workspace.
std::vector<Delivery> list_deliveries(Transaction& t, const std::string& workspace_id, const std::string& webhook_id,
                                      const std::string& before_event_id, int64_t limit);

/// What a sender needs.
struct DueDelivery {
  std::string id, webhook_id, url, secret, event_id, type, workspace_id;
  std::string host;  ///< of the url, in lower case without its port
  Json payload;
  int tries = 0;  ///< this one counted
  Time event_at{};
};
/// How many deliveries a sender may have on their way at one time.
struct DeliveryPlaces {
  int64_t all = 100;
  int64_t of_host = 100;                 ///< to one host
  std::map<std::string, int64_t> taken;  ///< by host, of these places
};
/// Leases the oldest due ones that have a place for that long; their tries rise. SKIP LOCKED: several senders share the
/// work.
std::vector<DueDelivery> take_due_deliveries(Transaction& t, const DeliveryPlaces& places,
                                             std::chrono::milliseconds lease);
/// How long until the next one is due; nothing where none waits.
std::optional<std::chrono::milliseconds> until_next_delivery(Transaction& t);
/// status: HTTP's, 0 where none came. good: it arrived. Else the next try is after `backoff`, or none is left: then it
/// is failed, and its webhook disabled after kMaxWebhookFailures of those in a row.
void finish_delivery(Transaction& t, const DueDelivery& delivery, bool good, int status, const std::string& error,
                     std::chrono::milliseconds backoff);

}  // namespace afina::storage
