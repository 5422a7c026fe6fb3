// SPDX-License-Identifier: Apache-2.0
// Exports that nobody takes: they hold what is set apart for them, and the site goes on for everybody else. The control
// is in tests/storage/pool_test.cpp: connections that long readers share with all others are gone at once.
#include <algorithm>

#include "tests/collector/accounts/members_world.h"
#include "tests/http/raw_socket.h"
#include "tests/support/patience.h"

namespace afina::collector {
namespace {

using storage::Role;

class StuckReaders : public MembersWorld {
 protected:
  /// More than the sockets of both ends take in: 24 MB.
  static std::string file() {
    std::string lines;
    const std::string text(100'000, 'a');
    for (int i = 0; i < 120; ++i) {
      lines += dump_json(Json{{"prompt", cat("¿", i, "?")}, {"chosen", text + "b"}, {"rejected", text}}) + "\n";
    }
    return lines;
  }
  http::ClientResponse bring(const Credentials& who) const {
    const http::Client client({.base_url = collector_->address(), .max_retries = 0});
    return client.request("POST", "/api/imports?format=jsonl&name=x&licence=CC0-1.0&declaration=propio&locale=es",
                          file(), who.headers);
  }
  test::RawSocket ask(const Credentials& who) const {
    test::RawSocket socket(collector_->port());
    socket.say(cat("GET /api/exports/judgements.jsonl HTTP/1.1\r\nHost: localhost\r\nAuthorization: ",
                   who.headers.get("Authorization"), "\r\n\r\n"));
    return socket;
  }
  /// The exports' open cursors, by process and start of the transaction: the server's own workers (autovacuum) and the
  /// site's other threads are at work in the same database and are no matter of this test.
  std::string held() {
    return as_owner([](storage::Transaction& t) {
      return t
          .exec(
              "SELECT coalesce(string_agg(concat(pid, ' ', xact_start), ', ' ORDER BY pid), '') AS who "
              "FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' "
              "AND state IN ('active', 'idle in transaction') AND query LIKE 'FETCH %'")
          .one()
          .text("who");
    });
  }
  static int64_t count(const std::string& who) { return who.empty() ? 0 : 1 + std::count(who.begin(), who.end(), ','); }
};

TEST_F(StuckReaders, EightExportsThatNobodyReadsLeaveTheSiteToTheOthers) {
  start_as_web();
  const Credentials engineer = token_of(member(Role::engineer), {"data"});
  const auto brought = bring(engineer);
  ASSERT_EQ(brought.status, 201) << brought.body.substr(0, 300);
  ASSERT_EQ(brought.json()["judgements"], 120);
  std::vector<test::RawSocket> readers;
  int begun = 0, refused = 0;
  for (int i = 0; i < 8; ++i) {
    readers.push_back(ask(engineer));
    const std::string heard = readers.back().hear("\r\n\r\n");
    begun += test::status_of(heard) == 200 ? 1 : 0;
    refused += test::status_of(heard) == 503 ? 1 : 0;
  }
  EXPECT_EQ(begun, 2);
  EXPECT_EQ(refused, 6) << "at once, and without a connection of the database";
  std::string first = held();
  for (const test::Patience patience; patience.left() && count(first) != 2;)
    first = held();
  EXPECT_EQ(count(first), 2) << "the two that began stand still in their transactions: " << first;
  for (int i = 0; i < 3; ++i) {
    Caller ana = visitor();
    const Json turn = ana.ask().event("done");
    ASSERT_TRUE(turn.contains("exposure")) << turn.dump();
    EXPECT_EQ(ana.post("/api/votes", {{"exposure", turn["exposure"]}, {"outcome", 1}}).status, 201);
    EXPECT_EQ(ana.get("/api/session").status, 200);
  }
  EXPECT_EQ(held(), first) << "they were there all the while";
  readers.clear();
  int status = 503;
  for (const test::Patience patience; patience.left() && status == 503;)
    status = test::status_of(ask(engineer).hear("\r\n\r\n"));
  EXPECT_EQ(status, 200) << "who leaves gives the place back";
}

TEST_F(StuckReaders, AnnouncedFilesOfStrangersKeepNobodyFromSpeaking) {
  start_as_web();
  Caller ana = visitor();
  ASSERT_EQ(ana.ask("hola", 1).status, 200);
  std::vector<test::RawSocket> idle;
  for (const char* credentials : {"", "Cookie: afina=x\r\n", "Authorization: Bearer x\r\n"}) {
    idle.emplace_back(collector_->port());
    idle.back().say(
        cat("POST /api/imports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 67108864\r\n", credentials, "\r\n"));
  }
  const std::string refused = idle[0].hear();
  EXPECT_EQ(test::status_of(refused), 401);
  EXPECT_NE(refused.find("login_required"), std::string::npos) << refused;
  for (int i = 0; i < 10; ++i) {
    // Head and body apart, as they come over a real network.
    test::RawSocket socket(collector_->port());
    socket.say(
        "POST /api/withdraw HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 23\r\n"
        "Expect: 100-continue\r\nConnection: close\r\n\r\n");
    ASSERT_EQ(test::status_of(socket.hear("\r\n\r\n")), 100);
    socket.say("{\"receipt_code\":\"nada\"} ");
    EXPECT_EQ(test::status_of(socket.hear()), 404);
  }
}

}  // namespace
}  // namespace afina::collector
