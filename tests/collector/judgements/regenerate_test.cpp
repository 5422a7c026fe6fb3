// SPDX-License-Identifier: Apache-2.0
// Other answers to the same message: beside the old ones, before the vote only, once for each key.
#include "storage/transaction.h"
#include "tests/collector/world.h"

namespace afina::collector {
namespace {

class Regenerate : public World {
 protected:
  int64_t number(const std::string& sql) {
    return database_->read([&](storage::Transaction& t) { return t.exec(sql).one().integer("n"); });
  }
  std::string path(const Caller& who, const Json& turn) {
    return cat("/api/conversations/", who.conversation, "/turns/", turn["id"].get<std::string>(), "/regenerate");
  }
};

TEST_F(Regenerate, ANewPairStandsBesideTheOldOneWhichStaysUnjudged) {
  start({"good", "other"}, {}, random_u32);
  Caller ana = visitor();
  const Json first = ana.ask().event("done");
  const std::string key = new_uuid();
  const Json second = ana.post(path(ana, first), Json::object(), key).event("done");
  EXPECT_EQ(second["attempts"], 2);
  EXPECT_NE(second["exposure"], first["exposure"]);
  EXPECT_EQ(second["answers"].size(), 2U);
  EXPECT_EQ(number("SELECT count(*) AS n FROM exposure"), 2);
  EXPECT_EQ(number("SELECT count(*) AS n FROM preference"), 0);
  EXPECT_EQ(ana.post(path(ana, first), Json::object(), key).event("done")["exposure"], second["exposure"]);
  EXPECT_EQ(number("SELECT count(*) AS n FROM generation"), 4) << "the same key starts nothing";
  EXPECT_EQ(ana.post(path(ana, first), {{"answers", 1}}, key).code(), "key_reused");
  ASSERT_EQ(ana.post("/api/votes", {{"exposure", second["exposure"]}, {"outcome", 1}}).status, 201);
  const Reply late = ana.post(path(ana, first));
  EXPECT_EQ(late.status, 409);
  EXPECT_EQ(late.code(), "already_voted");
  EXPECT_EQ(number("SELECT count(*) AS n FROM generation"), 4);
}

TEST_F(Regenerate, AChatGoesOnWithTheNewestAnswerUnlessThePersonGoesBack) {
  start({"good", "other"}, {}, random_u32);
  Caller ana = visitor();
  const Json first = ana.ask("hola", 1).event("done");
  const Json again = ana.post(path(ana, first)).event("done");
  EXPECT_EQ(again["attempts"], 2);
  ASSERT_EQ(again["answers"].size(), 1U);
  EXPECT_EQ(again["answers"][0]["attempt"], 1);
  EXPECT_EQ(again["earlier"][0]["attempt"], 0);
  const std::string messages = "/api/conversations/" + ana.conversation + "/messages";
  EXPECT_EQ(ana.post(messages, {{"text", "sigue"}, {"answers", 1}, {"attempt", 5}}).status, 400);
  ASSERT_EQ(ana.post(messages, {{"text", "sigue"}, {"answers", 1}, {"attempt", 0}}).status, 200);
  const char* went_on =
      "SELECT g.attempt AS n FROM message m JOIN generation g ON g.id = m.generation_id "
      "WHERE m.role = 'assistant' ORDER BY m.turn DESC LIMIT 1";
  EXPECT_EQ(number(went_on), 0);
  const Json turns = ana.get("/api/conversations/" + ana.conversation).json["turns"];
  ASSERT_EQ(ana.post(path(ana, turns[1])).status, 200);
  ASSERT_EQ(ana.post(messages, {{"text", "más"}, {"answers", 1}}).status, 200);
  EXPECT_EQ(number(went_on), 1) << "the newest where nothing else is said";
  EXPECT_EQ(ana.post(path(ana, first)).status, 404) << "only the last turn";
}

TEST_F(Regenerate, AnothersTurnIsNotFound) {
  start({"good", "other"}, {}, random_u32);
  Caller ana = visitor(), luis = visitor();
  const Json turn = ana.ask().event("done");
  EXPECT_EQ(luis.post(path(ana, turn)).status, 404);
  EXPECT_EQ(number("SELECT count(*) AS n FROM regeneration"), 0);
}

}  // namespace
}  // namespace afina::collector
