// SPDX-License-Identifier: Apache-2.0
#include "storage/events/retention.h"

#include "storage/audit.h"
#include "storage/database.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

/// In pieces, so that no statement runs into its time limit on a long-neglected table.
constexpr int64_t kEventsAtOnce = 10'000;

int64_t count_texts(Transaction& t, const std::string& kind, const std::string& visitor_id) {
  const Result rows = t.exec("SELECT said, whose FROM erasable WHERE object_kind = $1", Params().text(kind));
  const Row row = rows.one();
  // The table's own words, written by the schema only: no people's text is in them.
  return t
      .exec(cat("SELECT count(*) AS n FROM ", kind, " WHERE (", row.text("whose"), ") AND (", row.text("said"), ")"),
            Params().text(visitor_id))
      .one()
      .integer("n");
}

std::map<std::string, int64_t> count_person(Transaction& t, const std::string& visitor_id) {
  const Result kinds = t.exec("SELECT object_kind FROM erasable ORDER BY object_kind");
  std::map<std::string, int64_t> texts;
  for (size_t i = 0; i < kinds.size(); ++i) {
    const std::string kind = kinds[i].text("object_kind");
    texts[kind] = count_texts(t, kind, visitor_id);
  }
  return texts;
}

constexpr const char* kOldEvents =
    "created_at < clock_timestamp() - $1::bigint * interval '1 day' AND NOT EXISTS "
    "(SELECT FROM delivery d WHERE d.event_id = outbox.id AND d.state = 'waiting')";

int64_t drop_events(Database& database, int days, bool apply) {
  if (days < 0) return 0;
  if (!apply) {
    return database.read([&](Transaction& t) {
      return t.exec(cat("SELECT count(*) AS n FROM outbox WHERE ", kOldEvents), Params().integer(int64_t{days}))
          .one()
          .integer("n");
    });
  }
  int64_t all = 0;
  for (int64_t gone = kEventsAtOnce; gone == kEventsAtOnce; all += gone) {
    gone = database.transaction([&](Transaction& t) {
      return static_cast<int64_t>(t.exec(cat("DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE ", kOldEvents,
                                             " ORDER BY id LIMIT $2::bigint)"),
                                         Params().integer(int64_t{days}).integer(kEventsAtOnce))
                                      .affected());
    });
  }
  return all;
}

constexpr const char* kOldSessions =
    "coalesce(least(ended_at, expires_at), expires_at) < clock_timestamp() - $1::bigint * interval '1 day'";

int64_t drop_sessions(Database& database, int days, bool apply) {
  if (days < 0) return 0;
  return database.transaction([&](Transaction& t) {
    const Params age = Params().integer(int64_t{days});
    if (apply) {
      return static_cast<int64_t>(t.exec(cat("DELETE FROM account_session WHERE ", kOldSessions), age).affected());
    }
    return t.exec(cat("SELECT count(*) AS n FROM account_session WHERE ", kOldSessions), age).one().integer("n");
  });
}

void add(std::map<std::string, int64_t>& sum, const std::map<std::string, int64_t>& more) {
  for (const auto& [kind, n] : more)
    sum[kind] += n;
}

}  // namespace

std::vector<std::string> people_to_erase(Transaction& t, int days_withdrawn) {
  std::vector<std::string> people;
  if (days_withdrawn < 0) return people;
  const Result rows = t.exec(
      "SELECT v.id FROM visitor v WHERE v.withdrawn_at <= clock_timestamp() - $1::bigint * interval '1 day' "
      "AND NOT EXISTS (SELECT FROM erasure e WHERE e.visitor_id = v.id) ORDER BY v.id",
      Params().integer(int64_t{days_withdrawn}));
  for (size_t i = 0; i < rows.size(); ++i)
    people.push_back(rows[i].text("id"));
  return people;
}

std::map<std::string, int64_t> erase_person(Transaction& t, const std::string& visitor_id) {
  require_uuid(visitor_id, "a visitor");
  const Json done = t.exec("SELECT erase_withdrawn($1::uuid) AS done", Params().text(visitor_id)).one().json("done");
  std::map<std::string, int64_t> texts;
  for (const auto& [kind, n] : done.items())
    texts[kind] = n.get<int64_t>();
  return texts;
}

RetentionReport run_retention(Database& database, const RetentionRules& rules, bool apply) {
  const WorkspaceScope all(kEveryWorkspace);
  RetentionReport report;
  const auto people = database.read([&](Transaction& t) { return people_to_erase(t, rules.days_withdrawn); });
  for (const std::string& person : people) {
    const auto texts = database.transaction([&](Transaction& t) {
      if (!apply) return count_person(t, person);
      const auto erased = erase_person(t, person);
      append_audit(t, "retention", "erase", person, Json(erased));
      return erased;
    });
    ++report.people;
    add(report.texts, texts);
  }
  report.events = drop_events(database, rules.days_events, apply);
  report.sessions = drop_sessions(database, rules.days_sessions, apply);
  return report;
}

Json to_json(const RetentionReport& report) {
  return {{"people", report.people}, {"texts", report.texts}, {"events", report.events}, {"sessions", report.sessions}};
}

}  // namespace afina::storage
