// SPDX-License-Identifier: Apache-2.0
#include "storage/transfer/imports.h"

#include "base/error.h"
#include "base/hash.h"
#include "storage/audit.h"
#include "storage/events/outbox.h"
#include "storage/people.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

constexpr const char* kImportColumns =
    "i.*, s.name AS source, s.created_at AS source_created_at, e.text_id, to_json(e.purposes) AS purposes, v.locale "
    "FROM import i JOIN import_source s ON s.id = i.source_id JOIN visitor v ON v.id = i.visitor_id "
    "JOIN LATERAL (SELECT * FROM consent_event WHERE visitor_id = i.visitor_id AND granted "
    "ORDER BY created_at DESC, id DESC LIMIT 1) e ON true ";

Import read_import(const Row& row) {
  Import i;
  i.id = row.text("id");
  i.source_id = row.text("source_id");
  i.source = row.text("source");
  i.workspace_id = row.text("workspace_id");
  i.format = row.text("format");
  i.sha256 = row.text("sha256");
  i.licence = row.text("licence");
  i.declaration = row.text("declaration");
  i.actor = row.text("actor");
  i.visitor_id = row.text("visitor_id");
  i.text_id = row.text("text_id");
  i.locale = row.text("locale");
  i.purposes = row.texts("purposes");
  i.bytes = row.integer("bytes");
  i.finished = row.text("state") == "finished";
  i.counts = {.conversations = row.integer("conversations"),
              .answers = row.integer("answers"),
              .judgements = row.integer("judgements"),
              .skipped = row.integer("skipped")};
  i.source_created_at = row.time("source_created_at");
  i.created_at = row.time("created_at");
  i.finished_at = row.maybe_time("finished_at");
  return i;
}

std::string declaration_text(const NewImport& import) {
  return cat("Imported data.\nSource: ", import.source, "\nLicence: ", import.licence,
             "\nDeclaration of whoever imported it: ", import.declaration, "\n");
}

std::string ensure_source(Transaction& t, const NewImport& import) {
  t.exec(
      "INSERT INTO import_source (id, workspace_id, name) VALUES ($1::uuid, $2::uuid, $3) "
      "ON CONFLICT (workspace_id, name) DO NOTHING",
      Params().text(new_uuid()).text(import.workspace_id).text(import.source));
  return t
      .exec("SELECT id FROM import_source WHERE workspace_id = $1::uuid AND name = $2",
            Params().text(import.workspace_id).text(import.source))
      .one()
      .text("id");
}

std::string ensure_declaration(Transaction& t, const NewImport& import) {
  const std::string body = declaration_text(import);
  return ensure_consent_text(t, cat("import-", sha256_hex(body).substr(0, 32)), "und", body).id;
}

void make_owner(Transaction& t, const NewImport& import) {
  NewVisitor visitor;
  visitor.id = import.visitor_id;
  visitor.annotator_id = ensure_annotator(t, AnnotatorKind::service, cat("import:", import.id)).id;
  visitor.locale = import.locale;
  visitor.session_token = new_session_token();
  visitor.receipt_code = import.receipt_code;
  visitor.source = Source::import;
  visitor.consent.text_id = ensure_declaration(t, import);
  visitor.consent.purposes = import.purposes;
  create_visitor(t, visitor);
  end_session(t, visitor.id);
}

void require_words(const char* what, const std::string& words, size_t most) {
  if (words.empty() || words.size() > most) {
    throw DataError(cat("[import] must have a ", what, " of 1 to ", most, " bytes, but got ", words.size(), "."));
  }
}

}  // namespace

int64_t widen_consent(Transaction& t, const Import& import, const std::vector<std::string>& visitor_ids) {
  std::vector<std::string> events;
  for (size_t i = 0; i < visitor_ids.size(); ++i)
    events.push_back(new_uuid());
  const Result added = t.exec(
      "INSERT INTO consent_event (id, visitor_id, text_id, granted, purposes) "
      "SELECT u.e, v.id, $3::uuid, true, "
      "o.purposes || ARRAY(SELECT p FROM unnest($4::text[]) WITH ORDINALITY AS x(p, n) WHERE p <> ALL (o.purposes) "
      "ORDER BY n) "
      "FROM unnest($1::uuid[], $2::uuid[]) AS u(e, v) JOIN visitor v ON v.id = u.v AND v.withdrawn_at IS NULL "
      "JOIN LATERAL (SELECT granted, purposes FROM consent_event WHERE visitor_id = v.id "
      "ORDER BY created_at DESC, id DESC LIMIT 1) o ON o.granted AND NOT o.purposes @> $4::text[]",
      Params().texts(events).texts(visitor_ids).text(import.text_id).texts(import.purposes));
  return static_cast<int64_t>(added.affected());
}

Import begin_import(Transaction& t, const NewImport& import) {
  require_words("source name", import.source, 200);
  require_words("licence", import.licence, 200);
  require_words("declaration", import.declaration, 4000);
  const std::string source_id = ensure_source(t, import);
  const Params key = Params().text(source_id).text(import.format).text(import.sha256);
  const std::string find =
      cat("SELECT ", kImportColumns, "WHERE i.source_id = $1::uuid AND i.format = $2 AND i.sha256 = $3");
  const Result before = t.exec(find, key);
  if (!before.empty()) {
    Import earlier = read_import(before.one());
    earlier.created = earlier.id == import.id;
    // What it brings now stands under what is declared now.
    earlier.text_id = ensure_declaration(t, import);
    earlier.purposes = import.purposes;
    if (widen_consent(t, earlier, {earlier.visitor_id}) > 0)
      append_audit(t, import.actor, "import_widened", earlier.id,
                   {{"purposes", import.purposes}, {"licence", import.licence}});
    return earlier;
  }
  make_owner(t, import);
  t.exec(
      "INSERT INTO import (id, source_id, workspace_id, format, sha256, bytes, licence, declaration, visitor_id, "
      "actor) "
      "VALUES ($1::uuid, $2::uuid, $3::uuid, $4, $5, $6, $7, $8, $9::uuid, $10)",
      Params()
          .text(import.id)
          .text(source_id)
          .text(import.workspace_id)
          .text(import.format)
          .text(import.sha256)
          .integer(import.bytes)
          .text(import.licence)
          .text(import.declaration)
          .text(import.visitor_id)
          .text(import.actor));
  append_audit(
      t, import.actor, "import", import.id,
      {{"format", import.format}, {"source", import.source}, {"sha256", import.sha256}, {"licence", import.licence}});
  return read_import(t.exec(find, key).one());
}

void finish_import(Transaction& t, const std::string& import_id, int64_t skipped) {
  const Result done = t.exec(
      "UPDATE import i SET state = 'finished', finished_at = coalesce(i.finished_at, clock_timestamp()), skipped = $2 "
      "FROM (SELECT id, state FROM import WHERE id = $1::uuid FOR UPDATE) was WHERE i.id = was.id "
      "RETURNING i.workspace_id, i.format, was.state AS before",
      Params().text(import_id).integer(skipped));
  if (done.empty() || done.one().text("before") == "finished") return;
  const Row row = done.one();
  emit_event(t, row.text("workspace_id"), "import.finished",
             {{"import", import_id}, {"format", row.text("format")}, {"skipped", skipped}});
}

std::vector<Import> list_imports(Transaction& t, const std::string& workspace_id, int64_t limit,
                                 const std::string& before_id) {
  if (!before_id.empty()) require_uuid(before_id, "an import");
  const Result rows = t.exec(cat("SELECT ", kImportColumns,
                                 "WHERE i.workspace_id = $1::uuid AND ($2::uuid IS NULL OR i.id < $2::uuid) "
                                 "ORDER BY i.id DESC LIMIT $3"),
                             Params().text(workspace_id).text_or_null(before_id).integer(limit));
  std::vector<Import> out;
  for (size_t i = 0; i < rows.size(); ++i)
    out.push_back(read_import(rows[i]));
  return out;
}

std::string import_uuid(const Import& import, std::string_view words) {
  Sha256 digest;
  digest.update(import.source_id);
  digest.update(words);
  const auto bytes = digest.finish();
  uint64_t low = 0;
  for (size_t i = 0; i < 8; ++i)
    low = low << 8 | bytes[i];
  const auto high = static_cast<uint16_t>((bytes[8] << 8 | bytes[9]) & 0xFFF);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(import.source_created_at.time_since_epoch());
  return uuid_v7(static_cast<uint64_t>(ms.count()), high, low & ((uint64_t{1} << 62) - 1));
}

}  // namespace afina::storage
