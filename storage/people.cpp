// SPDX-License-Identifier: Apache-2.0
#include "storage/people.h"

#include <unordered_map>

#include "base/error.h"
#include "base/hash.h"
#include "storage/events/outbox.h"
#include "storage/loop.h"
#include "storage/networks.h"
#include "storage/row_readers.h"
#include "storage/tasks/adjudication.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::string_view kReceiptPrefix = "AFINA";
constexpr size_t kReceiptSymbols = 20;  // of 5 bits each
constexpr size_t kReceiptGroup = 5;
constexpr std::string_view kServicePrefix = "api:", kDemoPrefix = "demo:";

// Not by the view current_consent: a join cannot reach into its DISTINCT, so that each look-up would read them all.
constexpr const char* kVisitorColumns =
    "SELECT v.*, c.id AS consent_event_id, to_json(CASE WHEN c.granted THEN c.purposes ELSE '{}' END) AS allowed "
    "FROM visitor v CROSS JOIN LATERAL (SELECT e.id, e.granted, e.purposes FROM consent_event e "
    "WHERE e.visitor_id = v.id ORDER BY e.created_at DESC, e.id DESC LIMIT 1) c ";

Visitor read_visitor(const Row& row) {
  Visitor v;
  v.id = row.text("id");
  v.annotator_id = row.text("annotator_id");
  v.locale = row.text("locale");
  v.source = word<Source>(row, "source");
  v.consent_event_id = row.text("consent_event_id");
  v.purposes = row.texts("allowed");
  v.created_at = row.time("created_at");
  v.withdrawn_at = row.maybe_time("withdrawn_at");
  return v;
}

Annotator read_annotator(const Row& row) {
  return {row.text("id"), word<AnnotatorKind>(row, "kind"), row.text("name"), row.time("created_at")};
}

void insert_consent_event(Transaction& t, const ConsentEvent& event, const std::string& visitor_id) {
  t.exec(
      "INSERT INTO consent_event (id, visitor_id, text_id, granted, purposes) "
      "VALUES ($1::uuid, $2::uuid, $3::uuid, $4::boolean, $5::text[]) ON CONFLICT (id) DO NOTHING",
      Params().text(event.id).text(visitor_id).text(event.text_id).boolean(event.granted).texts(event.purposes));
}

}  // namespace

Annotator ensure_annotator(Transaction& t, AnnotatorKind kind, const std::string& name) {
  if (name.empty()) throw DataError("[storage.people] an annotator's name must not be empty, but is.");
  t.exec("INSERT INTO annotator (id, kind, name) VALUES ($1::uuid, $2, $3) ON CONFLICT (name) DO NOTHING",
         Params().text(new_uuid()).text(to_string(kind)).text(name));
  const Result rows = t.exec("SELECT * FROM annotator WHERE name = $1", Params().text(name));
  const Annotator stored = read_annotator(rows.one());
  if (stored.kind != kind) {
    throw Conflict(cat("[storage.people] annotator '", name, "' must be of kind ", to_string(kind), ", but is ",
                       to_string(stored.kind), "."));
  }
  return stored;
}

Annotator ensure_program(Transaction& t, AnnotatorKind kind, const std::string& name) {
  return ensure_annotator(t, kind, cat(kind == AnnotatorKind::demo ? kDemoPrefix : kServicePrefix, name));
}

bool is_program_name(std::string_view name) {
  return name.starts_with(kServicePrefix) || name.starts_with(kDemoPrefix);
}

ConsentText ensure_consent_text(Transaction& t, const std::string& version, const std::string& locale,
                                const std::string& body) {
  const std::string hash = sha256_hex(body);
  t.exec(
      "INSERT INTO consent_text (id, version, locale, body, sha256) VALUES ($1::uuid, $2, $3, $4, $5) "
      "ON CONFLICT (version, locale) DO NOTHING",
      Params().text(new_uuid()).text(version).text(locale).text(body).text(hash));
  const Result rows =
      t.exec("SELECT * FROM consent_text WHERE version = $1 AND locale = $2", Params().text(version).text(locale));
  const Row row = rows.one();
  if (row.text("sha256") != hash) {
    throw Conflict(
        cat("[storage.people] consent text ", version, " in ", locale, " must keep its words, but they were changed."),
        "give changed words a new version");
  }
  return {row.text("id"), version, locale, body, hash, row.time("created_at")};
}

std::string new_session_token() {
  return random_hex(32);
}

std::string new_receipt_code() {
  return receipt_code_of(random_hex(kReceiptSymbols));
}

std::string receipt_code_of(const std::string& hex) {
  std::string code(kReceiptPrefix);
  for (size_t i = 0; i < kReceiptSymbols; ++i) {
    if (i % kReceiptGroup == 0) code += '-';
    code += kCrockford[static_cast<size_t>(std::stoi(hex.substr(2 * i, 2), nullptr, 16)) % kCrockford.size()];
  }
  return code;
}

std::string normalise_receipt_code(std::string_view typed) {
  std::string symbols;
  for (char c : typed.substr(0, 200)) {
    if (c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    symbols += c;
  }
  if (symbols.rfind(kReceiptPrefix, 0) == 0) symbols.erase(0, kReceiptPrefix.size());
  if (symbols.size() != kReceiptSymbols) return "";
  std::string code(kReceiptPrefix);
  for (size_t i = 0; i < symbols.size(); ++i) {
    char c = symbols[i];
    if (c == 'O') c = '0';
    if (c == 'I' || c == 'L') c = '1';
    if (kCrockford.find(c) == std::string_view::npos) return "";
    if (i % kReceiptGroup == 0) code += '-';
    code += c;
  }
  return code;
}

Visitor create_visitor(Transaction& t, const NewVisitor& visitor) {
  if (!visitor.consent.granted) throw DataError("[storage.people] a visitor must have given consent, but has not.");
  const std::string receipt = normalise_receipt_code(visitor.receipt_code);
  if (receipt.empty()) throw DataError("[storage.people] a receipt code must have its form, but has not.");
  std::string annotator = visitor.annotator_id;
  if (annotator.empty()) {
    // The same id as the visitor's: known by this visit only, and the act can be repeated.
    annotator = visitor.id;
    t.exec("INSERT INTO annotator (id, kind) VALUES ($1::uuid, 'anonymous') ON CONFLICT (id) DO NOTHING",
           Params().text(annotator));
  }
  t.exec(
      "INSERT INTO visitor (id, annotator_id, locale, source, session_sha256, receipt_sha256) "
      "VALUES ($1::uuid, $2::uuid, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
      Params()
          .text(visitor.id)
          .text(annotator)
          .text(visitor.locale)
          .text(to_string(visitor.source))
          .text_or_null(visitor.session_token.empty() ? "" : sha256_hex(visitor.session_token))
          .text(sha256_hex(receipt)));
  insert_consent_event(t, visitor.consent, visitor.id);
  if (!visitor.network.empty()) put_network(t, visitor.id, visitor.network);
  return get_visitor(t, visitor.id);
}

void add_consent_event(Transaction& t, const ConsentEvent& event) {
  if (get_visitor(t, event.visitor_id).withdrawn_at) throw_not_found(event.visitor_id, "a visitor");
  insert_consent_event(t, event, event.visitor_id);
}

Visitor get_visitor(Transaction& t, const std::string& visitor_id) {
  require_uuid(visitor_id, "a visitor");
  const Result rows = t.exec(std::string(kVisitorColumns) + "WHERE v.id = $1::uuid", Params().text(visitor_id));
  if (rows.empty()) throw_not_found(visitor_id, "a visitor");
  return read_visitor(rows.one());
}

std::vector<std::optional<Visitor>> find_visitors_by_session(Transaction& t, const std::vector<std::string>& tokens) {
  std::vector<std::string> hashes;
  for (const std::string& token : tokens)
    hashes.push_back(sha256_hex(token));
  const Result rows =
      t.exec(std::string(kVisitorColumns) + "WHERE v.session_sha256 = ANY ($1::text[]) AND v.withdrawn_at IS NULL",
             Params().texts(hashes));
  std::unordered_map<std::string, Visitor> found;
  for (size_t i = 0; i < rows.size(); ++i)
    found.emplace(rows[i].text("session_sha256"), read_visitor(rows[i]));
  std::vector<std::optional<Visitor>> visitors;
  for (const std::string& hash : hashes) {
    const auto known = found.find(hash);
    visitors.push_back(known == found.end() ? std::nullopt : std::optional(known->second));
  }
  return visitors;
}

bool is_receipt_of(Transaction& t, const std::string& visitor_id, const std::string& receipt_code) {
  require_uuid(visitor_id, "a visitor");
  return !t.exec("SELECT FROM visitor WHERE id = $1::uuid AND receipt_sha256 = $2",
                 Params().text(visitor_id).text(sha256_hex(normalise_receipt_code(receipt_code))))
              .empty();
}

void end_session(Transaction& t, const std::string& visitor_id) {
  require_uuid(visitor_id, "a visitor");
  t.exec("UPDATE visitor SET session_sha256 = NULL WHERE id = $1::uuid", Params().text(visitor_id));
}

WithdrawalReport withdraw(Transaction& t, const std::string& receipt_code) {
  const std::string receipt = normalise_receipt_code(receipt_code);
  const Result found = t.exec("SELECT id FROM visitor WHERE receipt_sha256 = $1", Params().text(sha256_hex(receipt)));
  if (receipt.empty() || found.empty()) {
    throw NotFound("[storage.people] a receipt code must be known, but this one is not.", "check it and try again");
  }
  return withdraw_visitor(t, found.one().text("id"));
}

WithdrawalReport withdraw_visitor(Transaction& t, const std::string& visitor_id) {
  require_uuid(visitor_id, "a visitor");
  // Locked, so that two uses of one code queue, and a vote that is being cast is counted or refused.
  const Result found =
      t.exec("SELECT id, workspace_id, withdrawn_at FROM visitor WHERE id = $1::uuid FOR NO KEY UPDATE",
             Params().text(visitor_id));
  if (found.empty()) throw_not_found(visitor_id, "a visitor");
  WithdrawalReport report;
  report.visitor_id = visitor_id;
  report.workspace_id = found.one().text("workspace_id");
  report.already = !found.one().is_null("withdrawn_at");
  const Params visitor = Params().text(report.visitor_id);
  if (!report.already) {
    const int64_t votes =
        t.exec("SELECT count(*) AS n FROM standing_preference WHERE visitor_id = $1::uuid", visitor).one().integer("n");
    const Result conversations = t.exec(
        "UPDATE conversation SET withdrawn_at = now() WHERE visitor_id = $1::uuid AND withdrawn_at IS NULL", visitor);
    t.exec("UPDATE visitor SET withdrawn_at = now(), session_sha256 = NULL WHERE id = $1::uuid", visitor);
    t.exec(
        "INSERT INTO consent_event (id, visitor_id, text_id, granted, purposes) SELECT $2::uuid, visitor_id, text_id, "
        "false, '{}' FROM consent_event WHERE visitor_id = $1::uuid ORDER BY created_at DESC, id DESC LIMIT 1",
        Params().text(report.visitor_id).text(new_uuid()));
    t.exec(
        "INSERT INTO withdrawal (id, visitor_id, conversations, votes) VALUES ($1::uuid, $2::uuid, $3::bigint, "
        "$4::bigint)",
        Params()
            .text(new_uuid())
            .text(report.visitor_id)
            .integer(static_cast<int64_t>(conversations.affected()))
            .integer(votes));
    reopen_disputes(t, report.visitor_id);
    emit_event(t, report.workspace_id, "visitor.withdrawn", {{"visitor", report.visitor_id}});
  }
  const Result rows = t.exec("SELECT * FROM withdrawal WHERE visitor_id = $1::uuid", visitor);
  const Row row = rows.one();
  report.at = row.time("created_at");
  report.conversations = row.integer("conversations");
  report.votes = row.integer("votes");
  Descendants made = descendants_of_visitor(t, report.visitor_id);
  report.snapshot_ids = std::move(made.snapshot_ids);
  report.run_ids = std::move(made.run_ids);
  report.adapter_ids = std::move(made.adapter_ids);
  return report;
}

MadeFrom made_from(Transaction& t, const WithdrawalReport& report) {
  const auto names = [&](const char* sql, const std::vector<std::string>& ids) {
    const Result rows = t.exec(sql, Params().texts(ids));
    std::vector<Made> made;
    for (size_t i = 0; i < rows.size(); ++i)
      made.push_back({rows[i].text("id"), rows[i].text("name")});
    return made;
  };
  return {names("SELECT r.id, r.name FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place) "
                "JOIN run r USING (id) ORDER BY place",
                report.run_ids),
          names("SELECT a.id, a.name FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place) "
                "JOIN adapter a USING (id) ORDER BY place",
                report.adapter_ids)};
}

}  // namespace afina::storage
