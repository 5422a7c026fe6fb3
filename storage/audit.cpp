// SPDX-License-Identifier: Apache-2.0
#include "storage/audit.h"

#include "base/clock.h"
#include "base/hash.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

const std::string kFirstHash(64, '0');
constexpr int64_t kPage = 1000;

int hex_digit(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
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
                  const Json& detail) {
  t.exec("SELECT pg_advisory_xact_lock(4706253442)");
  const Result last = t.exec("SELECT number, hash FROM audit_event ORDER BY number DESC LIMIT 1");
  const int64_t number = last.empty() ? 1 : last.one().integer("number") + 1;
  const std::string row = dump_json(
      Json{{"at", now_iso8601()}, {"actor", actor}, {"action", action}, {"object", object}, {"detail", detail}});
  // A REPEATABLE READ transaction may not see the newest link: then this is a serialisation failure, and the whole act
  // is done again on a newer view.
  t.exec("INSERT INTO audit_event (number, row, hash) VALUES ($1::bigint, $2, $3) ON CONFLICT (number) DO NOTHING",
         Params().integer(number).text(row).text(audit_link(last.empty() ? kFirstHash : last.one().text("hash"), row)));
}

int64_t verify_audit(Transaction& t) {
  std::string hash = kFirstHash;
  int64_t expected = 1;
  for (;;) {
    const Result rows = t.exec(
        "SELECT number, row, hash FROM audit_event WHERE number >= $1::bigint "
        "ORDER BY number LIMIT $2::bigint",
        Params().integer(expected).integer(kPage));
    for (size_t i = 0; i < rows.size(); ++i) {
      hash = audit_link(hash, rows[i].text("row"));
      if (rows[i].integer("number") != expected || rows[i].text("hash") != hash) return expected;
      ++expected;
    }
    if (static_cast<int64_t>(rows.size()) < kPage) return 0;
  }
}

}  // namespace afina::storage
