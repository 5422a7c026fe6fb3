// SPDX-License-Identifier: Apache-2.0
#include "storage/conversations.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "storage/occupied.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

class Conversations : public ::testing::Test {
 protected:
  void SetUp() override {
    db.transaction([&](Transaction& t) { ana = make_person(t); });
  }
  Conversation begin(const std::string& locale = "es", const std::string& key = "") {
    Conversation c;
    c.visitor_id = ana.visitor_id;
    c.locale = locale;
    c.client_key = key;
    return db.transaction([&](Transaction& t) { return create_conversation(t, c); });
  }
  Message say(const Conversation& c, int turn, const std::string& text, const std::string& key = "") {
    Message m;
    m.conversation_id = c.id;
    m.turn = turn;
    m.role = turn % 2 == 0 ? "user" : "assistant";
    m.content = text;
    m.client_key = key;
    return db.transaction([&](Transaction& t) { return append_message(t, m, ana.visitor_id); });
  }
  TestDatabase test;
  Database& db = test.db();
  Person ana;
};

TEST_F(Conversations, EveryScriptComesBackByteForByte) {
  const std::string words =
      "ñandú, Ñ, g̃uaraní ỹ, ŋa, qhichwa p'unchay, 漢字, עברית, 👩🏽‍🌾🇧🇴, \t\n\"\\'; "
      "DROP "
      "TABLE "
      "x; "
      "-- "
      "{}";
  const Conversation c = begin();
  say(c, 0, words);
  const auto view = db.read([&](Transaction& t) { return load_own_conversation(t, c.id, ana.visitor_id); });
  ASSERT_EQ(view.messages.size(), 1U);
  EXPECT_EQ(view.messages[0].content, words);
  EXPECT_EQ(view.messages[0].sha256.size(), 64U);
  EXPECT_THROW(say(c, 2, std::string("nul \0 here", 10)), DataError);
  EXPECT_THROW(say(c, 2, "lone \xED\xA0\x80 surrogate"), DataError);
}

TEST_F(Conversations, AGenerationKeepsEveryField) {
  const Conversation c = begin();
  Generation g;
  g.conversation_id = c.id;
  g.turn = 1;
  g.slot = 1;
  g.attempt = 2;
  g.model = "smollm2";
  g.upstream = "http://127.0.0.1:8080/v1";
  g.base_sha256 = "abc";
  g.params = {{"temperature", 0.7}, {"stop", {"a", "ñ"}}};
  g.seed = -7;
  g.text = "respuesta";
  g.finish_reason = "stop";
  g.prompt_tokens = 3;
  g.prompt_ids = std::vector<int>{1, 2, 49151};
  g.completion_ids = std::vector<int>{};
  g.template_sha256 = "def";
  g.first_token_ms = 0.1;
  g.total_ms = 1e-300;
  const Generation stored = db.transaction([&](Transaction& t) { return append_generation(t, g); });
  EXPECT_EQ(stored.attempt, 2);
  EXPECT_EQ(stored.params, g.params);
  EXPECT_EQ(stored.seed, g.seed);
  EXPECT_EQ(stored.prompt_ids, g.prompt_ids);
  EXPECT_EQ(stored.completion_ids, g.completion_ids) << "empty is not unknown";
  EXPECT_EQ(stored.completion_tokens, std::nullopt);
  EXPECT_EQ(stored.first_token_ms, 0.1);
  EXPECT_EQ(stored.total_ms, 1e-300);
  EXPECT_LT(std::abs(std::chrono::duration<double>(stored.created_at - std::chrono::system_clock::now()).count()), 60);
  g.id = new_uuid();
  EXPECT_THROW(db.transaction([&](Transaction& t) { append_generation(t, g); }), Conflict) << "the slot is taken";
  g.attempt = 3;
  g.params = {{"big", std::string(9000, 'x')}};
  EXPECT_THROW(db.transaction([&](Transaction& t) { append_generation(t, g); }), DataError);
  g.params = Json::object();
  g.adapter_id = new_uuid();
  EXPECT_THROW(db.transaction([&](Transaction& t) { append_generation(t, g); }), NotFound);
}

TEST_F(Conversations, ARepeatedRequestFindsItsRowAndAnotherBodyIsAConflict) {
  const Conversation c = begin("es", "begin-1");
  EXPECT_EQ(begin("es", "begin-1").id, c.id);
  EXPECT_THROW(begin("pt", "begin-1"), Conflict);
  const Message m = say(c, 0, "hola", "m-1");
  EXPECT_EQ(say(c, 0, "hola", "m-1").id, m.id);
  const auto key_was_used_twice = [&](int turn, const std::string& text) {
    try {
      say(c, turn, text, "m-1");
    } catch (const Occupied&) {
      return false;
    } catch (const Conflict&) {
      return true;
    }
    return false;
  };
  EXPECT_TRUE(key_was_used_twice(0, "otra cosa"));
  EXPECT_THROW(say(c, 0, "otra cosa", "m-2"), TurnTaken) << "by another message, not by another sending of this one";
  EXPECT_TRUE(key_was_used_twice(2, "hola"));
}

TEST_F(Conversations, AnothersConversationIsNotFound) {
  const Conversation c = begin();
  db.transaction([&](Transaction& t) {
    const Person luis = make_person(t);
    EXPECT_THROW(load_own_conversation(t, c.id, luis.visitor_id), NotFound);
    Message m;
    m.conversation_id = c.id;
    m.role = "user";
    EXPECT_THROW(append_message(t, m, luis.visitor_id), NotFound);
    EXPECT_THROW(load_conversation(t, "not-an-id"), NotFound);
    EXPECT_THROW(load_conversation(t, new_uuid()), NotFound);
  });
}

TEST_F(Conversations, AViewShowsPairsAndVotesAndOnesOwnOnly) {
  db.transaction([&](Transaction& t) {
    const Shown shown = make_pair_for(t, ana);
    const Person luis = make_person(t);
    const Preference first = put_preference(t, vote_on(shown.exposure, 1)).stored;
    NewPreference second = vote_on(shown.exposure, 2);
    second.supersedes_id = first.id;
    put_preference(t, second);
    Exposure e;
    e.pair_id = shown.pair.id;
    e.visitor_id = luis.visitor_id;
    put_preference(t, vote_on(create_exposure(t, e), -1));
    const auto own = load_own_conversation(t, shown.conversation.id, ana.visitor_id);
    EXPECT_EQ(own.generations.size(), 2U);
    EXPECT_EQ(own.pairs.size(), 1U);
    EXPECT_EQ(own.exposures.size(), 1U);
    ASSERT_EQ(own.preferences.size(), 2U);
    EXPECT_TRUE(own.preferences[0].superseded);
    EXPECT_FALSE(own.preferences[1].superseded);
    EXPECT_EQ(load_conversation(t, shown.conversation.id).preferences.size(), 3U);
    EXPECT_EQ(list_conversations(t, {}).rows.at(0).votes, 2) << "standing ones";
  });
}

TEST_F(Conversations, SearchIgnoresCapitalsAndAccents) {
  say(begin(), 0, "¿Dónde está la POSTA de salud?");
  say(begin("pt"), 0, "Onde fica o posto de saúde?");
  say(begin("gn"), 0, "Mamóicha oĩ tasyo g̃uahẽ? 100% _x");
  const auto found = [&](const std::string& text) {
    return db.read([&](Transaction& t) { return list_conversations(t, {.text = text}).total; });
  };
  EXPECT_EQ(found("donde ESTA"), 1);
  EXPECT_EQ(found("saude"), 1);
  EXPECT_EQ(found("de sa"), 2);
  EXPECT_EQ(found("GUAHE"), 1);
  EXPECT_EQ(found("100% _X"), 1) << "no wildcards";
  EXPECT_EQ(found("%"), 1);
  EXPECT_EQ(found("nothing"), 0);
  EXPECT_EQ(found(""), 3);
}

TEST_F(Conversations, PagesByCursorMeetEachRowOnce) {
  for (int i = 0; i < 7; ++i) {
    say(begin(), 0, cat("pregunta ", i));
  }
  std::vector<std::string> titles;
  ConversationFilter filter;
  filter.limit = 3;
  do {
    const auto page = db.read([&](Transaction& t) { return list_conversations(t, filter); });
    EXPECT_EQ(page.total, 7);
    for (const auto& row : page.rows) {
      titles.push_back(row.title);
    }
    filter.before_id = page.next_before_id;
  } while (!filter.before_id.empty());
  ASSERT_EQ(titles.size(), 7U);
  EXPECT_EQ(titles.front(), "pregunta 6");
  EXPECT_EQ(titles.back(), "pregunta 0");
  EXPECT_EQ(db.read([](Transaction& t) { return list_conversations(t, {.limit = 3, .offset = 6}).rows.size(); }), 1U);
  EXPECT_THROW(db.read([](Transaction& t) { return list_conversations(t, {.limit = 0}); }), DataError);
}

}  // namespace
}  // namespace afina::storage
