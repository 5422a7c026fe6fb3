// SPDX-License-Identifier: Apache-2.0
// Ratings, flags, span notes and rewrites through the API: with the vote, superseded with it, shown to oneself only,
// and on the way to a snapshot.
#include "storage/judgements/details.h"
#include "storage/quality/eligible.h"
#include "storage/transaction.h"
#include "tests/collector/world.h"

namespace afina::collector {
namespace {

class DetailsFlow : public World {
 protected:
  int64_t count(const std::string& table) {
    return database_->read(
        [&](storage::Transaction& t) { return t.exec(cat("SELECT count(*) AS n FROM ", table)).one().integer("n"); });
  }
  Json turn_of(const Caller& who, const std::string& conversation) {
    return who.get("/api/conversations/" + conversation).json["turns"][0];
  }
};

Json full_vote(const std::string& exposure) {
  return {{"exposure", exposure},
          {"outcome", 2},
          {"reason", "más clara"},
          {"reason_language", "es"},
          {"aspects",
           {{{"side", "a"}, {"aspect", "cultural_fit"}, {"value", 5}},
            {{"side", "b"}, {"aspect", "cultural_fit"}, {"value", 2}}}},
          {"flags", {{{"side", "b"}, {"kind", "hallucination"}, {"note", "esa calle no existe"}}}},
          {"spans", {{{"side", "a"}, {"start", 0}, {"end", 2}, {"kind", "good"}, {"text", "¡bien!"}}}},
          {"rewrite", "Se hace con harina, agua, sal y levadura."}};
}

TEST_F(DetailsFlow, AVoteBringsThemInOneActAndShowsThemToItsPerson) {
  start({"good", "other"}, {}, random_u32);
  Caller ana = visitor();
  const std::string exposure = ana.ask().event("done")["exposure"], key = new_uuid();
  const Json vote = full_vote(exposure);
  const Reply first = ana.post("/api/votes", vote, key);
  ASSERT_EQ(first.status, 201) << first.json.dump();
  EXPECT_EQ(first.json["details"]["aspects"].size(), 2U);
  const Json stored = turn_of(ana, ana.conversation)["vote"];
  ASSERT_TRUE(stored.contains("details")) << stored.dump();
  EXPECT_EQ(stored["details"]["flags"][0]["side"], "b");
  EXPECT_EQ(stored["details"]["spans"][0]["end"], 2);
  EXPECT_EQ(stored["details"]["rewrite"], vote["rewrite"]);
  EXPECT_EQ(stored["details"]["reason_language"], "es");
  std::map<std::string, int> by_side;
  for (const Json& rating : stored["details"]["aspects"])
    by_side[rating["side"]] = rating["value"];
  EXPECT_EQ(by_side, (std::map<std::string, int>{{"a", 5}, {"b", 2}}));
  EXPECT_EQ(ana.post("/api/votes", vote, key).status, 200) << "the same again";
  EXPECT_EQ(count("aspect_rating") + count("answer_flag") + count("span_note") + count("rewrite"), 5);
}

TEST_F(DetailsFlow, TheKeysHashCoversEveryDetail) {
  start({"good", "other"}, {}, random_u32);
  Caller ana = visitor();
  const std::string exposure = ana.ask().event("done")["exposure"], key = new_uuid();
  const Json vote = full_vote(exposure);
  ASSERT_EQ(ana.post("/api/votes", vote, key).status, 201);
  const std::pair<const char*, Json> changes[] = {
      {"/aspects/0/value", 4}, {"/aspects/0/side", "b"},   {"/flags/0/note", "otra cosa"},  {"/spans/0/end", 3},
      {"/rewrite", "Otra."},   {"/reason_language", "pt"}, {"/aspects/1/aspect", "dialect"}};
  for (const auto& [pointer, value] : changes) {
    Json changed = vote;
    changed[Json::json_pointer(pointer)] = value;
    if (std::string(pointer) == "/aspects/0/side") changed["aspects"].erase(1);
    const Reply reply = ana.post("/api/votes", changed, key);
    EXPECT_EQ(reply.status, 409) << pointer;
    EXPECT_EQ(reply.code(), "key_reused") << pointer;
  }
  EXPECT_EQ(count("aspect_rating") + count("answer_flag") + count("span_note") + count("rewrite"), 5);
}

TEST_F(DetailsFlow, ACorrectionTakesTheirPlaceAndAnUndoTakesThemAway) {
  start({"good", "other"}, {}, random_u32);
  Caller ana = visitor();
  const std::string exposure = ana.ask().event("done")["exposure"];
  const Reply first = ana.post("/api/votes", full_vote(exposure));
  Json correction = {{"exposure", exposure},
                     {"outcome", -1},
                     {"supersedes", first.json["id"]},
                     {"aspects", {{{"side", "a"}, {"aspect", "clarity"}, {"value", 3}}}}};
  const Reply second = ana.post("/api/votes", correction);
  ASSERT_EQ(second.status, 201) << second.json.dump();
  EXPECT_EQ(count("standing_aspect_rating"), 1);
  EXPECT_EQ(count("standing_answer_flag") + count("standing_span_note") + count("standing_rewrite"), 0);
  EXPECT_EQ(turn_of(ana, ana.conversation)["vote"]["details"]["rewrite"], "");
  const std::string id = second.json["id"];
  ASSERT_EQ(ana.post("/api/votes/" + id + "/undo").status, 200);
  EXPECT_EQ(count("standing_aspect_rating"), 0);
  EXPECT_TRUE(turn_of(ana, ana.conversation)["vote"].is_null());
}

TEST_F(DetailsFlow, ARewriteReachesSnapshotsAndLeavesThemWithItsVote) {
  start({"good", "other"}, {}, random_u32);
  Caller ana = visitor();
  const std::string exposure = ana.ask().event("done")["exposure"];
  const Reply vote = ana.post("/api/votes", full_vote(exposure));
  const auto rewrites = [&] {
    std::vector<std::string> texts;
    const auto pairs = database_->transaction([](storage::Transaction& t) { return storage::eligible_pairs(t, {}); },
                                              {.isolation = storage::Isolation::repeatable_read, .read_only = true});
    for (const auto& pair : pairs) {
      for (const auto& rewrite : pair.rewrites)
        texts.push_back(rewrite.text);
    }
    return texts;
  };
  EXPECT_EQ(rewrites(), std::vector<std::string>{"Se hace con harina, agua, sal y levadura."});
  const std::string id = vote.json["id"];
  ASSERT_EQ(ana.post("/api/votes/" + id + "/undo").status, 200);
  EXPECT_TRUE(rewrites().empty());
}

TEST_F(DetailsFlow, AVoteWhoseDetailsDoNotFitIsRefusedWhole) {
  start({"good", "other"}, {}, random_u32);
  Caller ana = visitor();
  Json vote = full_vote(ana.ask().event("done")["exposure"]);
  vote["spans"][0]["end"] = 100'000;
  const Reply reply = ana.post("/api/votes", vote);
  EXPECT_EQ(reply.status, 422) << reply.json.dump();
  EXPECT_EQ(count("preference") + count("aspect_rating") + count("rewrite"), 0);
}

TEST_F(DetailsFlow, ASingleAnswerTakesNotesAndAPairDoesNot) {
  start({"good", "other"}, {}, random_u32);
  Caller ana = visitor();
  const std::string turn = ana.ask("hola", 1).event("done")["id"], key = new_uuid();
  const std::string path = "/api/answers/" + ana.conversation + "/" + turn + "/notes";
  const Json note{{"reason", "le falta la receta"},
                  {"aspects", {{{"side", "only"}, {"aspect", "helpful"}, {"value", 2}}}},
                  {"rewrite", "Primero, la harina."}};
  const Reply first = ana.post(path, note, key);
  ASSERT_EQ(first.status, 201) << first.json.dump();
  EXPECT_EQ(ana.post(path, note, key).status, 200);
  Json other = note;
  other["rewrite"] = "Otra";
  EXPECT_EQ(ana.post(path, other, key).code(), "key_reused");
  EXPECT_EQ(turn_of(ana, ana.conversation)["note"]["details"]["rewrite"], "Primero, la harina.");
  EXPECT_EQ(ana.post(path, other).status, 201) << "a new note takes the old one's place";
  EXPECT_EQ(count("standing_answer_note"), 1);
  EXPECT_EQ(ana.post(path, Json::object()).code(), "empty");
  Json sided = note;
  sided["aspects"][0]["side"] = "a";
  EXPECT_EQ(ana.post(path, sided).code(), "bad_request");
  Caller luis = visitor();
  EXPECT_EQ(luis.post(path, note).status, 404) << "somebody else's";
  const std::string pair = ana.ask("otra", 2).event("done")["id"];
  EXPECT_EQ(ana.post("/api/answers/" + ana.conversation + "/" + pair + "/notes", note).code(), "not_votable");
  EXPECT_EQ(count("answer_note"), 2);
}

}  // namespace
}  // namespace afina::collector
