// SPDX-License-Identifier: Apache-2.0
// Consent, sessions, withdrawal, one's own data.
#include <algorithm>

#include "base/cat.h"
#include "base/clock.h"
#include "collector/collector.h"
#include "collector/turns.h"
#include "storage/audit.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxPurposes = 16, kMaxNameBytes = 60;
constexpr int64_t kExportPage = 200;

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

void check_purposes(const ConsentDocument& document, const std::vector<std::string>& purposes) {
  for (const std::string& purpose : purposes) {
    if (contains(document.purposes, purpose)) continue;
    throw refusal(400, "bad_request", cat("[body] purposes must be ones of the text, but got \"", purpose, "\"."));
  }
  for (const std::string& purpose : document.required) {
    if (contains(purposes, purpose)) continue;
    throw refusal(400, "bad_request",
                  cat("[body] purposes must hold \"", purpose, "\", without which nothing is kept."));
  }
}

struct Guest {
  storage::Source source = storage::Source::web;
  std::string annotator;
};

/// Who visits: a person at the page, or a program that says so.
Guest read_guest(const Body& body, bool api_visits) {
  Guest guest;
  guest.annotator = body.text_or("annotator", kMaxNameBytes, "");
  const std::string kind = body.text_or("kind", 20, "person");
  if (kind == "person" && guest.annotator.empty()) return guest;
  if (kind == "api") guest.source = storage::Source::api;
  if (kind == "demo") guest.source = storage::Source::demo;
  if (guest.source == storage::Source::web || !api_visits) {
    throw refusal(400, "bad_request",
                  "[body] kind must be \"person\", or \"api\" or \"demo\" where the server lets programs take part.");
  }
  return guest;
}

Json conversation_json(const storage::ConversationView& view) {
  Json json{{"id", view.conversation.id},
            {"locale", view.conversation.locale},
            {"created_at", iso8601_utc(view.conversation.created_at)},
            {"turns", Json::array()}};
  for (const Turn& turn : turns_of(view))
    json["turns"].push_back(turn_json(turn, false));
  return json;
}

}  // namespace

void Collector::add_people() {
  const auto plain = [this](auto handler) {
    return with_codes(
        [this, handler](const Request& request, Response& response) { (this->*handler)(request, response); });
  };
  server_.route("GET", "/api/consent/{locale}", plain(&Collector::consent), options(1024));
  server_.route("POST", "/api/visits", plain(&Collector::begin_visit), options(8 * 1024, "door"));
  server_.route("GET", "/api/session", plain(&Collector::session), options(1024));
  server_.route("POST", "/api/withdraw", plain(&Collector::withdraw), options(1024, "door"));
  person_route("POST", "/api/session/end", &Collector::end_session);
  person_route("POST", "/api/consent", &Collector::change_consent);
  person_route("GET", "/api/export", &Collector::export_own);
}

void Collector::consent(const Request& request, Response& response) {
  const auto found = consents_.find(request.param("locale"));
  if (found == consents_.end()) throw NotFound("[locale] must be es, pt or en, but is none of them.");
  const ConsentDocument& document = found->second;
  Json json = document.json;
  json["version"] = document.version;
  json["sha256"] = document.sha256;
  response.set_json(json);
}

void Collector::begin_visit(const Request& request, Response& response) {
  const Body body(request, {"locale", "consent_version", "consent_sha256", "purposes", "adult", "kind", "annotator"});
  const auto found = consents_.find(body.text("locale", 16));
  if (found == consents_.end()) throw refusal(400, "bad_request", "[body] locale must be es, pt or en.");
  const ConsentDocument& document = found->second;
  if (body.text("consent_version", 64) != document.version || body.text("consent_sha256", 64) != document.sha256) {
    throw refusal(409, "consent_outdated", "[consent] must be to the text as it is now, but that text has changed.");
  }
  if (!body.truth("adult")) throw refusal(400, "bad_request", "[body] adult must be true to take part.");
  const auto purposes = body.words("purposes", kMaxPurposes);
  check_purposes(document, purposes);
  const Guest guest = read_guest(body, config_.api_visits);

  storage::NewVisitor visitor;
  visitor.locale = document.locale;
  visitor.session_token = storage::new_session_token();
  visitor.receipt_code = storage::new_receipt_code();
  visitor.source = guest.source;
  visitor.consent.purposes = purposes;
  const auto kind =
      guest.source == storage::Source::demo ? storage::AnnotatorKind::demo : storage::AnnotatorKind::service;
  database_.transaction([&](storage::Transaction& t) {
    storage::NewVisitor row = visitor;
    row.consent.text_id = storage::ensure_consent_text(t, document.version, document.locale, document.body).id;
    if (!guest.annotator.empty()) row.annotator_id = storage::ensure_annotator(t, kind, guest.annotator).id;
    storage::create_visitor(t, row);
  });

  Json json{{"visitor", visitor.id}, {"receipt_code", visitor.receipt_code}, {"locale", document.locale}};
  // A program keeps its token itself; a page's scripts must never see theirs.
  if (guest.source == storage::Source::web) {
    set_session(response, visitor.session_token);
  } else {
    json["session_token"] = visitor.session_token;
  }
  response.set_json(json, 201);
}

void Collector::session(const Request& request, Response& response) {
  const auto visitor = find_visitor(request);
  Json json{{"active", visitor.has_value()}, {"blind_pairs", true}};
  if (visitor) {
    json["locale"] = visitor->locale;
    json["purposes"] = visitor->purposes;
    json["visitor"] = visitor->id;
  }
  response.set_json(json);
}

void Collector::withdraw(const Request& request, Response& response) {
  const Body body(request, {"receipt_code"});
  const std::string code = storage::normalise_receipt_code(body.text("receipt_code", 64));
  const auto unknown = [] {
    return refusal(404, "receipt_unknown", "[receipt_code] must be one we gave, but is not.");
  };
  if (code.empty()) throw unknown();
  storage::WithdrawalReport report;
  try {
    report = database_.transaction([&](storage::Transaction& t) {
      auto done = storage::withdraw(t, code);
      if (!done.already) {
        storage::append_audit(t, "receipt", "withdraw", done.visitor_id,
                              {{"conversations", done.conversations}, {"votes", done.votes}});
      }
      return done;
    });
  } catch (const NotFound&) {
    throw unknown();
  }
  response.set_json(Json{{"withdrawn", true},
                         {"already", report.already},
                         {"conversations", report.conversations},
                         {"votes", report.votes},
                         {"snapshots_before", report.snapshot_ids.size()},
                         {"adapters_before", report.adapter_ids.size()}});
  if (!request.cookie(cookie_name()).empty()) {
    const auto still = find_visitor(request);
    if (!still) set_session(response, "");
  }
}

void Collector::end_session(const storage::Visitor& visitor, const Request& request, Response& response) {
  const Body body(request, {});
  database_.transaction([&](storage::Transaction& t) { storage::end_session(t, visitor.id); });
  set_session(response, "");
  response.set_json(Json{{"ended", true}});
}

void Collector::change_consent(const storage::Visitor& visitor, const Request& request, Response& response) {
  const Body body(request, {"locale", "consent_version", "consent_sha256", "purposes"});
  const auto found = consents_.find(body.text("locale", 16));
  if (found == consents_.end() || body.text("consent_version", 64) != found->second.version ||
      body.text("consent_sha256", 64) != found->second.sha256) {
    throw refusal(409, "consent_outdated", "[consent] must be to the text as it is now, but that text has changed.");
  }
  const ConsentDocument& document = found->second;
  const auto purposes = body.words("purposes", kMaxPurposes);
  check_purposes(document, purposes);
  const std::string event_id = new_uuid();
  database_.transaction([&](storage::Transaction& t) {
    storage::ConsentEvent event;
    event.id = event_id;
    event.visitor_id = visitor.id;
    event.text_id = storage::ensure_consent_text(t, document.version, document.locale, document.body).id;
    event.purposes = purposes;
    storage::add_consent_event(t, event);
  });
  response.set_json(Json{{"purposes", purposes}});
}

void Collector::export_own(const storage::Visitor& visitor, const Request&, Response& response) {
  const Json json = database_.transaction(
      [&](storage::Transaction& t) {
        Json all{{"visitor", visitor.id}, {"purposes", visitor.purposes}, {"conversations", Json::array()}};
        storage::ConversationFilter filter;
        filter.visitor_id = visitor.id;
        filter.limit = kExportPage;
        do {
          const auto page = storage::list_conversations(t, filter);
          for (const auto& row : page.rows) {
            all["conversations"].push_back(
                conversation_json(storage::load_own_conversation(t, row.conversation.id, visitor.id)));
          }
          filter.before_id = page.next_before_id;
        } while (!filter.before_id.empty());
        return all;
      },
      {.isolation = storage::Isolation::repeatable_read, .read_only = true});
  response.headers.set("Content-Disposition", "attachment; filename=\"afina.json\"");
  response.set_json(json);
}

}  // namespace afina::collector
