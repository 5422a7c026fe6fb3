// SPDX-License-Identifier: Apache-2.0
#include "storage/audit.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

const std::string kFirstHash(64, '0');
constexpr int64_t kPage = 1000;

int hex_digit(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

// C1 controls, DEL, line separators and direction marks can rewrite what a terminal shows; in JSON text a \\u escape
// means the same character.
std::string escape_controls(const std::string& json) {
  std::string out;
  for (const char32_t c : code_points(json)) {
    const bool hidden = (c >= 0x7f && c <= 0x9f) || c == 0x61c || (c >= 0x200e && c <= 0x200f) ||
                        (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
    if (!hidden) {
      append_utf8(out, c);
      continue;
    }
    constexpr std::string_view kDigits = "0123456789abcdef";
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4)
      out += kDigits[(c >> shift) & 15];
  }
  return out;
}

// An object, whatever was written there: rows before this version, or somebody's tampering, must not stop a listing.
Json parse_row(const std::string& row) {
  const Json json = Json::parse(row, nullptr, false);
  return json.is_object() ? json : Json::object();
}

std::string word_of(const Json& row, const char* name) {
  const auto found = row.find(name);
  return found != row.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::string audit_link(const std::string& previous_hex, const std::string& row) {
  std::string bytes;
  for (size_t i = 0; i + 1 < previous_hex.size(); i += 2) {
    bytes += static_cast<char>(hex_digit(previous_hex[i]) * 16 + hex_digit(previous_hex[i + 1]));
  }
  return sha256_hex(bytes + row);
}

void append_audit(Transaction& t, const std::string& actor, const std::string& action, const std::string& object,
                  const Json& detail, const std::string& workspace_id) {
  t.exec("SELECT pg_advisory_xact_lock(4706253442)");
  const Result last = t.exec(
      "SELECT current_workspace() AS workspace, number, hash FROM (SELECT 1) one LEFT JOIN LATERAL "
      "(SELECT number, hash FROM audit_event ORDER BY number DESC LIMIT 1) newest ON true");
  const bool first = last.one().is_null("number");
  const int64_t number = first ? 1 : last.one().integer("number") + 1;
  const std::string workspace = workspace_id.empty() ? last.one().text("workspace") : workspace_id;
  Json event{{"at", now_iso8601()}, {"actor", actor}, {"action", action}, {"object", object}, {"detail", detail}};
  if (!workspace.empty()) event["workspace"] = workspace;
  const std::string row = escape_controls(dump_json(event));
  // A REPEATABLE READ transaction may not see the newest link: then this is a serialisation failure, and the whole act
  // is done again on a newer view.
  t.exec(
      "INSERT INTO audit_event (number, row, hash, workspace_id) VALUES ($1::bigint, $2, $3, $4::uuid) "
      "ON CONFLICT (number) DO NOTHING",
      Params()
          .integer(number)
          .text(row)
          .text(audit_link(first ? kFirstHash : last.one().text("hash"), row))
          .text_or_null(workspace));
}

AuditCheck check_audit(Transaction& t, const std::string& known_head) {
  AuditCheck check;
  check.head = kFirstHash;
  check.passed_head = known_head.empty();
  for (;;) {
    const Result rows = t.exec(
        "SELECT number, row, hash, workspace_id FROM audit_event WHERE number > $1::bigint "
        "ORDER BY number LIMIT $2::bigint",
        Params().integer(check.rows).integer(kPage));
    for (size_t i = 0; i < rows.size(); ++i) {
      ++check.rows;
      check.head = audit_link(check.head, rows[i].text("row"));
      // The workspace decides who may read the row, so it must be what was signed.
      const bool fits = rows[i].integer("number") == check.rows && rows[i].text("hash") == check.head &&
                        rows[i].text("workspace_id") == word_of(parse_row(rows[i].text("row")), "workspace");
      if (!fits) {
        check.bad_number = check.rows;
        return check;
      }
      if (check.head == known_head) check.passed_head = true;
    }
    if (static_cast<int64_t>(rows.size()) < kPage) return check;
  }
}

int64_t verify_audit(Transaction& t) {
  return check_audit(t).bad_number;
}

std::vector<AuditEvent> audit_events(Transaction& t, const std::string& workspace_id, int64_t before, int64_t limit) {
  const Result rows = t.exec(
      "SELECT number, row FROM audit_event WHERE workspace_id = $1::uuid AND ($2::bigint = 0 OR number < $2::bigint) "
      "ORDER BY number DESC LIMIT $3::bigint",
      Params().text(workspace_id).integer(before).integer(limit));
  std::vector<AuditEvent> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Json row = parse_row(rows[i].text("row"));
    out.push_back({rows[i].integer("number"), word_of(row, "at"), word_of(row, "actor"), word_of(row, "action"),
                   word_of(row, "object"), row.contains("detail") ? row["detail"] : Json::object()});
  }
  return out;
}

}  // namespace afina::storage
