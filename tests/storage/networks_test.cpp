// SPDX-License-Identifier: Apache-2.0
// Of a stranger's network a keyed hash is kept, and only as long as they take part.
#include "storage/networks.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <thread>

#include "base/error.h"
#include "storage/accounts/accounts.h"
#include "storage/events/retention.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

constexpr const char* kNetwork = "203.0.113.0/24";

Person person_of(Transaction& t, const std::string& network) {
  NewVisitor v;
  v.session_token = new_session_token();
  v.receipt_code = new_receipt_code();
  v.network = network;
  v.consent.text_id = ensure_consent_text(t, "2026-11", "es", "Consiento que…").id;
  v.consent.purposes = {"train"};
  create_visitor(t, v);
  create_visitor(t, v);  // a transaction that runs again
  return {v.id, v.session_token, v.receipt_code};
}

std::string stored_hash(Database& db, const std::string& visitor_id) {
  return db.read([&](Transaction& t) {
    const Result rows =
        t.exec("SELECT network FROM visitor_network WHERE visitor_id = $1::uuid", Params().text(visitor_id));
    return rows.empty() ? "" : rows.one().text("network");
  });
}

TransactionOptions in(const char* workspace) {
  TransactionOptions options;
  options.workspace = workspace;
  return options;
}

struct NetworksTest : testing::Test {
  std::unique_ptr<Database> as(const char* role) {
    DatabaseOptions options;
    options.role = role;
    options.announce = false;
    return Database::open(test.target(), options);
  }
  TestDatabase test;
  Database& db = test.db();
};

TEST_F(NetworksTest, TellWhoCameFromTheSameOneAndNotWhichOne) {
  const auto [ana, luis, eva, unknown] = db.transaction([](Transaction& t) {
    return std::array{person_of(t, kNetwork), person_of(t, kNetwork), person_of(t, "2001:db8:1::/48"),
                      person_of(t, "")};
  });
  const auto networks = db.read([](Transaction& t) { return visitor_networks(t); });
  ASSERT_EQ(networks.size(), 3U);
  EXPECT_EQ(networks.at(ana.visitor_id), networks.at(luis.visitor_id));
  EXPECT_NE(networks.at(ana.visitor_id), networks.at(eva.visitor_id));
  EXPECT_FALSE(networks.contains(unknown.visitor_id));
  EXPECT_EQ(stored_hash(db, ana.visitor_id).size(), 16U);
}

TEST_F(NetworksTest, AreHashedWithAKeyThatEveryInstallationMakesItself) {
  TestDatabase elsewhere;
  const auto of = [](Database& database) {
    return database.transaction([](Transaction& t) { return person_of(t, kNetwork); }).visitor_id;
  };
  const std::string here = stored_hash(db, of(db));
  EXPECT_EQ(here, stored_hash(db, of(db))) << "the control: the key stays";
  EXPECT_NE(here, stored_hash(elsewhere.db(), of(elsewhere.db())));
  EXPECT_THROW(db.transaction([](Transaction& t) { t.exec("DELETE FROM installation_secret"); }), Error);
}

TEST_F(NetworksTest, OfPeopleWhoComeAtOnceHaveOneKey) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const WorkspaceScope scope(kPublicWorkspace);
      db.transaction([](Transaction& t) { person_of(t, kNetwork); });
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  db.read([](Transaction& t) {
    EXPECT_EQ(t.exec("SELECT 1 FROM visitor_network").size(), 4U);
    EXPECT_EQ(t.exec("SELECT DISTINCT network FROM visitor_network").size(), 1U);
    EXPECT_EQ(t.exec("SELECT 1 FROM installation_secret").size(), 1U);
  });
}

TEST_F(NetworksTest, AreForgottenWhenTheirPersonWithdraws) {
  const auto [ana, luis] = db.transaction([](Transaction& t) {
    return std::array{person_of(t, kNetwork), person_of(t, kNetwork)};
  });
  const auto web = as(kWebRole);
  web->transaction([&](Transaction& t) { withdraw(t, ana.receipt); }, in(kEveryWorkspace));
  EXPECT_EQ(stored_hash(db, ana.visitor_id), "");
  EXPECT_NE(stored_hash(db, luis.visitor_id), "") << "the control: another of the same network";
  run_retention(db, {.days_withdrawn = 0}, true);
  EXPECT_EQ(stored_hash(db, ana.visitor_id), "") << "and erasing brings nothing back";
}

TEST_F(NetworksTest, AreWrittenByOneRoleAndReadByAnother) {
  const auto web = as(kWebRole), trainer = as("afina_trainer");
  const std::string ana =
      web->transaction([](Transaction& t) { return person_of(t, kNetwork); }, in(kPublicWorkspace)).visitor_id;
  EXPECT_EQ(trainer->read([](Transaction& t) { return visitor_networks(t); }).count(ana), 1U);
  EXPECT_THROW(web->read([](Transaction& t) { return visitor_networks(t); }), Error)
      << "who holds the key cannot try all networks on what was stored";
  EXPECT_THROW(trainer->read([](Transaction& t) { return t.exec("SELECT secret FROM installation_secret").size(); }),
               Error);
}

}  // namespace
}  // namespace afina::storage
