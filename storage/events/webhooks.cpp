// SPDX-License-Identifier: Apache-2.0
#include "storage/events/webhooks.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "storage/events/outbox.h"
#include "storage/occupied.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

constexpr size_t kMaxErrorBytes = 500;
constexpr const char* kWebhookColumns =
    "SELECT id, workspace_id, url, to_json(types) AS wanted, state, disabled_reason, failures, created_at, disabled_at "
    "FROM webhook ";

Webhook read_webhook(const Row& row) {
  Webhook w;
  w.id = row.text("id");
  w.workspace_id = row.text("workspace_id");
  w.url = row.text("url");
  w.types = row.texts("wanted");
  w.active = row.text("state") == "active";
  w.disabled_reason = row.text("disabled_reason");
  w.failures = static_cast<int>(row.integer("failures"));
  w.created_at = row.time("created_at");
  w.disabled_at = row.maybe_time("disabled_at");
  return w;
}

DeliveryState state_of(const std::string& word) {
  if (word == "delivered") return DeliveryState::delivered;
  return word == "failed" ? DeliveryState::failed : DeliveryState::waiting;
}

/// Cut between code points: the column takes so many bytes.
std::string cut(const std::string& text) {
  size_t end = std::min(text.size(), kMaxErrorBytes);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  return text.substr(0, end);
}

/// Locks it against senders. Throws NotFound.
Webhook lock_webhook(Transaction& t, const std::string& workspace_id, const std::string& webhook_id) {
  require_uuid(webhook_id, "a webhook");
  const Result rows = t.exec(cat(kWebhookColumns, "WHERE id = $1::uuid AND workspace_id = $2::uuid FOR UPDATE"),
                             Params().text(webhook_id).text(workspace_id));
  if (rows.empty()) throw_not_found(webhook_id, "a webhook");
  return read_webhook(rows.one());
}

void switch_off(Transaction& t, const std::string& webhook_id, const std::string& reason) {
  t.exec(
      "UPDATE webhook SET state = 'disabled', disabled_reason = $2, disabled_at = clock_timestamp() "
      "WHERE id = $1::uuid AND state = 'active'",
      Params().text(webhook_id).text(reason.substr(0, 200)));
  t.exec(
      "UPDATE delivery SET state = 'failed', last_error = 'the webhook was disabled', finished_at = clock_timestamp() "
      "WHERE webhook_id = $1::uuid AND state = 'waiting'",
      Params().text(webhook_id));
}

/// Two admins at one moment queue here, so that the cap holds. Not on the workspace's row: the role of the web may not
/// lock what it may not change.
void lock_webhooks(Transaction& t, const std::string& workspace_id) {
  t.exec("SELECT pg_advisory_xact_lock(hashtextextended('webhook ' || $1, 0))", Params().text(workspace_id));
}

/// Throws Occupied where there is none for one more beside the others.
void require_room(Transaction& t, const std::string& workspace_id, const std::string& webhook_id) {
  const Result rows =
      t.exec("SELECT count(*) AS n FROM webhook WHERE workspace_id = $1::uuid AND state = 'active' AND id <> $2::uuid",
             Params().text(workspace_id).text(webhook_id));
  if (rows.one().integer("n") < kMaxWebhooks) return;
  throw Occupied(cat("[webhook] a workspace must have at most ", kMaxWebhooks, " active ones, but has that many."),
                 "disable one first");
}

}  // namespace

std::string_view to_string(DeliveryState value) {
  switch (value) {
    case DeliveryState::delivered:
      return "delivered";
    case DeliveryState::failed:
      return "failed";
    case DeliveryState::waiting:
      break;
  }
  return "waiting";
}

std::string new_webhook_secret() {
  return webhook_secret_of(random_hex(32));
}

std::string webhook_secret_of(const std::string& hex) {
  return "whsec_" + hex;
}

std::string create_webhook(Transaction& t, const Webhook& webhook) {
  for (const std::string& type : webhook.types) {
    if (type != "*" && std::ranges::find(kEventTypes, type) == std::end(kEventTypes)) {
      throw DataError("[webhook] types must be known ones or \"*\", but one is not.");
    }
  }
  lock_webhooks(t, webhook.workspace_id);
  const Result found = t.exec(
      "SELECT id, url = $3 AND types = $4::text[] AS same FROM webhook WHERE workspace_id = $1::uuid AND secret = $2",
      Params().text(webhook.workspace_id).text(webhook.secret).text(webhook.url).texts(webhook.types));
  if (!found.empty()) {
    const Row row = found.one();
    if (!row.boolean("same")) {
      throw Conflict("[webhook] must be the same when it is asked for again, but is not.", "use a new key");
    }
    return row.text("id");
  }
  require_room(t, webhook.workspace_id, webhook.id);
  t.exec(
      "INSERT INTO webhook (id, workspace_id, url, types, secret) VALUES ($1::uuid, $2::uuid, $3, $4::text[], $5) "
      "ON CONFLICT (id) DO NOTHING",
      Params().text(webhook.id).text(webhook.workspace_id).text(webhook.url).texts(webhook.types).text(webhook.secret));
  return webhook.id;
}

std::vector<Webhook> list_webhooks(Transaction& t, const std::string& workspace_id) {
  const Result rows = t.exec(cat(kWebhookColumns, "WHERE workspace_id = $1::uuid ORDER BY id DESC LIMIT 500"),
                             Params().text(workspace_id));
  std::vector<Webhook> all;
  for (size_t i = 0; i < rows.size(); ++i)
    all.push_back(read_webhook(rows[i]));
  return all;
}

void disable_webhook(Transaction& t, const std::string& workspace_id, const std::string& webhook_id,
                     const std::string& reason) {
  lock_webhook(t, workspace_id, webhook_id);
  switch_off(t, webhook_id, reason);
}

void enable_webhook(Transaction& t, const std::string& workspace_id, const std::string& webhook_id) {
  lock_webhooks(t, workspace_id);
  if (lock_webhook(t, workspace_id, webhook_id).active) return;
  require_room(t, workspace_id, webhook_id);
  t.exec(
      "UPDATE webhook SET state = 'active', disabled_reason = '', disabled_at = NULL, failures = 0 WHERE id = $1::uuid",
      Params().text(webhook_id));
}

std::string webhook_url(Transaction& t, const std::string& workspace_id, const std::string& webhook_id) {
  return lock_webhook(t, workspace_id, webhook_id).url;
}

std::string test_webhook(Transaction& t, const std::string& workspace_id, const std::string& webhook_id) {
  if (!lock_webhook(t, workspace_id, webhook_id).active) {
    throw Occupied("[webhook] must be active to be tested, but is disabled.");
  }
  const Json payload{{"webhook", webhook_id}};
  return t
      .exec(
          "WITH event AS (INSERT INTO outbox (id, workspace_id, type, payload) VALUES ($1::uuid, $2::uuid, "
          "'webhook.test', $3::jsonb) RETURNING id) INSERT INTO delivery (event_id, webhook_id) SELECT id, $4::uuid "
          "FROM event RETURNING id",
          Params().text(new_uuid()).text(workspace_id).json(payload).text(webhook_id))
      .one()
      .text("id");
}

std::vector<Delivery> list_deliveries(Transaction& t, const std::string& workspace_id, const std::string& webhook_id,
                                      const std::string& before_event_id, int64_t limit) {
  require_uuid(webhook_id, "a webhook");
  if (t.exec("SELECT FROM webhook WHERE id = $1::uuid AND workspace_id = $2::uuid",
             Params().text(webhook_id).text(workspace_id))
          .empty()) {
    throw_not_found(webhook_id, "a webhook");
  }
  if (!before_event_id.empty()) require_uuid(before_event_id, "an event");
  const Result rows = t.exec(
      "SELECT d.*, o.type FROM delivery d JOIN outbox o ON o.id = d.event_id WHERE d.webhook_id = $1::uuid "
      "AND ($2::uuid IS NULL OR d.event_id < $2::uuid) ORDER BY d.event_id DESC LIMIT $3::bigint",
      Params().text(webhook_id).text_or_null(before_event_id).integer(limit));
  std::vector<Delivery> all;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    all.push_back({row.text("id"), row.text("event_id"), row.text("type"), state_of(row.text("state")),
                   static_cast<int>(row.integer("tries")), static_cast<int>(row.integer("last_status")),
                   row.text("last_error"), row.time("created_at"), row.time("next_try_at"),
                   row.maybe_time("finished_at")});
  }
  return all;
}

std::vector<DueDelivery> take_due_deliveries(Transaction& t, const DeliveryPlaces& places,
                                             std::chrono::milliseconds lease) {
  std::vector<std::string> hosts;
  std::vector<int64_t> taken;
  int64_t all_taken = 0;
  for (const auto& [host, count] : places.taken) {
    hosts.push_back(host);
    taken.push_back(count);
    all_taken += count;
  }
  // As many of each webhook as its host has places, then as many of each host, then as many as there are.
  const Result rows = t.exec(
      "WITH receiver AS (SELECT w.id, h.host, $5::bigint - coalesce(busy.taken, 0) AS free FROM webhook w "
      "CROSS JOIN LATERAL (SELECT regexp_replace(split_part(split_part(lower(w.url), '/', 3), '?', 1), ':[0-9]+$', '') "
      "AS host) h LEFT JOIN unnest($3::text[], $4::bigint[]) AS busy(host, taken) ON busy.host = h.host "
      "WHERE w.state = 'active'), "
      "candidate AS (SELECT c.id, c.next_try_at, r.host, r.free FROM receiver r CROSS JOIN LATERAL "
      "(SELECT d.id, d.next_try_at FROM delivery d WHERE d.webhook_id = r.id AND d.state = 'waiting' "
      "AND d.next_try_at <= clock_timestamp() AND d.tries < $2::integer ORDER BY d.next_try_at "
      "LIMIT greatest(r.free, 0) FOR UPDATE SKIP LOCKED) c), "
      "placed AS (SELECT id, host FROM (SELECT *, row_number() OVER (PARTITION BY host ORDER BY next_try_at, id) AS n "
      "FROM candidate) x WHERE n <= free ORDER BY next_try_at, id LIMIT greatest($6::bigint, 0)) "
      "UPDATE delivery d SET tries = d.tries + 1, next_try_at = clock_timestamp() + $1::bigint * interval '1 ms' "
      "FROM placed, webhook w, outbox o WHERE d.id = placed.id AND w.id = d.webhook_id AND o.id = d.event_id "
      "RETURNING d.id, d.webhook_id, d.event_id, d.tries, w.url, w.secret, o.type, o.workspace_id, o.payload, "
      "o.created_at, placed.host",
      Params()
          .integer(int64_t{lease.count()})
          .integer(int64_t{kMaxDeliveryTries})
          .texts(hosts)
          .integers(taken)
          .integer(places.of_host)
          .integer(places.all - all_taken));
  std::vector<DueDelivery> due;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    due.push_back({row.text("id"), row.text("webhook_id"), row.text("url"), row.text("secret"), row.text("event_id"),
                   row.text("type"), row.text("workspace_id"), row.text("host"), row.json("payload"),
                   static_cast<int>(row.integer("tries")), row.time("created_at")});
  }
  return due;
}

std::optional<std::chrono::milliseconds> until_next_delivery(Transaction& t) {
  const Result rows = t.exec(
      "SELECT ceil(extract(epoch FROM min(next_try_at) - clock_timestamp()) * 1000)::bigint AS ms "
      "FROM delivery WHERE state = 'waiting'");
  const auto ms = rows.one().maybe_integer("ms");
  return ms ? std::optional(std::chrono::milliseconds(std::max<int64_t>(0, *ms))) : std::nullopt;
}

void finish_delivery(Transaction& t, const DueDelivery& delivery, bool good, int status, const std::string& error,
                     std::chrono::milliseconds backoff) {
  const bool over = good || delivery.tries >= kMaxDeliveryTries;
  // Only while it is still this try: a sender whose lease has ended must not overwrite what the next one found.
  const Result touched = t.exec(
      "UPDATE delivery SET state = $2, last_status = $3::integer, last_error = $4, "
      "next_try_at = clock_timestamp() + $5::bigint * interval '1 ms', "
      "finished_at = CASE WHEN $2 = 'waiting' THEN NULL ELSE clock_timestamp() END "
      "WHERE id = $1::uuid AND state = 'waiting' AND (tries = $6::integer OR $2 = 'delivered')",
      Params()
          .text(delivery.id)
          .text(good   ? "delivered"
                : over ? "failed"
                       : "waiting")
          .integer(int64_t{status})
          .text(cut(error))
          .integer(int64_t{backoff.count()})
          .integer(int64_t{delivery.tries}));
  if (touched.affected() == 0 || !over) return;
  const Result counted = t.exec(
      "UPDATE webhook SET failures = CASE WHEN $2::boolean THEN 0 ELSE failures + 1 END WHERE id = $1::uuid "
      "AND state = 'active' RETURNING failures",
      Params().text(delivery.webhook_id).boolean(good));
  if (!counted.empty() && counted.one().integer("failures") >= kMaxWebhookFailures) {
    switch_off(t, delivery.webhook_id, "its deliveries failed again and again");
  }
}

}  // namespace afina::storage
