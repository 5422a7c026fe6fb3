// SPDX-License-Identifier: Apache-2.0
// Feedback by completion id: votes on blind pairs, notes on single answers, never twice, never lost.
#include <gtest/gtest.h>

#include "tests/collector/proxy/token_client.h"
#include "tests/storage/events/listener.h"

namespace afina::collector {
namespace {

struct ProxyFeedback : TokenWorld {
  std::string completion(const Program& program, const std::string& model) {
    const Reply reply = program.post(
        "/v1/chat/completions", {{"model", model}, {"messages", {{{"role", "user"}, {"content", "¿Cómo hago pan?"}}}}});
    EXPECT_EQ(reply.status, 200) << reply.json.dump();
    return reply.json["id"];
  }
  /// With the pair on record.
  std::string arena(const Program& program) {
    const int64_t before = count("exposure");
    const std::string id = completion(program, "arena");
    EXPECT_TRUE(wait_for("exposure", before + 1));
    return id;
  }
  Program program_of(const std::vector<std::string>& scopes) { return program(storage::Role::annotator, scopes); }
  Reply say(const Program& program, const std::string& id, Json more, const std::string& key = "") {
    more["completion_id"] = id;
    return program.post("/v1/feedback", more, key);
  }
};

TEST_F(ProxyFeedback, OfAPairIsAVoteAboutTheShownAnswer) {
  start({"good", "other"});
  database_->transaction([](storage::Transaction& t) { storage::listen(t); });
  const Program program = proxy_program();
  for (int i = 0; i < 6; ++i) {
    const Reply reply = say(program, arena(program), {{"score", 2}, {"reason", "clara"}});
    ASSERT_EQ(reply.status, 200) << reply.json.dump();
    EXPECT_EQ(reply.json["kind"], "preference");
  }
  EXPECT_EQ(count("preference p JOIN exposure e ON e.id = p.exposure_id WHERE p.source = 'api' AND p.blind "
                  "AND p.grade = CASE e.shown WHEN 'a' THEN 2 ELSE -2 END AND p.reason = 'clara'"),
            6);
  EXPECT_EQ(count("outbox WHERE type = 'preference.created'"), 6);
}

TEST_F(ProxyFeedback, SaidAgainChangesNothingAndSaidOtherwiseCorrects) {
  start({"good", "other"});
  const Program program = proxy_program();
  const std::string id = arena(program);
  const Reply up = say(program, id, {{"thumbs", "up"}});
  EXPECT_EQ(up.json["created"], true);
  const Reply same = say(program, id, {{"thumbs", "up"}});
  EXPECT_EQ(same.json["created"], false);
  EXPECT_EQ(same.json["id"], up.json["id"]);
  EXPECT_EQ(say(program, id, {{"thumbs", "down"}}).json["created"], true);
  EXPECT_EQ(say(program, id, {{"thumbs", "up"}}).json["created"], true) << "a change of mind back is one too";
  EXPECT_EQ(count("preference"), 3);
  EXPECT_EQ(count("standing_preference WHERE confidence = 1 AND abs(grade) = 1"), 1);
}

TEST_F(ProxyFeedback, OfASingleAnswerIsANoteWithARating) {
  start({"good", "other"});
  const Program program = proxy_program();
  const std::string id = completion(program, "modelo-good");
  const Reply up = say(program, id, {{"thumbs", "up"}, {"reason", "útil"}, {"reason_language", "es"}});
  ASSERT_EQ(up.status, 200) << up.json.dump();
  EXPECT_EQ(up.json["kind"], "answer_note");
  EXPECT_EQ(say(program, id, {{"thumbs", "up"}, {"reason", "útil"}, {"reason_language", "es"}}).json["created"], false);
  EXPECT_EQ(count("standing_aspect_rating WHERE aspect = 'helpful' AND value = 5"), 1);
  const Json details{{"score", -3},
                     {"aspects", {{{"aspect", "clarity"}, {"value", 2}, {"unknown", 1}}}},
                     {"flags", {{{"kind", "hallucination"}}}},
                     {"spans", {{{"start", 0}, {"end", 3}, {"kind", "wrong"}}}},
                     {"client_version", "7"}};
  const Reply down = say(program, id, details);
  ASSERT_EQ(down.status, 200) << down.json.dump();
  EXPECT_EQ(count("standing_aspect_rating WHERE aspect = 'helpful' AND value = 1"), 1);
  EXPECT_EQ(count("standing_aspect_rating"), 2);
  EXPECT_EQ(count("standing_answer_note"), 1);
  EXPECT_EQ(say(program, id, {{"outcome", "both_bad"}}).status, 400) << "one answer is not two";
}

TEST_F(ProxyFeedback, WithAKeyIsOneActAndAnotherBodyUnderItIsRefused) {
  start({"good", "other"});
  const Program program = proxy_program();
  const std::string id = arena(program), key = new_uuid();
  EXPECT_EQ(say(program, id, {{"outcome", "both_good"}}, key).json["created"], true);
  EXPECT_EQ(say(program, id, {{"outcome", "both_good"}}, key).json["created"], false);
  EXPECT_EQ(say(program, id, {{"outcome", "both_bad"}}, key).status, 409);
  EXPECT_EQ(count("preference"), 1);
}

TEST_F(ProxyFeedback, AnEarlierKeyComesBackAsTheActThatItWas) {
  start({"good", "other"});
  const Program program = program_of({"proxy", "judge"});
  const std::string id = arena(program), one = new_uuid(), two = new_uuid();
  const Reply first = say(program, id, {{"score", 2}}, one);
  ASSERT_EQ(say(program, id, {{"score", -1}}, two).json["created"], true);
  const Reply again = say(program, id, {{"score", 2}}, one);
  ASSERT_EQ(again.status, 200) << again.json.dump();
  EXPECT_EQ(again.json["created"], false);
  EXPECT_EQ(again.json["id"], first.json["id"]);
  EXPECT_EQ(say(program, id, {{"score", 3}}, one).status, 409) << "another body under it";
  const Reply second = say(program, id, {{"score", -1}}, two);
  EXPECT_EQ(second.json["created"], false);
  EXPECT_EQ(count("preference"), 2);
  const std::string words = new_uuid();
  const Reply reasoned = say(program, id, {{"reason", "más clara"}}, words);
  ASSERT_EQ(say(program, id, {{"outcome", "both_bad"}}, new_uuid()).status, 200);
  EXPECT_EQ(say(program, id, {{"reason", "más clara"}}, words).json["id"], reasoned.json["id"])
      << "words alone keep the verdict that stood when they were said";
}

TEST_F(ProxyFeedback, WhatIsSaidAfterAnUndoMayBeSaidAgain) {
  start({"good", "other"});
  const Program program = program_of({"proxy", "judge"});
  const std::string id = arena(program), key = new_uuid();
  const std::string vote = say(program, id, {{"score", 2}}, new_uuid()).json["id"];
  ASSERT_EQ(program.post(cat("/api/votes/", vote, "/undo"), Json::object(), new_uuid()).status, 200);
  const Reply first = say(program, id, {{"score", 1}}, key);
  ASSERT_EQ(first.json["created"], true) << first.json.dump();
  const Reply again = say(program, id, {{"score", 1}}, key);
  EXPECT_EQ(again.status, 200) << again.json.dump();
  EXPECT_EQ(again.json["id"], first.json["id"]);
}

TEST_F(ProxyFeedback, RefusesWhatIsNotTheirsOrSaysNothing) {
  start({"good", "other"});
  const Program program = proxy_program(), other = proxy_program();
  const std::string id = completion(program, "modelo-good");
  EXPECT_EQ(say(other, id, {{"thumbs", "up"}}).status, 404);
  EXPECT_EQ(say(program, "chatcmpl-" + new_uuid(), {{"thumbs", "up"}}).status, 404);
  EXPECT_EQ(say(program, "chatcmpl-x", {{"thumbs", "up"}}).status, 404);
  for (const Json& bad : {Json::object(), Json{{"thumbs", "sideways"}}, Json{{"score", 4}}, Json{{"score", 1.5}},
                          Json{{"thumbs", "up"}, {"score", 1}}, Json{{"outcome", 12}},
                          Json{{"aspects", {{{"aspect", "taste"}, {"value", 1}}}}},
                          Json{{"spans", {{{"start", 0}, {"end", 100000}, {"kind", "bad"}}}}},
                          Json{{"score", 1}, {"reason", std::string(4001, 'x')}}}) {
    const Reply reply = say(program, id, bad);
    EXPECT_EQ(reply.status, 400) << bad.dump() << reply.json.dump();
    EXPECT_TRUE(reply.json["error"].contains("type"));
  }
  EXPECT_EQ(count("answer_note"), 0);
  EXPECT_EQ(count("preference"), 0);
}

}  // namespace
}  // namespace afina::collector
