// SPDX-License-Identifier: Apache-2.0
// The chain: its golden links, what breaks it, who may read which row.
#include "storage/audit.h"

#include <gtest/gtest.h>

#include "storage/accounts/accounts.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

// Golden values: SHA-256 over 32 zero bytes and {"a":1}, then over that and {"a":2} (computed with Python's hashlib).
TEST(AuditChainTest, LinksAreTheHashOfThePreviousHashAndTheRow) {
  const std::string first = audit_link(std::string(64, '0'), R"({"a":1})");
  EXPECT_EQ(first, "b06a229070741292512e8760f470dd7a4c46ccfdf253df781d88dabe58c1ccb1");
  EXPECT_EQ(audit_link(first, R"({"a":2})"), "a1d14784ae595e5334415f1ab3f83e6dd035dd72252a25352a9d3bfe1e7d08ba");
}

class AuditTest : public ::testing::Test {
 protected:
  void write(int events, const std::string& workspace = kPublicWorkspace) {
    for (int i = 0; i < events; ++i) {
      test.db().transaction(
          [&](Transaction& t) {
            append_audit(t, "account:ana", "login", "x", {{"n", i}});
          },
          {.workspace = workspace});
    }
  }
  AuditCheck check(const std::string& head = "") {
    return test.db().read([&](Transaction& t) { return check_audit(t, head); });
  }
  /// What only the owner can do.
  void tamper(const std::string& sql) {
    test.db().transaction([&](Transaction& t) {
      t.script("ALTER TABLE audit_event DISABLE TRIGGER audit_event_append");
      t.script(sql);
      t.script("ALTER TABLE audit_event ENABLE TRIGGER audit_event_append");
    });
  }
  TestDatabase test;
};

TEST_F(AuditTest, AWholeChainTellsHowManyRowsWereWalked) {
  EXPECT_EQ(check().rows, 0);
  write(5);
  const AuditCheck whole = check();
  EXPECT_EQ(whole.rows, 5);
  EXPECT_EQ(whole.bad_number, 0);
  EXPECT_EQ(whole.head.size(), 64u);
  EXPECT_TRUE(check(whole.head).passed_head);
  EXPECT_FALSE(check(std::string(64, 'f')).passed_head);
}

TEST_F(AuditTest, NobodyChangesARowWithoutBeingSeen) {
  write(5);
  EXPECT_THROW(test.db().transaction([](Transaction& t) { t.exec("DELETE FROM audit_event"); }), Error);
  tamper("UPDATE audit_event SET row = replace(row, 'ana', 'eva') WHERE number = 3");
  EXPECT_EQ(check().bad_number, 3);
}

TEST_F(AuditTest, NorRemovesOneNorMovesItToAnotherWorkspace) {
  write(5);
  const std::string head = check().head;
  const std::string other = test.db().transaction([](Transaction& t) { return ensure_workspace(t, "otra").id; });
  tamper(cat("UPDATE audit_event SET workspace_id = '", other, "' WHERE number = 2"));
  EXPECT_EQ(check().bad_number, 2);
  tamper(cat("UPDATE audit_event SET workspace_id = '", kPublicWorkspace, "' WHERE number = 2"));
  EXPECT_EQ(check().bad_number, 0);
  tamper("DELETE FROM audit_event WHERE number = 4");
  EXPECT_EQ(check().bad_number, 4);
  tamper("DELETE FROM audit_event WHERE number = 5");
  EXPECT_EQ(check().bad_number, 0) << "a chain cannot see that its end was cut";
  EXPECT_FALSE(check(head).passed_head) << "a head noted before can";
}

TEST_F(AuditTest, AWorkspaceReadsItsOwnRowsNewestFirst) {
  const std::string other = test.db().transaction([](Transaction& t) { return ensure_workspace(t, "otra").id; });
  write(3);
  write(2, other);
  const auto read = [&](const std::string& workspace, int64_t before, int64_t limit) {
    std::vector<int64_t> numbers;
    for (const auto& event :
         test.db().read([&](Transaction& t) { return audit_events(t, workspace, before, limit); })) {
      numbers.push_back(event.number);
    }
    return numbers;
  };
  EXPECT_EQ(read(kPublicWorkspace, 0, 10), (std::vector<int64_t>{3, 2, 1}));
  EXPECT_EQ(read(other, 0, 10), (std::vector<int64_t>{5, 4}));
  EXPECT_EQ(read(kPublicWorkspace, 3, 1), (std::vector<int64_t>{2}));
  EXPECT_EQ(read(new_uuid(), 0, 10), std::vector<int64_t>{});
}

TEST_F(AuditTest, ControlCharactersAreEscapedAndNamesSurvive) {
  const std::string name = "account:niño\x1b[2J\x7f\u009b31m\u202egnp.exe\u2028ŋ👩‍👩‍👧";
  test.db().transaction([&](Transaction& t) { append_audit(t, name, "login", "x"); }, {.workspace = kPublicWorkspace});
  const std::string row =
      test.db().read([](Transaction& t) { return t.exec("SELECT row FROM audit_event").one().text("row"); });
  for (const char* raw : {"\x1b", "\x7f", "\u009b", "\u202e", "\u2028"})
    EXPECT_EQ(row.find(raw), std::string::npos);
  EXPECT_NE(row.find("niño\\u001b[2J\\u007f\\u009b31m\\u202egnp.exe\\u2028ŋ👩‍👩‍👧"), std::string::npos)
      << row;
  const auto events = test.db().read([](Transaction& t) { return audit_events(t, kPublicWorkspace, 0, 1); });
  EXPECT_EQ(events.at(0).actor, name) << "the same characters for a program";
  EXPECT_EQ(check().bad_number, 0);
}

}  // namespace
}  // namespace afina::storage
