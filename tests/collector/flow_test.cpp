// SPDX-License-Identifier: Apache-2.0
// The whole flow by the API, with a real server and a real database.
#include "storage/conversations.h"
#include "storage/quality/eligible.h"
#include "storage/transaction.h"
#include "tests/collector/world.h"

namespace afina::collector {
namespace {

using FlowTest = World;

std::vector<storage::EligiblePair> eligible(storage::Database& database) {
  return database.transaction([](storage::Transaction& t) { return storage::eligible_pairs(t, {}); },
                              {.isolation = storage::Isolation::repeatable_read, .read_only = true});
}

TEST_F(FlowTest, GoesFromConsentToAVoteAndTheReveal) {
  start({"good", "other"});
  Caller ana = visitor();
  const Reply pair = ana.ask();
  ASSERT_EQ(pair.status, 200);
  ASSERT_GE(pair.events.size(), 4u);
  EXPECT_EQ(pair.events.front().event, "start");
  EXPECT_EQ(pair.events.back().event, "done");
  for (const auto& event : pair.events)
    EXPECT_EQ(event.data.find("modelo-"), std::string::npos) << event.data;
  const Json turn = pair.event("done");
  EXPECT_EQ(turn["votable"], true);
  EXPECT_EQ(turn["state"], "ready");
  ASSERT_EQ(turn["answers"].size(), 2u);
  EXPECT_NE(turn["answers"][0]["text"], turn["answers"][1]["text"]);
  const std::string exposure = turn["exposure"];

  EXPECT_EQ(ana.post(cat("/api/pairs/", exposure, "/reveal")).code(), "vote_first");
  EXPECT_EQ(ana.ask("¿Y sin sal?").code(), "vote_first");

  const Json vote{{"exposure", exposure}, {"outcome", 2}, {"ms_to_decide", 1234}};
  const std::string key = new_uuid();
  const Reply first = ana.post("/api/votes", vote, key);
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(first.json["id"], key);
  EXPECT_EQ(first.json["outcome"], 2);

  const Reply undone = ana.post(cat("/api/votes/", key, "/undo"));
  EXPECT_EQ(undone.status, 200) << undone.json.dump();
  const std::string again = new_uuid(), reasoned = new_uuid();
  EXPECT_EQ(ana.post("/api/votes", {{"exposure", exposure}, {"outcome", -1}}, again).status, 201);
  const Reply reason =
      ana.post("/api/votes", {{"exposure", exposure}, {"outcome", -1}, {"reason", "más clara"}, {"supersedes", again}},
               reasoned);
  EXPECT_EQ(reason.status, 201) << reason.json.dump();

  const Reply names = ana.post(cat("/api/pairs/", exposure, "/reveal"));
  EXPECT_EQ(names.status, 200);
  const bool good_left = turn["answers"][0]["text"] == FakeUpstream::text_of("good");
  EXPECT_EQ(names.json["a"], good_left ? "modelo-good" : "modelo-other");
  EXPECT_EQ(names.json["b"], good_left ? "modelo-other" : "modelo-good");
  EXPECT_EQ(ana.post(cat("/api/votes/", reasoned, "/undo")).code(), "already_revealed");
  EXPECT_EQ(ana.post("/api/votes", {{"exposure", exposure}, {"outcome", 3}, {"supersedes", reasoned}}).code(),
            "already_revealed");

  const Json shown = ana.get(cat("/api/conversations/", ana.conversation)).json;
  ASSERT_EQ(shown["turns"].size(), 1u);
  EXPECT_EQ(shown["turns"][0]["vote"], (Json{{"id", reasoned}, {"outcome", -1}, {"reason", "más clara"}}));
  EXPECT_EQ(shown["turns"][0]["reveal"], names.json);
  EXPECT_EQ(ana.get("/api/conversations").json["conversations"][0]["title"], "¿Cómo hago pan?");

  // The conversation goes on with the answer that was better: the right one.
  EXPECT_EQ(ana.ask("¿Y sin sal?").status, 200);
  const Json asked = fake_.requests().back();
  ASSERT_EQ(asked["messages"].size(), 3u);
  EXPECT_EQ(asked["messages"][1]["role"], "assistant");
  EXPECT_EQ(asked["messages"][1]["content"], turn["answers"][1]["text"]);
  EXPECT_EQ(asked["stream"], true);
}

TEST_F(FlowTest, AVoteSentTwiceIsOneVoteAndAnotherBodyUnderItsKeyIsRefused) {
  start({"good", "other"});
  Caller ana = visitor();
  const std::string exposure = ana.ask().event("done")["exposure"], key = new_uuid();
  const Json vote{{"exposure", exposure}, {"outcome", "both_good"}};
  EXPECT_EQ(ana.post("/api/votes", vote, key).status, 201);
  const Reply repeat = ana.post("/api/votes", vote, key);
  EXPECT_EQ(repeat.status, 200);
  EXPECT_EQ(repeat.json["id"], key);
  const Reply other = ana.post("/api/votes", {{"exposure", exposure}, {"outcome", "both_bad"}}, key);
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(other.code(), "key_reused");
  const Reply second = ana.post("/api/votes", vote);
  EXPECT_EQ(second.status, 409);
  EXPECT_EQ(second.code(), "already_voted");
  // A repeat is answered after the reveal too: the first reply may have been lost.
  EXPECT_EQ(ana.post(cat("/api/pairs/", exposure, "/reveal")).status, 200);
  EXPECT_EQ(ana.post("/api/votes", vote, key).status, 200);
  const auto pairs = eligible(*database_);
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0].votes.size(), 1u);
}

TEST_F(FlowTest, AnUndoSentTwiceIsOneUndo) {
  start({"good", "other"});
  Caller ana = visitor();
  const std::string exposure = ana.ask().event("done")["exposure"], key = new_uuid(), undo = new_uuid();
  ASSERT_EQ(ana.post("/api/votes", {{"exposure", exposure}, {"outcome", 0}}, key).status, 201);
  const std::string path = cat("/api/votes/", key, "/undo");
  const Reply first = ana.post(path, Json::object(), undo), repeat = ana.post(path, Json::object(), undo);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(repeat.status, 200);
  EXPECT_EQ(first.json, repeat.json);
  EXPECT_TRUE(eligible(*database_).empty());
}

TEST_F(FlowTest, TheStoredGradeIsAboutTheAnswerAndNotAboutTheSide) {
  // The coin is the third number drawn for a turn: first upstream, second upstream, side.
  for (const bool a_left : {true, false}) {
    auto draws = std::make_shared<std::atomic<int>>(0);
    start({"good", "other"}, {}, [draws, a_left]() -> uint32_t { return (*draws)++ % 5 == 2 ? (a_left ? 0 : 1) : 0; });
    Caller ana = visitor();
    const Json turn = ana.ask().event("done");
    ASSERT_EQ(turn["answers"][0]["text"], FakeUpstream::text_of(a_left ? "good" : "other"));
    ASSERT_EQ(ana.post("/api/votes", {{"exposure", turn["exposure"]}, {"outcome", 3}}).status, 201);
    const auto pairs = eligible(*database_);
    ASSERT_EQ(pairs.size(), 1u);
    EXPECT_EQ(pairs[0].a.model, "good");
    EXPECT_EQ(pairs[0].votes[0].grade, a_left ? 3 : -3) << "the left one was called much better";
    collector_->stop();
  }
}

TEST_F(FlowTest, WithdrawnRowsReachNoLaterSnapshot) {
  start({"good", "other"});
  Caller ana = visitor(), luz = visitor();
  for (Caller* caller : {&ana, &luz}) {
    const std::string exposure = caller->ask().event("done")["exposure"];
    ASSERT_EQ(caller->post("/api/votes", {{"exposure", exposure}, {"outcome", 1}}).status, 201);
  }
  ASSERT_EQ(eligible(*database_).size(), 2u);
  EXPECT_EQ(somebody().post("/api/withdraw", {{"receipt_code", "AFINA-00000-00000-00000-00000"}}).code(),
            "receipt_unknown");
  EXPECT_EQ(somebody().post("/api/withdraw", {{"receipt_code", "hola"}}).code(), "receipt_unknown");
  // As a person types it: small letters, without dashes.
  std::string typed;
  for (const char c : ana.receipt) {
    if (c != '-') typed += static_cast<char>(std::tolower(c));
  }
  const Reply done = somebody().post("/api/withdraw", {{"receipt_code", typed}});
  EXPECT_EQ(done.status, 200) << done.json.dump();
  EXPECT_EQ(done.json["conversations"], 1);
  EXPECT_EQ(done.json["votes"], 1);
  EXPECT_EQ(eligible(*database_).size(), 1u);
  EXPECT_EQ(ana.get("/api/conversations").status, 401);
  EXPECT_EQ(somebody().post("/api/withdraw", {{"receipt_code", typed}}).json["already"], true);
  EXPECT_EQ(luz.get("/api/conversations").json["conversations"].size(), 1u);
}

TEST_F(FlowTest, WithoutConsentToTrainNothingIsEligible) {
  start({"good", "other"});
  Caller ana = visitor({"collect"});
  const std::string exposure = ana.ask().event("done")["exposure"];
  ASSERT_EQ(ana.post("/api/votes", {{"exposure", exposure}, {"outcome", 1}}).status, 201);
  EXPECT_TRUE(eligible(*database_).empty());
  const Json text = ana.get("/api/consent/es").json;
  const Reply changed = ana.post("/api/consent", {{"locale", "es"},
                                                  {"consent_version", text["version"]},
                                                  {"consent_sha256", text["sha256"]},
                                                  {"purposes", {"collect", "train"}}});
  EXPECT_EQ(changed.status, 200) << changed.json.dump();
  EXPECT_EQ(eligible(*database_).size(), 1u) << "the control: with consent it is";
}

TEST_F(FlowTest, OtherAnnotatorsJudgePairsWithAnOrderOfTheirOwn) {
  start({"good", "other"});
  Caller owner = visitor(), shy = visitor({"collect", "train"});
  const Json turn = owner.ask().event("done");
  shy.ask();
  Caller judge = somebody();
  ASSERT_EQ(judge.visit("demo", {"collect", "train"}, "jueza-1").status, 201);
  const Json pair = judge.post("/api/pairs/next").json["pair"];
  ASSERT_TRUE(pair.is_object());
  EXPECT_NE(pair["exposure"], turn["exposure"]);
  EXPECT_EQ(pair["prompt"][0]["content"], "¿Cómo hago pan?");
  EXPECT_EQ(pair.dump().find("modelo-"), std::string::npos);
  EXPECT_EQ(judge.post("/api/pairs/next").json["pair"], nullptr) << "the other owner did not allow it";
  EXPECT_EQ(owner.post("/api/pairs/next").json["pair"], nullptr) << "one's own pair was seen already";
  EXPECT_EQ(judge.post("/api/votes", {{"exposure", turn["exposure"]}, {"outcome", 1}}).status, 404);
  EXPECT_EQ(judge.post("/api/votes", {{"exposure", pair["exposure"]}, {"outcome", 1}}).status, 201);
  const Json names = judge.post(cat("/api/pairs/", pair["exposure"].get<std::string>(), "/reveal")).json;
  EXPECT_EQ(names["a"], pair["answers"][0]["text"] == FakeUpstream::text_of("good") ? "modelo-good" : "modelo-other");
  const auto pairs = eligible(*database_);
  ASSERT_EQ(pairs.size(), 1u);
  ASSERT_EQ(pairs[0].votes.size(), 1u);
  EXPECT_EQ(pairs[0].votes[0].annotator_name, "demo:jueza-1");
  EXPECT_EQ(pairs[0].votes[0].source, storage::Source::demo);
}

TEST_F(FlowTest, AReloadFindsTheAnswerThatIsStillBeingWritten) {
  start({"held"});
  Caller ana = visitor();
  ana.conversation = ana.post("/api/conversations").json.at("id");
  std::jthread asking([&] { ana.ask("hola", 1); });
  ASSERT_TRUE(fake_.wait_for_held(1));
  const Json running = ana.get(cat("/api/conversations/", ana.conversation)).json["turns"][0];
  EXPECT_EQ(running["state"], "running");
  EXPECT_EQ(ana.ask("otra cosa", 1).code(), "busy");
  std::jthread opener([&] { fake_.open(); });
  const Reply followed =
      ana.get(cat("/api/conversations/", ana.conversation, "/turns/", running["id"].get<std::string>(), "/stream"));
  EXPECT_EQ(followed.event("done")["answers"][0]["text"], FakeUpstream::text_of("held"));
  asking.join();
  EXPECT_EQ(ana.get(cat("/api/conversations/", ana.conversation)).json["turns"][0]["state"], "ready");
}

TEST_F(FlowTest, NobodyElseReachesAnAnswerThatIsBeingWritten) {
  start({"held"});
  Caller ana = visitor(), luz = visitor();
  ana.conversation = ana.post("/api/conversations").json.at("id");
  const std::string own = luz.post("/api/conversations").json.at("id");
  std::jthread asking([&] { ana.ask("mi secreto", 1); });
  ASSERT_TRUE(fake_.wait_for_held(1));
  const std::string turn = ana.get(cat("/api/conversations/", ana.conversation)).json["turns"][0]["id"];
  for (const std::string& conversation : {own, ana.conversation}) {
    const std::string path = cat("/api/conversations/", conversation, "/turns/", turn);
    for (const Reply& reply :
         {luz.post(cat(path, "/retry")), luz.post(cat(path, "/regenerate")), luz.get(cat(path, "/stream"))}) {
      EXPECT_EQ(reply.status, 404) << path;
      EXPECT_TRUE(reply.events.empty());
    }
  }
  std::jthread opener([&] { fake_.open(); });
  const Reply followed = ana.post(cat("/api/conversations/", ana.conversation, "/turns/", turn, "/retry"));
  EXPECT_EQ(followed.event("done")["answers"][0]["text"], FakeUpstream::text_of("held")) << "the control: its owner";
}

TEST_F(FlowTest, RetriesOfAFailedTurnAtOnceAskTheModelOnce) {
  start({"mute"});
  Caller ana = visitor();
  ASSERT_EQ(ana.ask("hola", 1).event("done")["answers"][0]["error"], "upstream_slow");
  const std::string turn = ana.get(cat("/api/conversations/", ana.conversation)).json["turns"][0]["id"];
  const std::string path = cat("/api/conversations/", ana.conversation, "/turns/", turn, "/retry");
  const size_t before = fake_.requests().size();
  constexpr int kTries = 5;  // of the pool's eight connections
  std::vector<Reply> replies(kTries);
  std::vector<std::jthread> tries;
  database_->transaction([&](storage::Transaction& t) {
    t.exec("LOCK TABLE conversation IN ACCESS EXCLUSIVE MODE");
    for (int i = 0; i < kTries; ++i)
      tries.emplace_back([&, i] { replies[i] = ana.post(path, {{"answers", 1}}); });
    const auto waiting = [&] {
      const storage::Result rows =
          t.exec("SELECT count(*) AS n FROM pg_locks WHERE NOT granted AND relation = 'conversation'::regclass");
      return rows.one().integer("n");
    };
    const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(4);
    while (waiting() < kTries && std::chrono::steady_clock::now() < late)
      std::this_thread::yield();
    EXPECT_EQ(waiting(), kTries) << "all have found the turn failed, or are about to";
  });
  tries.clear();
  EXPECT_EQ(fake_.requests().size(), before + 1);
  for (const Reply& reply : replies) {
    if (reply.code() == "busy") continue;
    ASSERT_FALSE(reply.events.empty()) << reply.status;
    EXPECT_EQ(reply.events.back().event, "done") << reply.events.back().data;
  }
}

TEST_F(FlowTest, NothingIsKeptOfAnswersWhoseOwnerWithdrewMeanwhile) {
  start({"held"});
  Caller ana = visitor();
  Reply end;
  std::jthread asking([&] { end = ana.ask("hola", 1); });
  ASSERT_TRUE(fake_.wait_for_held(1));
  ASSERT_EQ(somebody().post("/api/withdraw", {{"receipt_code", ana.receipt}}).status, 200);
  fake_.open();
  asking.join();
  EXPECT_EQ(end.events.back().event, "error");
}

TEST_F(FlowTest, AMessageSentTwiceIsOneTurn) {
  start({"good", "other"});
  Caller ana = visitor();
  const std::string id = ana.post("/api/conversations").json["id"], key = new_uuid();
  const std::string path = cat("/api/conversations/", id, "/messages");
  const Json first = ana.post(path, {{"text", "hola"}}, key).event("done");
  const Json again = ana.post(path, {{"text", "hola"}}, key).event("done");
  EXPECT_EQ(first, again);
  EXPECT_EQ(ana.post(path, {{"text", "adiós"}}, key).code(), "key_reused");
  EXPECT_EQ(ana.post(path, {{"text", "hola"}, {"answers", 1}}, key).code(), "key_reused");
  EXPECT_EQ(ana.post(path, {{"text", "hola"}, {"pairing", "self"}}, key).code(), "key_reused");
  EXPECT_EQ(ana.post(path, {{"text", "hola"}, {"answers", 2}}, key).event("done"), first) << "as many as without";
  EXPECT_EQ(fake_.requests().size(), 2u) << "two sides, asked once";
}

TEST_F(FlowTest, AConversationsKeyComesWithTheSameWishesOrIsRefused) {
  start({"good", "other"});
  Caller ana = visitor();
  const std::string key = new_uuid();
  const Reply first = ana.post("/api/conversations", {{"mode", "arena"}, {"locale", "es"}}, key);
  ASSERT_EQ(first.status, 201);
  const Reply again = ana.post("/api/conversations", {{"mode", "arena"}, {"locale", "es"}}, key);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.json["id"], first.json["id"]);
  for (const Json& other : {Json{{"mode", "chat"}, {"locale", "es"}}, Json{{"mode", "arena"}, {"locale", "pt"}},
                            Json{{"mode", "arena"}, {"locale", "es"}, {"source", "api"}}})
    EXPECT_EQ(ana.post("/api/conversations", other, key).code(), "key_reused") << other.dump();
  EXPECT_EQ(ana.get("/api/conversations").json["conversations"].size(), 1U);
}

TEST_F(FlowTest, KeepsWhatAfinaServeTellsAndASystemPromptForAll) {
  CollectorConfig config;
  config.system_prompt = "Responde corto.";
  start({"afina"}, config);
  Caller ana = visitor();
  const Json turn = ana.ask().event("done");
  ASSERT_EQ(turn["votable"], true) << turn.dump();
  ASSERT_EQ(ana.post("/api/votes", {{"exposure", turn["exposure"]}, {"outcome", "both_bad"}}).status, 201);
  const auto pairs = eligible(*database_);
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0].a.prompt_ids, (std::vector<int>{1, 2}));
  EXPECT_EQ(pairs[0].a.completion_ids, (std::vector<int>{3, 4}));
  EXPECT_EQ(pairs[0].a.template_sha256, std::string(64, 'b'));
  EXPECT_EQ(pairs[0].a.adapter_id, "") << "an adapter of another database is nobody here";
  EXPECT_NE(pairs[0].a.seed, pairs[0].b.seed);
  ASSERT_EQ(pairs[0].prompt.size(), 2u);
  EXPECT_EQ(pairs[0].prompt[0].role, "system");
  EXPECT_EQ(fake_.requests().back()["messages"][0]["content"], "Responde corto.");
}

TEST_F(FlowTest, GivesPeopleTheirOwnData) {
  start({"good", "other"});
  Caller ana = visitor(), luz = visitor();
  ana.ask("pregunta de ana");
  luz.ask("pregunta de luz");
  const Reply mine = ana.get("/api/export");
  EXPECT_EQ(mine.status, 200);
  EXPECT_EQ(mine.json["conversations"].size(), 1u);
  EXPECT_NE(mine.json.dump().find("pregunta de ana"), std::string::npos);
  EXPECT_EQ(mine.json.dump().find("pregunta de luz"), std::string::npos);
}

}  // namespace
}  // namespace afina::collector
