// SPDX-License-Identifier: Apache-2.0
// Erasing: only who withdrew, only their words, for good; nothing else of an append-only row can be changed.
#include "storage/events/retention.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "storage/accounts/accounts.h"
#include "storage/audit.h"
#include "storage/events/outbox.h"
#include "storage/judgements/details.h"
#include "tests/storage/events/listener.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

constexpr const char* kQuestion = "¿Dónde pago la luz? ŋandú 👩‍🌾";

struct Retention : testing::Test {
  template <typename F>
  auto in(F&& fn) {
    return database.db().transaction(std::forward<F>(fn));
  }
  void sql(const std::string& statement) {
    in([&](Transaction& t) { t.exec(statement); });
  }
  int64_t count(const std::string& what) {
    return in([&](Transaction& t) { return t.exec("SELECT count(*) AS n FROM " + what).one().integer("n"); });
  }
  /// A person with a conversation, a vote with a reason and details, and a rewrite.
  Person busy_person() {
    return in([](Transaction& t) {
      const Person person = make_person(t);
      const Shown shown = make_pair_for(t, person, kQuestion);
      NewPreference vote = vote_on(shown.exposure, 2);
      vote.reason = "Más claro";
      put_preference(t, vote);
      JudgementDetails details;
      details.flags.push_back({shown.a.id, FlagKind::personal_data, "nombra a mi vecina"});
      details.spans.push_back({shown.a.id, 0, 2, "bad", "esto"});
      put_details(t, {vote.id, person.visitor_id, shown.exposure.annotator_id}, details);
      Rewrite rewrite;
      rewrite.exposure_id = shown.exposure.id;
      rewrite.visitor_id = person.visitor_id;
      rewrite.text = "En la municipalidad.";
      rewrite.idempotency_key = new_uuid();
      put_rewrite(t, rewrite);
      return person;
    });
  }
  void withdrawn(const Person& person, int days_ago) {
    in([&](Transaction& t) {
      withdraw(t, person.receipt);
      t.exec("UPDATE visitor SET withdrawn_at = withdrawn_at - $2::bigint * interval '1 day' WHERE id = $1::uuid",
             Params().text(person.visitor_id).integer(int64_t{days_ago}));
    });
  }
  TestDatabase database;
};

TEST_F(Retention, ErasesTheWordsOfWhoWithdrewLongAgoAndNobodyElses) {
  const Person gone = busy_person(), lately = busy_person(), here = busy_person();
  withdrawn(gone, 31);
  withdrawn(lately, 29);
  const RetentionReport report = run_retention(database.db(), {}, true);
  EXPECT_EQ(report.people, 1);
  EXPECT_EQ(report.texts.at("message"), 1);
  EXPECT_EQ(report.texts.at("generation"), 2);
  EXPECT_EQ(report.texts.at("preference"), 1);
  EXPECT_EQ(report.texts.at("rewrite"), 1);
  EXPECT_EQ(report.texts.at("answer_flag"), 1);
  EXPECT_EQ(report.texts.at("span_note"), 1);
  EXPECT_EQ(count("message WHERE content = ''"), 1);
  EXPECT_EQ(count("message WHERE content <> ''"), 2);
  EXPECT_EQ(count("generation WHERE text = ''"), 2);
  EXPECT_EQ(count("generation WHERE text <> ''"), 4);
  EXPECT_EQ(count("preference WHERE reason = ''"), 1);
  EXPECT_EQ(count("rewrite WHERE text = ''"), 1);
  EXPECT_EQ(count("answer_flag WHERE note = ''"), 1);
  EXPECT_EQ(count("span_note WHERE note = ''"), 1);
  EXPECT_EQ(count("tombstone"), 7);
  const std::string hash = in([](Transaction& t) {
    return t.exec("SELECT sha256_of_removed AS h FROM tombstone WHERE object_kind = 'message'").one().text("h");
  });
  EXPECT_EQ(hash, sha256_hex(kQuestion));
}

TEST_F(Retention, LeavesAnAuditRowAndHasNothingToDoTheSecondTime) {
  const Person gone = busy_person();
  withdrawn(gone, 40);
  run_retention(database.db(), {}, true);
  EXPECT_EQ(in([](Transaction& t) { return verify_audit(t); }), 0);
  EXPECT_EQ(count("audit_event WHERE row LIKE '%erase%" + gone.visitor_id + "%'"), 1);
  const RetentionReport again = run_retention(database.db(), {}, true);
  EXPECT_EQ(again.people, 0);
  EXPECT_EQ(count("tombstone"), 7);
}

TEST_F(Retention, CountsWithoutApplyingAndTouchesNothing) {
  const Person gone = busy_person();
  withdrawn(gone, 40);
  const RetentionReport report = run_retention(database.db(), {}, false);
  EXPECT_EQ(report.people, 1);
  EXPECT_EQ(report.texts.at("generation"), 2);
  EXPECT_EQ(count("message WHERE content = ''"), 0);
  EXPECT_EQ(count("tombstone"), 0);
  EXPECT_EQ(run_retention(database.db(), {.days_withdrawn = -1}, true).people, 0) << "minus one means never";
}

TEST_F(Retention, RefusesToEraseWhoHasNotWithdrawn) {
  const Person here = busy_person();
  EXPECT_ANY_THROW(in([&](Transaction& t) { return erase_person(t, here.visitor_id); }));
  EXPECT_ANY_THROW(in([&](Transaction& t) {
    t.exec(
        "INSERT INTO tombstone (object_kind, object_id, visitor_id, reason, sha256_of_removed) "
        "SELECT 'message', id, $1::uuid, 'withdrawn', sha256 FROM message",
        Params().text(here.visitor_id));
  }));
  EXPECT_EQ(count("message WHERE content = ''"), 0);
}

TEST_F(Retention, AllowsNoOtherChangeOfAppendOnlyRowsEvenByTheOwner) {
  const Person here = busy_person(), gone = busy_person();
  withdrawn(gone, 40);
  for (const char* statement :
       {"UPDATE message SET content = ''", "UPDATE message SET content = 'x'", "UPDATE generation SET text = ''",
        "UPDATE generation SET model = 'x'", "UPDATE preference SET grade = 1", "UPDATE preference SET reason = ''",
        "UPDATE rewrite SET text = ''", "DELETE FROM message", "DELETE FROM preference", "TRUNCATE generation CASCADE",
        "UPDATE answer_flag SET note = ''", "UPDATE tombstone SET reason = 'withdrawn'"}) {
    if (std::string(statement).find("tombstone") != std::string::npos) run_retention(database.db(), {}, true);
    EXPECT_ANY_THROW(sql(statement)) << statement;
  }
  // With the tombstone there, the words may be blank, but nothing else of the row may change.
  EXPECT_ANY_THROW(sql("UPDATE message SET content = 'otra cosa' WHERE content = ''"));
  EXPECT_ANY_THROW(sql("UPDATE message SET content = '', role = 'assistant' WHERE content = ''"));
  EXPECT_ANY_THROW(sql("UPDATE generation SET text = '', model = 'x' WHERE text = ''"));
  EXPECT_ANY_THROW(
      sql("INSERT INTO rewrite SELECT new_id.*, exposure_id, pair_id, visitor_id, annotator_id, '', sha256, "
          "'k', source, created_at, act_id FROM rewrite, (SELECT gen_random_uuid()) AS new_id LIMIT 1"));
}

TEST_F(Retention, TheWebRoleErasesThroughTheFunctionOnly) {
  const Person gone = busy_person();
  in([](Transaction& t) { listen(t); });
  withdrawn(gone, 40);
  DatabaseOptions options;
  options.migrate = false;
  options.role = kWebRole;
  options.announce = false;
  const auto web = Database::open(database.target(), options);
  for (const char* statement :
       {"UPDATE message SET content = ''", "INSERT INTO erasable SELECT * FROM erasable",
        "INSERT INTO tombstone SELECT 'message', id, '', gen_random_uuid(), 'withdrawn', sha256, now() FROM message"}) {
    EXPECT_ANY_THROW(web->transaction([&](Transaction& t) { t.exec(statement); })) << statement;
  }
  in([](Transaction& t) {
    emit_event(t, "00000000-0000-7000-8000-000000000001", "preference.created", Json::object());
    t.exec("UPDATE outbox SET created_at = created_at - interval '31 days'");
    t.exec("UPDATE delivery SET state = 'delivered', finished_at = clock_timestamp()");
  });
  const RetentionReport report = run_retention(*web, {}, true);
  EXPECT_EQ(report.people, 1);
  EXPECT_EQ(report.events, 2) << "the withdrawal was an event too";
  EXPECT_EQ(count("message WHERE content <> ''"), 0);
}

TEST_F(Retention, DropsOldEventsButNoneThatIsStillOnItsWay) {
  in([](Transaction& t) { listen(t); });
  in([](Transaction& t) {
    for (int i = 0; i < 4; ++i)
      emit_event(t, "00000000-0000-7000-8000-000000000001", "preference.created", {{"n", i}});
    t.exec(
        "UPDATE delivery SET state = 'delivered', finished_at = clock_timestamp() FROM outbox o "
        "WHERE o.id = event_id AND o.payload->>'n' <> '3'");
    t.exec("UPDATE outbox SET created_at = created_at - interval '31 days' WHERE payload->>'n' <> '0'");
  });
  EXPECT_EQ(run_retention(database.db(), {}, false).events, 2);
  EXPECT_EQ(run_retention(database.db(), {}, true).events, 2);
  EXPECT_EQ(count("outbox"), 2);
  EXPECT_EQ(count("delivery WHERE state = 'waiting'"), 1);
}

TEST_F(Retention, DropsSessionsThatEndedLongAgoAndNoOther) {
  in([](Transaction& t) {
    NewAccount account;
    account.name = "ana";
    create_account(t, account);
    for (const char* times : {"NULL, interval '1 day'", "NULL, interval '-181 days'",
                              "clock_timestamp() - interval '181 days', interval '1 day'",
                              "clock_timestamp() - interval '1 day', interval '1 day'"}) {
      const std::string both = times;
      const size_t comma = both.rfind(", ");
      t.exec(cat("INSERT INTO account_session (id, token_sha256, csrf_token, account_id, workspace_id, idle, ended_at, "
                 "expires_at) VALUES (gen_random_uuid(), $2, repeat('0', 64), $1::uuid, "
                 "'00000000-0000-7000-8000-000000000001', '1 hour', ",
                 both.substr(0, comma), ", clock_timestamp() + ", both.substr(comma + 2), ")"),
             Params().text(account.id).text(sha256_hex(times)));
    }
  });
  EXPECT_EQ(run_retention(database.db(), {}, false).sessions, 2);
  EXPECT_EQ(run_retention(database.db(), {}, true).sessions, 2);
  EXPECT_EQ(count("account_session"), 2);
}

}  // namespace
}  // namespace afina::storage
