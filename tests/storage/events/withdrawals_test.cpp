// SPDX-License-Identifier: Apache-2.0
// What people took back stays taken back, also after a backup from before was restored.
#include "storage/events/withdrawals.h"

#include <gtest/gtest.h>

#include "storage/audit.h"
#include "storage/events/backup.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

struct Withdrawals : testing::Test {
  Person person_in(TestDatabase& database) {
    return database.db().transaction([](Transaction& t) {
      const Person person = make_person(t);
      put_preference(t, vote_on(make_pair_for(t, person, "¿Dónde pago la luz?").exposure, 2));
      return person;
    });
  }
  bool is_withdrawn(TestDatabase& database, const Person& person) {
    return database.db().read(
        [&](Transaction& t) { return get_visitor(t, person.visitor_id).withdrawn_at.has_value(); });
  }
};

TEST_F(Withdrawals, NewerThanABackupAreAppliedAgainAfterItsRestore) {
  TestDatabase before, after;
  const Person ana = person_in(before), bea = person_in(before);
  const TestFolder folder;
  backup_database(before.url(), folder.path() / "b.dump");
  const Person carla = person_in(before);
  for (const Person* person : {&ana, &carla})
    before.db().transaction([&](Transaction& t) { withdraw(t, person->receipt); });
  const auto list = withdrawals_since(before.url(), std::nullopt);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].visitor_id, ana.visitor_id) << "oldest first";

  restore_database(after.url(), folder.path() / "b.dump");
  EXPECT_FALSE(is_withdrawn(after, ana));
  EXPECT_EQ(withdraw_again(after.db(), ana.visitor_id), Rewithdrawal::done);
  EXPECT_EQ(withdraw_again(after.db(), carla.visitor_id), Rewithdrawal::unknown) << "came after the backup";
  EXPECT_EQ(withdraw_again(after.db(), ana.visitor_id), Rewithdrawal::already);
  EXPECT_TRUE(is_withdrawn(after, ana));
  EXPECT_FALSE(is_withdrawn(after, bea));
  after.db().transaction([&](Transaction& t) {
    EXPECT_TRUE(withdraw(t, ana.receipt).already) << "as if the code had been used";
    EXPECT_EQ(
        t.exec("SELECT FROM standing_preference WHERE visitor_id = $1::uuid", Params().text(ana.visitor_id)).size(),
        0U);
    EXPECT_EQ(t.exec("SELECT FROM audit_event WHERE row LIKE '%' || $1 || '%'", Params().text(ana.visitor_id)).size(),
              1U);
    EXPECT_EQ(verify_audit(t), 0);
  });
}

TEST_F(Withdrawals, AreListedFromATimeOn) {
  TestDatabase database;
  const Person ana = person_in(database);
  database.db().transaction([&](Transaction& t) { withdraw(t, ana.receipt); });
  const Time at = withdrawals_since(database.url(), std::nullopt).at(0).at;
  EXPECT_EQ(withdrawals_since(database.url(), at).size(), 1U);
  EXPECT_TRUE(withdrawals_since(database.url(), at + std::chrono::microseconds(1)).empty());
}

TEST_F(Withdrawals, OfWhatIsNoIdAreRefused) {
  TestDatabase database;
  EXPECT_THROW(withdraw_again(database.db(), "AFINA-12345"), DataError);
}

}  // namespace
}  // namespace afina::storage
