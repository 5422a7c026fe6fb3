// SPDX-License-Identifier: Apache-2.0
// Consent, sessions, withdrawal.
#include "base/cat.h"
#include "collector/accounts/consent_form.h"
#include "collector/accounts/repeats.h"
#include "collector/collector.h"
#include "http/network.h"
#include "storage/audit.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxNameBytes = 60;

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

/// What people allow, and taking it back, is theirs to say: a token that was lent for something else cannot.
void require_browser(const Actor& actor, const char* act) {
  if (!actor.by_token) return;
  throw refusal(403, "forbidden", cat("[", act, "] must be by a browser's session, but is by an API token."));
}

}  // namespace

void Collector::add_people() {
  const auto open = [this](const char* method, const char* pattern, OpenHandler handler, const char* rate_class,
                           const char* summary) {
    RouteSpec spec{.method = method, .pattern = pattern, .access = kEverybody};
    spec.rate_class = rate_class;
    spec.summary = summary;
    routes_.add(spec, [this, handler](const Actor& actor, const Request& request, Response& response) {
      (this->*handler)(actor, request, response);
    });
  };
  open("GET", "/api/consent/{locale}", &Collector::consent, "address", "The consent text as it is shown now");
  open("POST", "/api/visits", &Collector::begin_visit, "door", "Consent, and get a receipt code and a session");
  open("GET", "/api/session", &Collector::session, "address", "Whether a consent is on record for the caller");
  open("POST", "/api/withdraw", &Collector::withdraw, "door", "Take everything back, by receipt code or account");
  person_route("POST", "/api/session/end", &Collector::end_session);
  RouteSpec choice{.method = "POST", .pattern = "/api/consent", .access = kPeople};
  choice.summary = "Change what one allows; by a browser's session, not by an API token";
  routes_.add(choice, [this](const Actor& actor, const Request& request, Response& response) {
    change_consent(actor.person(), request, response);
  });
  person_route("GET", "/api/export", &Collector::export_own);
}

void Collector::consent(const Actor&, const Request& request, Response& response) {
  const auto found = consents_.find(request.param("locale"));
  if (found == consents_.end()) throw NotFound("[locale] must be one that has a consent text, but is none of them.");
  const ConsentDocument& document = found->second;
  Json json = document.json;
  json["version"] = document.version;
  json["sha256"] = document.sha256;
  response.set_json(json);
}

void Collector::begin_visit(const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {"locale", "consent_version", "consent_sha256", "purposes", "adult", "kind", "annotator"});
  const ConsentForm form = read_consent(body, consents_);
  storage::NewVisitor visitor = visitor_of(form);
  if (actor.account) {
    attach_visit(actor, form, std::move(visitor), request, response);
    return;
  }
  const Guest guest = read_guest(body, takes_programs(config_));
  visitor.session_token = storage::new_session_token();
  visitor.source = guest.source;
  visitor.network = http::network_of(request.remote_ip);
  const auto kind =
      guest.source == storage::Source::demo ? storage::AnnotatorKind::demo : storage::AnnotatorKind::service;
  database_.transaction([&](storage::Transaction& t) {
    storage::NewVisitor row = visitor;
    if (!guest.annotator.empty()) row.annotator_id = storage::ensure_program(t, kind, guest.annotator).id;
    store_visitor(t, form, row);
  });

  Json json{{"visitor", visitor.id}, {"receipt_code", visitor.receipt_code}, {"locale", visitor.locale}};
  // A program keeps its token itself; a page's scripts must never see theirs.
  if (guest.source == storage::Source::web) {
    set_session(response, visitor.session_token);
  } else {
    json["session_token"] = visitor.session_token;
  }
  response.set_json(json, 201);
}

// The consent of somebody who is signed in: the account's session is the session.
void Collector::attach_visit(const Actor& actor, const ConsentForm& form, storage::NewVisitor visitor,
                             const Request& request, Response& response) {
  require_browser(actor, "consent");
  visitor.receipt_code =
      storage::receipt_code_of(repeatable_secret(request, credential_of(request, config_), "consent"));
  const Json given{{"visitor", visitor.id}, {"receipt_code", visitor.receipt_code}, {"locale", visitor.locale}};
  if (actor.visitor && database_.read([&](storage::Transaction& t) {
        return storage::is_receipt_of(t, actor.visitor->id, visitor.receipt_code);
      })) {
    Json again = given;  // the same request once more: its first reply may have been lost
    again["visitor"] = actor.visitor->id;
    again["locale"] = actor.visitor->locale;
    response.set_json(again);
    return;
  }
  if (actor.visitor) {
    throw refusal(400, "bad_request",
                  "[session] must have no consent yet, but has one. Hint: POST /api/consent changes it.");
  }
  visitor.annotator_id = actor.member().annotator_id;
  database_.transaction([&](storage::Transaction& t) {
    store_visitor(t, form, visitor);
    storage::set_account_visitor(t, actor.member().id, visitor.id);
    note(t, actor, request, "consent", visitor.id, {{"purposes", form.purposes}});
  });
  response.set_json(given, 201);
}

void Collector::session(const Actor& actor, const Request&, Response& response) {
  Json json{{"active", actor.visitor.has_value()}, {"blind_pairs", true}};
  if (actor.visitor) {
    json["locale"] = actor.visitor->locale;
    json["purposes"] = actor.visitor->purposes;
    json["visitor"] = actor.visitor->id;
  }
  response.set_json(json);
}

void Collector::withdraw(const Actor& actor, const Request& request, Response& response) {
  const Body body(request, {"receipt_code"});
  const bool by_code = body.has("receipt_code");
  const std::string code = by_code ? storage::normalise_receipt_code(body.text("receipt_code", 64)) : "";
  const auto unknown = [] {
    return refusal(404, "receipt_unknown", "[receipt_code] must be one we gave, but is not.");
  };
  if (by_code && code.empty()) throw unknown();
  if (!by_code && (!actor.account || !actor.visitor)) {
    throw refusal(400, "bad_request", "[body] receipt_code must be given, but by an account that gave a consent.");
  }
  if (!by_code) require_browser(actor, "withdraw");
  const std::string own = by_code ? "" : actor.visitor->id;
  storage::WithdrawalReport report;
  storage::MadeFrom made;
  try {
    // A receipt code is its holder's in every workspace.
    database_.transaction(
        [&](storage::Transaction& t) {
          report = by_code ? storage::withdraw(t, code) : storage::withdraw_visitor(t, own);
          made = storage::made_from(t, report);
          if (report.already) return;
          storage::append_audit(
              t, by_code ? "receipt" : actor.audit_name(), "withdraw", report.visitor_id,
              {{"conversations", report.conversations}, {"votes", report.votes}, {"request", request.request_id}},
              report.workspace_id);
        },
        {.workspace = storage::kEveryWorkspace});
  } catch (const NotFound&) {
    throw unknown();
  }
  const auto named = [](const std::vector<storage::Made>& rows) {
    Json list = Json::array();
    for (const auto& row : rows)
      list.push_back({{"id", row.id}, {"name", row.name}});
    return list;
  };
  response.set_json(Json{{"withdrawn", true},
                         {"already", report.already},
                         {"conversations", report.conversations},
                         {"votes", report.votes},
                         {"snapshots_before", report.snapshot_ids.size()},
                         {"adapters_before", report.adapter_ids.size()},
                         {"runs", named(made.runs)},
                         {"adapters", named(made.adapters)}});
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
  const ConsentForm form = read_consent(body, consents_, false);
  const ConsentDocument& document = *form.document;
  const auto& purposes = form.purposes;
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

}  // namespace afina::collector
