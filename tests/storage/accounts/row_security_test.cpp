// SPDX-License-Identifier: Apache-2.0
// The second fence: as afina_web, rows of a workspace are there only for a transaction that named it.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "storage/accounts/accounts.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

class RowSecurityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    DatabaseOptions options;
    options.role = kWebRole;
    options.announce = false;
    options.max_connections = 1;  // every transaction on the same connection: nothing may be left on it
    web = Database::open(test.target(), options);
    test.db().transaction([&](Transaction& t) { other = ensure_workspace(t, "Universidad").id; });
    test.db().transaction([&](Transaction& t) { shown = make_pair_for(t, make_person(t)); });
    in_other([&](Transaction& t) { make_pair_for(t, make_person(t)); });
    in_other([&](Transaction& t) { make_pair_for(t, make_person(t)); });
  }
  template <typename F>
  void in_other(F&& fn) {
    test.db().transaction(std::forward<F>(fn), {.workspace = other});
  }
  int64_t conversations(const std::string& workspace) {
    return web->transaction(
        [](Transaction& t) { return t.exec("SELECT count(*) AS n FROM conversation").one().integer("n"); },
        {.read_only = true, .workspace = workspace});
  }

  TestDatabase test;
  std::unique_ptr<Database> web;
  std::string other;
  Shown shown;
};

TEST_F(RowSecurityTest, WithoutAWorkspaceThereIsNothing) {
  EXPECT_EQ(conversations(""), 0);
}

TEST_F(RowSecurityTest, AWorkspaceSeesItsOwnRowsUntilTheCommit) {
  EXPECT_EQ(conversations(kPublicWorkspace), 1);
  EXPECT_EQ(conversations(other), 2);
  EXPECT_EQ(conversations(""), 0) << "the setting is gone with the transaction";
  EXPECT_EQ(conversations(new_uuid()), 0);
  EXPECT_EQ(conversations(kEveryWorkspace), 3);
}

TEST_F(RowSecurityTest, TheSettingIsGoneAfterARollbackToo) {
  EXPECT_THROW(web->transaction([](Transaction& t) { t.exec("SELECT 1/0"); }, {.workspace = other}), Error);
  EXPECT_EQ(conversations(""), 0);
}

TEST_F(RowSecurityTest, OfTheThreadWhereTheTransactionNamesNone) {
  const WorkspaceScope outer(other);
  EXPECT_EQ(conversations(""), 2);
  {
    const WorkspaceScope inner(kPublicWorkspace);
    EXPECT_EQ(conversations(""), 1);
    EXPECT_EQ(conversations(other), 2) << "what the transaction says counts more";
  }
  EXPECT_EQ(conversations(""), 2) << "the outer scope is back";
  int64_t elsewhere = -1;
  std::thread([&] { elsewhere = conversations(""); }).join();
  EXPECT_EQ(elsewhere, 0) << "another thread has none";
}

TEST_F(RowSecurityTest, RowsAreWrittenIntoTheWorkspaceOfTheTransactionOnly) {
  const std::string mine = web->transaction(
      [](Transaction& t) {
        Conversation c;
        c.visitor_id = make_person(t).visitor_id;
        return create_conversation(t, c).id;
      },
      {.workspace = other});
  EXPECT_EQ(conversations(other), 3);
  EXPECT_EQ(conversations(kPublicWorkspace), 1);
  // Nor can a statement that forgot its WHERE reach further.
  const auto changed =
      web->transaction([](Transaction& t) { return t.exec("UPDATE conversation SET withdrawn_at = now()").affected(); },
                       {.workspace = kPublicWorkspace});
  EXPECT_EQ(changed, 1u);
  EXPECT_THROW(web->transaction(
                   [&](Transaction& t) {
                     t.exec(
                         "INSERT INTO conversation (id, visitor_id, consent_event_id, mode, source, workspace_id) "
                         "SELECT $1::uuid, visitor_id, consent_event_id, mode, source, $2::uuid FROM conversation",
                         Params().text(new_uuid()).text(kPublicWorkspace));
                   },
                   {.workspace = other}),
               Error);
}

TEST_F(RowSecurityTest, ViewsLookWithTheCallersEyes) {
  test.db().transaction([&](Transaction& t) { put_preference(t, vote_on(shown.exposure, 1)); });
  const auto votes = [&](const std::string& workspace) {
    return web->transaction(
        [](Transaction& t) { return t.exec("SELECT count(*) AS n FROM standing_preference").one().integer("n"); },
        {.workspace = workspace});
  };
  EXPECT_EQ(votes(kPublicWorkspace), 1);
  EXPECT_EQ(votes(other), 0);
  EXPECT_EQ(votes(""), 0);
}

TEST_F(RowSecurityTest, OwnersAndTheTrainerReadEverything) {
  const auto all = [](Database& db) {
    return db.read([](Transaction& t) { return t.exec("SELECT count(*) AS n FROM conversation").one().integer("n"); });
  };
  EXPECT_EQ(all(test.db()), 3);
  const auto trainer = Database::open(test.target(), {.role = kTrainerRole, .announce = false});
  EXPECT_EQ(all(*trainer), 3);
}

TEST_F(RowSecurityTest, EveryTableOfAWorkspaceIsFencedButThoseThatAreAskedBeforeItIsKnown) {
  const auto open = test.db().read([](Transaction& t) {
    const Result rows = t.exec(
        "SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind = 'r' AND "
        "c.relnamespace = 'public'::regnamespace AND a.attname = 'workspace_id' AND NOT c.relrowsecurity ORDER BY 1");
    std::vector<std::string> names;
    for (size_t i = 0; i < rows.size(); ++i)
      names.push_back(rows[i].text("name"));
    return names;
  });
  EXPECT_EQ(open, (std::vector<std::string>{"account_session", "api_token", "audit_event", "invite", "membership",
                                            "visitor"}));
}

TEST_F(RowSecurityTest, AWorkspaceIsAnIdAndNothingElse) {
  for (const char* bad : {"x'; DROP TABLE conversation; --", "'", "**", "public"}) {
    EXPECT_THROW(conversations(bad), InternalError) << bad;
  }
}

TEST_F(RowSecurityTest, ALoginThatMayNotTakeTheRoleIsToldOrWarned) {
  TestServer::shared().sql("DO $$ BEGIN CREATE ROLE stranger LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
  test.db().transaction([](Transaction& t) {
    t.script("GRANT SELECT ON ALL TABLES IN SCHEMA public TO stranger; GRANT USAGE ON SCHEMA public TO stranger");
  });
  const DatabaseTarget target{DatabaseTarget::Kind::url, cat(test.url(), "&user=stranger"), {}};
  DatabaseOptions options;
  options.role = kWebRole;
  options.announce = false;
  options.migrate = false;
  const auto ask = [&] {
    const auto database = Database::open(target, options);
    return database->transaction([](Transaction& t) { return t.exec("SELECT current_user AS who").one().text("who"); },
                                 {.read_only = true});
  };
  try {
    ask();
    FAIL() << "row-level security would not hold";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("GRANT afina_web TO stranger"), std::string::npos) << error.what();
  }
  options.role_required = false;
  EXPECT_EQ(ask(), "stranger");
}

}  // namespace
}  // namespace afina::storage
