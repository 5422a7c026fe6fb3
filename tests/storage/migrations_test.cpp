// SPDX-License-Identifier: Apache-2.0
#include "storage/migrations.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "storage/accounts/accounts.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

/// A database that nobody migrated.
class EmptyDatabase {
 public:
  EmptyDatabase() : name_("e" + new_uuid()) { TestServer::shared().sql("CREATE DATABASE \"" + name_ + "\""); }
  ~EmptyDatabase() { TestServer::shared().sql("DROP DATABASE \"" + name_ + "\" WITH (FORCE)"); }
  std::string url() const { return TestServer::shared().url(name_); }

 private:
  std::string name_;
};

Migration migration(int version, const std::string& sql) {
  return {version, cat("00", version, "_test.sql"), sql, sha256_hex(sql)};
}

const std::vector<Migration> kTwo{migration(1, "CREATE TABLE a (n integer); INSERT INTO a VALUES (1)"),
                                  migration(2, "UPDATE a SET n = n + 1")};

int64_t value_of_a(PgConnection& connection) {
  return connection.exec("SELECT n FROM a").one().integer("n");
}

TEST(Migrations, SixteenRacersApplyEachOnce) {
  const EmptyDatabase database;
  std::atomic<int> failed{0};
  {
    std::vector<std::jthread> racers;
    for (int i = 0; i < 16; ++i) {
      racers.emplace_back([&] {
        try {
          PgConnection connection(database.url());
          if (migrate(connection, kTwo) != 2) ++failed;
        } catch (const std::exception& error) {
          ADD_FAILURE() << error.what();
          ++failed;
        }
      });
    }
  }
  EXPECT_EQ(failed, 0);
  PgConnection connection(database.url());
  EXPECT_EQ(value_of_a(connection), 2);
  EXPECT_EQ(applied_migrations(connection).size(), 2U);
}

TEST(Migrations, AnAlteredOneIsRefused) {
  const EmptyDatabase database;
  PgConnection connection(database.url());
  migrate(connection, kTwo);
  auto altered = kTwo;
  altered[0] = migration(1, "CREATE TABLE a (n bigint)");
  EXPECT_THROW(migrate(connection, altered), Conflict);
  EXPECT_EQ(value_of_a(connection), 2);
}

TEST(Migrations, ANewerSchemaIsRefused) {
  const EmptyDatabase database;
  PgConnection connection(database.url());
  migrate(connection, kTwo);
  EXPECT_THROW(migrate(connection, {kTwo[0]}), Conflict);
}

TEST(Migrations, AnOlderSchemaIsOnlyReportedWhereApplyingIsOff) {
  const EmptyDatabase database;
  PgConnection connection(database.url());
  migrate(connection, {kTwo[0]});
  EXPECT_THROW(migrate(connection, kTwo, false), Conflict);
  EXPECT_EQ(value_of_a(connection), 1);
  EXPECT_EQ(migrate(connection, kTwo), 2);
  EXPECT_EQ(migrate(connection, kTwo, false), 2);
}

TEST(Migrations, ANumberMayBeLeftOutButNeverComesLater) {
  const EmptyDatabase database;
  PgConnection connection(database.url());
  const std::vector<Migration> with_a_hole{kTwo[0], migration(3, "UPDATE a SET n = n + 10")};
  EXPECT_EQ(migrate(connection, with_a_hole), 3);
  EXPECT_EQ(value_of_a(connection), 11);
  EXPECT_EQ(migrate(connection, with_a_hole), 3);
  EXPECT_THROW(migrate(connection, {kTwo[0], kTwo[1], with_a_hole[1]}), Conflict);
  EXPECT_EQ(value_of_a(connection), 11);
}

TEST(Migrations, OneThatFailsLeavesNothing) {
  const EmptyDatabase database;
  PgConnection connection(database.url());
  const auto broken = std::vector<Migration>{migration(1, "CREATE TABLE a (n integer); SELECT no_such_column")};
  EXPECT_ANY_THROW(migrate(connection, broken));
  EXPECT_TRUE(applied_migrations(connection).empty());
  EXPECT_TRUE(connection.exec("SELECT 1 FROM pg_class WHERE relname = 'a'").empty());
  EXPECT_EQ(migrate(connection, kTwo), 2) << "the connection is usable";
}

TEST(Migrations, TheProgramsOwnAreCommentedAndComplete) {
  TestDatabase test;
  EXPECT_EQ(test.db().schema_version(), embedded_migrations().back().version);
  EXPECT_NO_THROW(Database::open(test.target(), {.migrate = false, .announce = false}));
}

TEST(Migrations, RewritesOfSingleAnswersThatWereThereBeforeAreFound) {
  const EmptyDatabase database;
  PgConnection connection(database.url());
  std::vector<Migration> before;
  for (const Migration& one : embedded_migrations()) {
    if (one.version < 23) before.push_back(one);
  }
  ASSERT_EQ(migrate(connection, before), 22);
  // Rows without what they refer to: only what is copied matters here.
  connection.script("SET session_replication_role = replica");
  connection.script(
      "INSERT INTO answer_note (id, conversation_id, turn, generation_id, visitor_id, annotator_id, rewrite, "
      "idempotency_key, body_sha256, source) SELECT gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), "
      "gen_random_uuid(), gen_random_uuid(), words, 'k', repeat('0', 64), 'web' "
      "FROM unnest(ARRAY['Una manera', '']) words");
  connection.script(
      "CREATE TEMP TABLE made AS SELECT gen_random_uuid() AS item, answers, phase FROM (VALUES (1, 'work'), "
      "(2, 'work'), (1, 'training')) v (answers, phase); "
      "INSERT INTO item_answer SELECT item, n, gen_random_uuid() FROM made, generate_series(0, answers - 1) n; "
      "INSERT INTO submission (id, assignment_id, project_id, item_id, account_id, visitor_id, annotator_id, kind, "
      "phase, rewrite, reason, ms_to_decide, ms_on_screen, ms_sensible, hasty, guidelines_version, shown_order, "
      "source, "
      "idempotency_key, body_sha256) SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), item, "
      "gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'rewrite', phase, 'Otra manera', '', 1, 1, 1, false, "
      "1, "
      "'{0}', 'web', 'k', repeat('0', 64) FROM made");
  ASSERT_EQ(migrate(connection, embedded_migrations()), embedded_migrations().back().version);
  const Result found = connection.exec(
      "SELECT r.text, r.sha256, n.id IS NOT NULL AS noted, coalesce(n.generation_id, a.generation_id) = "
      "r.generation_id AS right_answer FROM rewrite r LEFT JOIN answer_note n ON n.id = r.act_id "
      "LEFT JOIN submission s ON s.id = r.act_id LEFT JOIN item_answer a ON a.item_id = s.item_id ORDER BY r.text");
  ASSERT_EQ(found.size(), 2U) << "nothing that was erased, of practice, or of several answers";
  EXPECT_EQ(found[0].text("text"), "Otra manera");
  EXPECT_EQ(found[1].text("text"), "Una manera");
  EXPECT_TRUE(found[1].boolean("noted"));
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(found[i].boolean("right_answer"));
    EXPECT_EQ(found[i].text("sha256"), sha256_hex(found[i].text("text")));
  }
}

/// Every migration before that one.
std::vector<Migration> before_version(int version) {
  std::vector<Migration> out;
  for (const Migration& one : embedded_migrations()) {
    if (one.version < version) out.push_back(one);
  }
  return out;
}

TEST(Migrations, SubmissionsOfBeforeNameTheirRewritesOfSingleAnswers) {
  const EmptyDatabase database;
  PgConnection connection(database.url());
  migrate(connection, before_version(23));
  connection.script("SET session_replication_role = replica");
  connection.script(
      "INSERT INTO item_answer SELECT '00000000-0000-7000-8000-00000000000a', 0, gen_random_uuid(); "
      "INSERT INTO submission (id, assignment_id, project_id, item_id, account_id, visitor_id, annotator_id, kind, "
      "phase, rewrite, ms_on_screen, ms_sensible, hasty, guidelines_version, shown_order, source, idempotency_key, "
      "body_sha256) SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), "
      "'00000000-0000-7000-8000-00000000000a', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'rewrite', "
      "phase, 'Una manera', 1, 1, false, 1, '{0}', 'web', phase, repeat('0', 64) FROM unnest(ARRAY['work', "
      "'training']) phase");
  migrate(connection, embedded_migrations());
  const Result rows = connection.exec(
      "SELECT s.phase, r.act_id = s.id AS own FROM submission s LEFT JOIN rewrite r ON r.id = s.rewrite_id "
      "ORDER BY s.phase");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_TRUE(rows[0].is_null("own")) << "of practice there is none";
  EXPECT_TRUE(!rows[1].is_null("own") && rows[1].boolean("own"));
  connection.script("SET session_replication_role = DEFAULT");
  EXPECT_ANY_THROW(connection.script("UPDATE submission SET rewrite_id = NULL")) << "append-only as before";
}

TEST(Migrations, VerdictsOfBeforeStandUnderTheConsentOfTheirTime) {
  const EmptyDatabase database;
  PgConnection connection(database.url());
  migrate(connection, before_version(24));
  connection.script("SET session_replication_role = replica");
  // One reviewer of two consents, the first of them withdrawn; another who never gave one.
  connection.script(
      "CREATE TEMP TABLE who AS SELECT gen_random_uuid() AS annotator, gen_random_uuid() AS account, "
      "gen_random_uuid() AS first, gen_random_uuid() AS second, gen_random_uuid() AS staff; "
      "INSERT INTO visitor (id, annotator_id, source, receipt_sha256, created_at, withdrawn_at) "
      "SELECT first, annotator, 'web', repeat('1', 64), '2026-02-01'::timestamptz, '2026-03-01'::timestamptz FROM who "
      "UNION ALL "
      "SELECT second, annotator, 'web', repeat('2', 64), '2026-04-01', NULL FROM who; "
      "INSERT INTO account (id, name, annotator_id, visitor_id) SELECT account, 'r', annotator, second FROM who "
      "UNION ALL SELECT staff, 's', gen_random_uuid(), NULL FROM who; "
      "INSERT INTO adjudication (id, project_id, item_id, account_id, outcome, idempotency_key, body_sha256, note, "
      "created_at) SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), CASE WHEN at = 'staff' THEN staff "
      "ELSE account END, 'both_bad', at, repeat('0', 64), at, CASE WHEN at = 'staff' THEN '2026-02-02' ELSE at "
      "END::timestamptz FROM who, unnest(ARRAY['2026-01-15', '2026-02-15', '2026-03-15', '2026-04-15', 'staff']) at");
  migrate(connection, embedded_migrations());
  const Result rows = connection.exec(
      "SELECT a.note, CASE a.visitor_id WHEN w.first THEN 'first' WHEN w.second THEN 'second' END AS consent "
      "FROM adjudication a, who w ORDER BY a.note");
  std::string found;
  for (size_t i = 0; i < rows.size(); ++i)
    found += cat(rows[i].text("note"), ":", rows[i].text("consent"), " ");
  EXPECT_EQ(found, "2026-01-15:first 2026-02-15:first 2026-03-15:first 2026-04-15:second staff: ");
  connection.script("SET session_replication_role = DEFAULT");
  EXPECT_ANY_THROW(connection.script("UPDATE adjudication SET visitor_id = NULL")) << "append-only as before";
}

TEST(Migrations, FilesThatCameIntoProjectsStandUnderWhatWasDeclaredWithThem) {
  const EmptyDatabase database;
  PgConnection connection(database.url());
  migrate(connection, before_version(24));
  connection.script("SET session_replication_role = replica");
  // Of two files in the same project the second was taken back; a third batch came from no file.
  const std::string first = sha256_hex("uno"), second = sha256_hex("dos");
  const auto batch = [](const std::string& file) { return sha256_hex(cat(file, ":1")); };
  connection.script(
      cat("CREATE TEMP TABLE made AS SELECT name, sha, body, gen_random_uuid() AS owner, gen_random_uuid() AS consent, "
          "gen_random_uuid() AS batch, gen_random_uuid() AS conversation FROM (VALUES ('1', '",
          first, "', '", batch(first), "'), ('2', '", second, "', '", batch(second), "'), ('3', '", sha256_hex("tres"),
          "', '", sha256_hex("otra cosa"), "')) v (name, sha, body); "));
  connection.script(
      "INSERT INTO project (id, workspace_id, name, kind, overlap, lease_seconds, gold_rate, gold_pass, "
      "training_items, training_pass, skip_policy, created_by, idempotency_key, body_sha256) SELECT "
      "'00000000-0000-7000-8000-00000000000b', id, 'p', 'pairwise', 1, 60, 0, 0, 0, 0, 'drop', gen_random_uuid(), 'k', "
      "repeat('0', 64) FROM workspace; "
      "INSERT INTO visitor (id, annotator_id, source, receipt_sha256, withdrawn_at) SELECT owner, gen_random_uuid(), "
      "'import', sha, CASE name WHEN '2' THEN now() END FROM made; "
      "INSERT INTO consent_event (id, visitor_id, text_id, granted, purposes) SELECT consent, owner, "
      "gen_random_uuid(), name <> '2', '{review}' FROM made; "
      "INSERT INTO import (id, source_id, workspace_id, format, sha256, bytes, licence, declaration, visitor_id, "
      "actor) "
      "SELECT gen_random_uuid(), gen_random_uuid(), (SELECT id FROM workspace), 'jsonl', sha, 1, 'l', 'd', owner, 'a' "
      "FROM made; "
      "INSERT INTO item_batch (id, project_id, account_id, source, added, existing, idempotency_key, body_sha256) "
      "SELECT batch, '00000000-0000-7000-8000-00000000000b', gen_random_uuid(), 'import', 1, 0, 'import-' || "
      "left(body, 32), body FROM made; "
      "INSERT INTO conversation (id, visitor_id, consent_event_id, mode, source) SELECT conversation, "
      "gen_random_uuid(), gen_random_uuid(), 'arena', 'import' FROM made; "
      "INSERT INTO item (id, project_id, batch_id, conversation_id, turn, random_key, text_chars, overlap, source) "
      "SELECT gen_random_uuid(), '00000000-0000-7000-8000-00000000000b', batch, conversation, 1, 0, 1, 1, 'import' "
      "FROM made");
  migrate(connection, embedded_migrations());
  const Result rows = connection.exec(
      "SELECT m.name, c.visitor_id = m.owner AND c.consent_event_id = m.consent AS own, c.withdrawn_at IS NOT NULL AS "
      "gone FROM made m JOIN conversation c ON c.id = m.conversation ORDER BY m.name");
  ASSERT_EQ(rows.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(rows[i].boolean("own"), i < 2) << i;
    EXPECT_EQ(rows[i].boolean("gone"), i == 1) << i;
  }
}

TEST(Migrations, RolesMayDoTheirWorkAndNoMore) {
  TestDatabase test;
  Person ana;
  Shown shown;
  const auto web = Database::open(test.target(), {.role = kWebRole, .workspace = kPublicWorkspace, .announce = false});
  web->transaction([&](Transaction& t) {
    ana = make_person(t);
    shown = make_pair_for(t, ana);
    put_preference(t, vote_on(shown.exposure, 1));
    reveal_exposure(t, shown.exposure.id, ana.visitor_id);
  });
  const auto refused = [](Database& db, const char* sql) {
    EXPECT_THROW(db.transaction([&](Transaction& t) { t.script(sql); }), StorageError) << sql;
  };
  refused(*web, "ALTER TABLE preference DISABLE TRIGGER ALL");
  refused(*web, "UPDATE preference SET grade = 3");
  refused(*web, "UPDATE message SET content = ''");
  refused(*web, "DELETE FROM exposure");
  refused(*web, "UPDATE exposure SET a_on_left = false");
  refused(*web, "INSERT INTO run_attempt VALUES (gen_random_uuid(), 1, 0, '', '')");
  const auto trainer = Database::open(test.target(), {.role = kTrainerRole, .announce = false});
  EXPECT_EQ(trainer->read([](Transaction& t) { return t.exec("SELECT 1 FROM preference").size(); }), 1U);
  refused(*trainer, "DELETE FROM preference");
  refused(*trainer, "UPDATE visitor SET withdrawn_at = now()");
  EXPECT_EQ(web->transaction([&](Transaction& t) { return withdraw(t, ana.receipt).votes; }), 1);
}

}  // namespace
}  // namespace afina::storage
