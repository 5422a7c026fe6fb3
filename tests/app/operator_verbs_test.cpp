// SPDX-License-Identifier: Apache-2.0
// What an operator types: backups, retention, withdrawals, the first admin, and a collector whose login is not set up.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/cat.h"
#include "storage/events/backup.h"
#include "storage/transaction.h"
#include "tests/app/run_program.h"
#include "tests/storage/fixtures.h"

namespace afina::app {
namespace {

class OperatorVerbs : public ::testing::Test {
 protected:
  Answer afina(const std::string& arguments) {
    return run_program("afina", cat("--database '", test_.url(), "' ", arguments));
  }
  storage::Person somebody_who_withdrew(int days_ago) {
    return test_.db().transaction([&](storage::Transaction& t) {
      const storage::Person person = storage::make_person(t);
      storage::withdraw(t, person.receipt);
      t.exec("UPDATE visitor SET withdrawn_at = withdrawn_at - $2::bigint * interval '1 day' WHERE id = $1::uuid",
             storage::Params().text(person.visitor_id).integer(int64_t{days_ago}));
      return person;
    });
  }
  storage::TestFolder folder_;
  storage::TestDatabase test_;
};

TEST_F(OperatorVerbs, RestoreTellsTheSchemasVersion) {
  const std::string file = (folder_.path() / "b.dump").string();
  const Answer made = afina("db backup " + file);
  ASSERT_EQ(made.code, 0) << made.text;
  const Answer read = afina("db restore " + file);
  EXPECT_EQ(read.code, 0) << read.text;
  EXPECT_NE(read.text.find(cat("schema version ", test_.db().schema_version())), std::string::npos) << read.text;
}

TEST_F(OperatorVerbs, RetentionTakesTheCollectorsTimes) {
  somebody_who_withdrew(10);
  const std::string config = (folder_.path() / "collector.json").string();
  std::ofstream(config) << R"({"retention_days_withdrawn": 5, "upstreams": [{"name": "a", "base_url": "http://x"}]})";
  EXPECT_NE(afina("db retention --json").text.find(R"("people":0)"), std::string::npos);
  const Answer told = afina("db retention --json --config " + config);
  EXPECT_NE(told.text.find(R"("people":1)"), std::string::npos) << told.text;
  EXPECT_NE(afina("db retention --json --days-withdrawn 20 --config " + config).text.find(R"("people":0)"),
            std::string::npos)
      << "what is typed holds";
  EXPECT_EQ(afina("db retention --config /nowhere.json").code, 1);
}

TEST_F(OperatorVerbs, WithdrawalsOfOneDatabaseAreAppliedToAnother) {
  const storage::Person ana = somebody_who_withdrew(0);
  const Answer list = afina("db withdrawals");
  ASSERT_NE(list.text.find(cat(ana.visitor_id, " 20")), std::string::npos) << list.text;
  EXPECT_EQ(afina("db withdrawals --since 2099-01-01").text.find(ana.visitor_id), std::string::npos);
  const storage::Person bea = test_.db().transaction([](storage::Transaction& t) { return storage::make_person(t); });
  const std::string file = (folder_.path() / "list").string();
  std::ofstream(file) << ana.visitor_id << " 2026-11-22T10:00:00.000Z\n\n"
                      << bea.visitor_id << "\n"
                      << new_uuid() << "\n";
  const Answer applied = afina("db withdraw --from " + file);
  EXPECT_EQ(applied.code, 0) << applied.text;
  EXPECT_NE(applied.text.find("withdrawn: 1, had withdrawn before: 1, not in this database: 1"), std::string::npos)
      << applied.text;
  EXPECT_EQ(afina("db withdraw nonsense").code, 3);
  EXPECT_EQ(afina("db withdraw").code, 2);
}

TEST_F(OperatorVerbs, CreateAdminTellsWhereAndWhatTheLinkLacks) {
  const Answer made = afina("accounts create-admin --name ana");
  EXPECT_EQ(made.code, 0) << made.text;
  EXPECT_NE(made.text.find("In PostgreSQL at "), std::string::npos) << made.text;
  EXPECT_NE(made.text.find("--url"), std::string::npos) << made.text;
  EXPECT_EQ(afina("accounts create-admin --name bea --url https://a.example").text.find("--url"), std::string::npos);
}

TEST_F(OperatorVerbs, ACollectorForStrangersRefusesALoginWithoutTheRole) {
  storage::TestServer::shared().sql(
      "DO $$ BEGIN CREATE ROLE passer_by LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
  test_.db().transaction([](storage::Transaction& t) {
    t.script("GRANT SELECT ON ALL TABLES IN SCHEMA public TO passer_by; GRANT USAGE ON SCHEMA public TO passer_by");
  });
  const std::string config = (folder_.path() / "collector.json").string();
  std::ofstream(config) << R"({"port": 0, "public_hosts": ["collect.example.org"],
                               "upstreams": [{"name": "a", "base_url": "http://127.0.0.1:9"}]})";
  const Answer answer =
      run_program("afina-collector", cat("--config ", config, " --database '", test_.url(), "&user=passer_by'"));
  EXPECT_EQ(answer.code, 2) << answer.text;
  EXPECT_NE(answer.text.find("GRANT afina_web TO passer_by"), std::string::npos) << answer.text;
}

}  // namespace
}  // namespace afina::app
