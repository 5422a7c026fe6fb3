// SPDX-License-Identifier: Apache-2.0
// Routes of self-descriptions, webhooks and the OpenAPI document.
#include "collector/accounts/routes.h"
#include "base/clock.h"
#include "collector/accounts/repeats.h"
#include "collector/events/dispatcher.h"
#include "collector/events/openapi.h"
#include "collector/events/retention_job.h"
#include "collector/services.h"
#include "collector/wire.h"
#include "storage/audit.h"
#include "storage/events/profiles.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxUrlBytes = 2000, kMaxTypes = 32;

RouteSpec spec_of(const char* method, const char* pattern, Access access, const char* scope, const char* summary) {
  RouteSpec spec{.method = method, .pattern = pattern, .access = access, .scope = scope};
  spec.summary = summary;
  return spec;
}

Json time_json(const std::optional<storage::Time>& time) {
  return time ? Json(iso8601_utc(*time)) : Json();
}

Json profile_json(const storage::Profile& profile) {
  const auto or_null = [](const std::string& word) { return word.empty() ? Json() : Json(word); };
  return {{"country", or_null(profile.country)},
          {"languages", profile.languages},
          {"dialect", or_null(profile.dialect)},
          {"age_band", or_null(profile.age_band)},
          {"updated_at", time_json(profile.updated_at)}};
}

storage::Profile read_profile(const http::Request& request) {
  const Body body(request, {"country", "languages", "dialect", "age_band"});
  storage::Profile profile;
  profile.country = body.text_or("country", 8, "");
  if (body.has("languages")) profile.languages = body.words("languages", 16);
  profile.dialect = body.text_or("dialect", 64, "");
  profile.age_band = body.text_or("age_band", 8, "");
  return profile;
}

void add_profile_routes(RouteTable& routes, Services& services) {
  routes.add(spec_of("GET", "/api/profile", kPeople, "chat", "What one said about oneself; everything may be empty."),
             [&services](const Actor& actor, const http::Request&, http::Response& response) {
               response.set_json(profile_json(services.database.read(
                   [&](storage::Transaction& t) { return storage::get_profile(t, actor.person().id); })));
             });
  routes.add(spec_of("POST", "/api/profile", kPeople, "chat",
                     "Overwrites what one says about oneself; an empty object clears it."),
             [&services](const Actor& actor, const http::Request& request, http::Response& response) {
               const storage::Profile told = read_profile(request);
               try {
                 response.set_json(profile_json(services.database.transaction([&](storage::Transaction& t) {
                   auto kept = storage::put_profile(t, actor.person().id, told);
                   // That it was told or cleared, never what: the trail cannot forget.
                   storage::append_audit(t, actor.audit_name(), told.empty() ? "profile.clear" : "profile.set",
                                         actor.person().id);
                   return kept;
                 })));
               } catch (const DataError& error) {
                 throw refusal(400, "bad_request", error.what());
               }
             });
}

Json webhook_json(const storage::Webhook& webhook) {
  return {{"id", webhook.id},
          {"url", webhook.url},
          {"types", webhook.types},
          {"state", webhook.active ? "active" : "disabled"},
          {"disabled_reason", webhook.disabled_reason},
          {"failures", webhook.failures},
          {"created_at", iso8601_utc(webhook.created_at)},
          {"disabled_at", time_json(webhook.disabled_at)}};
}

Json delivery_json(const storage::Delivery& delivery) {
  const bool waits = delivery.state == storage::DeliveryState::waiting;
  return {{"id", delivery.id},
          {"event", delivery.event_id},
          {"type", delivery.type},
          {"state", storage::to_string(delivery.state)},
          {"tries", delivery.tries},
          {"last_status", delivery.last_status},
          {"last_error", delivery.last_error},
          {"created_at", iso8601_utc(delivery.created_at)},
          {"next_try_at", waits ? Json(iso8601_utc(delivery.next_try_at)) : Json()},
          {"finished_at", time_json(delivery.finished_at)}};
}

http::AddressPolicy policy_of(const CollectorConfig& config) {
  http::AddressPolicy policy;
  policy.allow_loopback = policy.allow_private = config.webhook_allow_private;
  // Within one's own network there may be no certificates; outside of it a delivery tells who does what.
  policy.https_only = !config.webhook_allow_private;
  return policy;
}

/// Looked up now, so that a mistake is told to whoever makes it; looked up again at every delivery.
void check_url(const std::string& url, const CollectorConfig& config) {
  try {
    http::guard_target(url, policy_of(config));
  } catch (const Error& error) {
    throw refusal(400, "url_refused", cat("[body] url must lead to a public https address: ", error.what()));
  }
}

void create_webhook(Services& services, const Actor& actor, const http::Request& request, http::Response& response) {
  const Body body(request, {"url", "types"});
  storage::Webhook webhook;
  webhook.workspace_id = actor.workspace_id;
  webhook.url = body.text("url", kMaxUrlBytes);
  webhook.types = body.words("types", kMaxTypes);
  if (webhook.types.empty()) throw refusal(400, "empty", "[body] types must name at least one event, but is empty.");
  webhook.secret =
      storage::webhook_secret_of(repeatable_secret(request, credential_of(request, services.config), "webhook"));
  check_url(webhook.url, services.config);
  std::string id;
  try {
    id = services.database.transaction([&](storage::Transaction& t) {
      auto put = storage::create_webhook(t, webhook);
      if (put == webhook.id) {
        storage::append_audit(t, actor.audit_name(), "webhook.create", webhook.id, {{"types", webhook.types}});
      }
      return put;
    });
  } catch (const DataError& error) {
    throw refusal(400, "bad_request", error.what());
  }
  response.set_json(Json{{"id", id}, {"secret", webhook.secret}}, id == webhook.id ? 201 : 200);
}

void list_deliveries(Services& services, const Actor& actor, const http::Request& request, http::Response& response) {
  const std::string id = require_id(request.param("id")), before = page_cursor(request, "before");
  const int64_t limit = page_limit(request);
  const auto rows = services.database.read(
      [&](storage::Transaction& t) { return storage::list_deliveries(t, actor.workspace_id, id, before, limit); });
  response.set_json(page_json("deliveries", rows, limit, delivery_json, [](const auto& d) { return d.event_id; }));
}

void disable_webhook(Services& services, const Actor& actor, const http::Request& request, http::Response& response) {
  const std::string id = require_id(request.param("id"));
  const Body body(request, {});
  services.database.transaction([&](storage::Transaction& t) {
    storage::disable_webhook(t, actor.workspace_id, id, "by an admin");
    storage::append_audit(t, actor.audit_name(), "webhook.disable", id);
  });
  response.set_json(Json{{"id", id}, {"state", "disabled"}});
}

void enable_webhook(Services& services, const Actor& actor, const http::Request& request, http::Response& response) {
  const std::string id = require_id(request.param("id"));
  const Body body(request, {});
  // Looked up outside of the transaction: a name server may take its time.
  check_url(services.database.transaction(
                [&](storage::Transaction& t) { return storage::webhook_url(t, actor.workspace_id, id); }),
            services.config);
  services.database.transaction([&](storage::Transaction& t) {
    storage::enable_webhook(t, actor.workspace_id, id);
    storage::append_audit(t, actor.audit_name(), "webhook.enable", id);
  });
  response.set_json(Json{{"id", id}, {"state", "active"}});
}

void test_webhook(Services& services, const Actor& actor, const http::Request& request, http::Response& response) {
  const std::string id = require_id(request.param("id"));
  const Body body(request, {});
  const std::string delivery = services.database.transaction([&](storage::Transaction& t) {
    auto made = storage::test_webhook(t, actor.workspace_id, id);
    storage::append_audit(t, actor.audit_name(), "webhook.test", id);
    return made;
  });
  response.set_json(Json{{"delivery", delivery}}, 202);
}

void add_webhook_routes(RouteTable& routes, Services& services) {
  // It lives as long as the routes do: the server's threads end before.
  const auto dispatcher =
      std::make_shared<WebhookDispatcher>(services.database, DispatcherOptions{.policy = policy_of(services.config)});
  routes.add(spec_of("GET", "/api/webhooks", kAdminsAndAuditors, "admin", "Lists the workspace's webhooks."),
             [&services, dispatcher](const Actor& actor, const http::Request&, http::Response& response) {
               Json json{{"webhooks", Json::array()}, {"next", ""}};
               for (const auto& webhook : services.database.read(
                        [&](storage::Transaction& t) { return storage::list_webhooks(t, actor.workspace_id); })) {
                 json["webhooks"].push_back(webhook_json(webhook));
               }
               response.set_json(json);
             });
  const auto add = [&](const char* method, const char* pattern, Access access, const char* summary, auto handler) {
    routes.add(spec_of(method, pattern, access, "admin", summary),
               [&services, handler](const Actor& actor, const http::Request& request, http::Response& response) {
                 handler(services, actor, request, response);
               });
  };
  add("POST", "/api/webhooks", kAdmins, "Adds a webhook; its secret is told this once.", create_webhook);
  add("POST", "/api/webhooks/{id}/disable", kAdmins, "Switches a webhook off; what waits for it is given up.",
      disable_webhook);
  add("POST", "/api/webhooks/{id}/enable", kAdmins, "Switches it on again, for events from now on.", enable_webhook);
  add("POST", "/api/webhooks/{id}/test", kAdmins, "Sends a webhook.test event to this webhook alone.", test_webhook);
  add("GET", "/api/webhooks/{id}/deliveries", kAdminsAndAuditors, "Lists what was sent to a webhook, newest first.",
      list_deliveries);
}

}  // namespace

void add_event_routes(RouteTable& routes, Services& services) {
  add_profile_routes(routes, services);
  add_webhook_routes(routes, services);
  const auto job = std::make_shared<RetentionJob>(services.database, retention_rules(services.config));
  RouteSpec document = spec_of("GET", "/api/openapi.json", kEverybody, "", "This document.");
  const RouteTable* table = &routes;
  routes.add(document, [table, job](const Actor&, const http::Request&, http::Response& response) {
    response.set_json(openapi_document(table->specs()));
  });
}

}  // namespace afina::collector
