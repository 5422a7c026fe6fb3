// SPDX-License-Identifier: Apache-2.0
// Strangers of one network are known to be of one, behind a proxy too, and their addresses are kept nowhere.
#include <map>
#include <set>

#include "base/log.h"
#include "storage/networks.h"
#include "tests/collector/accounts/members_world.h"

namespace afina::collector {
namespace {

class NetworksTest : public MembersWorld {
 protected:
  void SetUp() override {
    CollectorConfig config;
    config.trusted_proxies = {"127.0.0.1"};
    start_as_web(config);
  }
  /// As the proxy tells of them; an account's where `who` is one.
  Reply visit(const std::string& address, Credentials who = {}) {
    who.headers.set("X-Forwarded-For", address);
    const Reply reply = call(who, "POST", "/api/visits", consent_fields());
    EXPECT_EQ(reply.status, 201) << reply.json;
    return reply;
  }
  static std::string id_of(const Reply& reply) { return reply.json.at("visitor"); }
  std::map<std::string, int64_t> networks() {
    return as_owner([](storage::Transaction& t) { return storage::visitor_networks(t); });
  }
  std::string stored_hash(const std::string& visitor) {
    return as_owner([&](storage::Transaction& t) {
      return t.exec("SELECT network FROM visitor_network WHERE visitor_id = $1::uuid", storage::Params().text(visitor))
          .one()
          .text("network");
    });
  }
  /// Tables with a row in which that text stands anywhere.
  std::vector<std::string> tables_with(const std::string& text) {
    return as_owner([&](storage::Transaction& t) {
      const storage::Result tables = t.exec(
          "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY "
          "relname");
      std::vector<std::string> found;
      for (size_t i = 0; i < tables.size(); ++i) {
        const std::string table = tables[i].text("relname");
        if (!t.exec(cat("SELECT FROM \"", table, "\" AS r WHERE strpos(lower(r::text), $1) > 0"),
                    storage::Params().text(text))
                 .empty())
          found.push_back(table);
      }
      return found;
    });
  }
};

TEST_F(NetworksTest, AreThoseThatTheProxyTellsOf) {
  const std::string ana = id_of(visit("203.0.113.7")), luis = id_of(visit("203.0.113.250")),
                    eva = id_of(visit("::ffff:203.0.113.99")), far = id_of(visit("203.0.114.7")),
                    six = id_of(visit("2001:db8:1:2::7")), seven = id_of(visit("2001:db8:1:ffff::9")),
                    other = id_of(visit("2001:db8:2::7"));
  const auto of = networks();
  EXPECT_EQ(of.at(ana), of.at(luis));
  EXPECT_EQ(of.at(ana), of.at(eva)) << "IPv4 inside IPv6";
  EXPECT_EQ(of.at(six), of.at(seven));
  EXPECT_EQ(std::set<int64_t>({of.at(ana), of.at(far), of.at(six), of.at(other)}).size(), 4U);
  EXPECT_FALSE(of.contains(id_of(visit("127.0.0.1")))) << "the machine itself is no network";
}

TEST_F(NetworksTest, AreNotOfPeopleWithAnAccount) {
  Credentials ana = member(storage::Role::annotator);
  as_owner([&](storage::Transaction& t) {
    t.exec("UPDATE account SET visitor_id = NULL WHERE id = $1::uuid", storage::Params().text(ana.account_id));
  });
  const std::string consented = id_of(visit("203.0.113.7", ana)), stranger = id_of(visit("203.0.113.7"));
  EXPECT_FALSE(networks().contains(consented));
  EXPECT_TRUE(networks().contains(stranger)) << "the control";
}

TEST_F(NetworksTest, LeaveNoAddressAndNoHashWhereSomebodyCouldReadIt) {
  set_log_level(LogLevel::debug);
  testing::internal::CaptureStderr();
  const Reply visited = visit("203.0.113.77");
  const std::string session = visited.headers.get("Set-Cookie");
  Credentials ana;
  ana.headers.set("Cookie", session.substr(0, session.find(';')));
  ana.headers.set("X-Forwarded-For", "203.0.113.77");
  const Reply own = get(ana, "/api/export"), state = get(ana, "/api/session");
  const std::string log = testing::internal::GetCapturedStderr();
  set_log_level(LogLevel::error);
  ASSERT_EQ(own.status, 200);

  const std::string hash = stored_hash(id_of(visited));
  EXPECT_EQ(tables_with("203.0.113"), std::vector<std::string>());
  EXPECT_EQ(tables_with(hash), std::vector<std::string>{"visitor_network"}) << "the control: rows are searched";
  for (const std::string& answer : {visited.json.dump(), own.json.dump(), state.json.dump(), log}) {
    EXPECT_EQ(answer.find("203.0.113"), std::string::npos) << answer;
    EXPECT_EQ(answer.find(hash), std::string::npos) << answer;
  }
  EXPECT_EQ(call(ana, "POST", "/api/withdraw", {{"receipt_code", visited.json.at("receipt_code")}}).status, 200);
  EXPECT_EQ(tables_with(hash), std::vector<std::string>()) << "who withdraws takes it along";
}

}  // namespace
}  // namespace afina::collector
