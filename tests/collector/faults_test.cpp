// SPDX-License-Identifier: Apache-2.0
// Upstreams that are down, slow or answer nonsense: a typed error on the row and the page, never a vote.
#include "base/log.h"
#include "storage/conversations.h"
#include "tests/collector/world.h"

namespace afina::collector {
namespace {

struct Fault {
  const char* model;
  const char* error;
};

class UpstreamFaultTest : public World, public testing::WithParamInterface<Fault> {};

TEST_P(UpstreamFaultTest, IsNamedOnTheAnswerAndTheStoredRowAndCannotBeVotedOn) {
  start({GetParam().model});
  Caller ana = visitor();
  const Json turn = ana.ask().event("done");
  ASSERT_TRUE(turn.is_object());
  EXPECT_EQ(turn["votable"], false);
  EXPECT_EQ(turn["exposure"], nullptr);
  ASSERT_EQ(turn["answers"].size(), 2u);
  for (const Json& answer : turn["answers"])
    EXPECT_EQ(answer["error"], GetParam().error);
  const auto list =
      database_->read([&](storage::Transaction& t) { return storage::load_conversation(t, ana.conversation); });
  ASSERT_EQ(list.generations.size(), 2u);
  EXPECT_EQ(list.generations[0].error, GetParam().error);
  EXPECT_TRUE(list.pairs.empty());
  EXPECT_EQ(ana.ask("otra").code(), "retry_first");
}

INSTANTIATE_TEST_SUITE_P(Every, UpstreamFaultTest,
                         testing::Values(Fault{"down", "upstream_down"}, Fault{"mute", "upstream_slow"},
                                         Fault{"nonsense", "upstream_nonsense"}, Fault{"html", "upstream_nonsense"},
                                         Fault{"cut", "upstream_down"}, Fault{"refuse", "upstream_refused"},
                                         Fault{"broken", "upstream_down"}, Fault{"busy", "upstream_busy"},
                                         Fault{"empty", "upstream_empty"}),
                         [](const auto& info) { return std::string(info.param.model); });

class FaultsTest : public World {};

TEST_F(FaultsTest, WhatAnUpstreamRepeatsOfAPersonsWordsNeverReachesTheLog) {
  start({"echo", "echo_late"});
  Caller ana = visitor();
  set_log_level(LogLevel::warning);
  testing::internal::CaptureStderr();
  const Json turn = ana.ask("mi RUT es 12.345.678-5").event("done");
  const std::string log = testing::internal::GetCapturedStderr();
  set_log_level(LogLevel::error);
  for (const Json& answer : turn["answers"])
    EXPECT_EQ(answer["error"], "upstream_refused");
  for (const char* fault : {"answered 400 (content_filter)", "sent an error (content_filter)"})
    EXPECT_NE(log.find(fault), std::string::npos) << fault << " must be logged: " << log;
  for (const char* secret : {"12.345.678-5", "refused:", "Ana"})
    EXPECT_EQ(log.find(secret), std::string::npos) << log;
}

TEST_F(FaultsTest, OneFailedSideIsNoPairAndCanBeTriedAgain) {
  // Upstreams in turn: first try good and down, second try good and good.
  auto draws = std::make_shared<std::atomic<int>>(0);
  start({"good", "down"}, {}, [draws]() -> uint32_t { return static_cast<uint32_t>((*draws)++ * 0); });
  Caller ana = visitor();
  const Json turn = ana.ask().event("done");
  EXPECT_EQ(turn["votable"], false);
  EXPECT_EQ(turn["answers"][0]["error"], nullptr);
  EXPECT_EQ(turn["answers"][1]["error"], "upstream_down");
  const std::string path =
      cat("/api/conversations/", ana.conversation, "/turns/", turn["id"].get<std::string>(), "/retry");
  const Json again = ana.post(path, {{"answers", 2}, {"pairing", "self"}}).event("done");
  EXPECT_EQ(again["votable"], true) << again.dump();
  EXPECT_EQ(again["id"], turn["id"]);
  EXPECT_EQ(ana.post(path, {{"answers", 2}}).event("done"), again) << "a whole pair stands";
  EXPECT_EQ(ana.get(cat("/api/conversations/", ana.conversation)).json["turns"][0], again);
}

TEST_F(FaultsTest, AFailedSideLetsTheConversationGoOnWithTheOther) {
  start({"good", "down"}, {}, []() -> uint32_t { return 0; });
  Caller ana = visitor();
  ana.ask();
  EXPECT_EQ(ana.ask("¿y luego?").status, 200);
  const Json asked = fake_.requests().back();
  EXPECT_EQ(asked["messages"][1]["content"], FakeUpstream::text_of("good"));
}

TEST_F(FaultsTest, AFullServerSaysSoAndKeepsNothing) {
  CollectorConfig config;
  config.max_turns = 1;
  start({"held"}, config);
  Caller ana = visitor(), luz = visitor();
  std::jthread asking([&] { ana.ask("hola", 1); });
  ASSERT_TRUE(fake_.wait_for_held(1));
  const Reply full = luz.ask("hola", 1);
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(full.code(), "upstream_busy");
  EXPECT_TRUE(luz.get(cat("/api/conversations/", luz.conversation)).json["turns"].empty());
  fake_.open();
}

TEST_F(FaultsTest, AStopKeepsWhatWasWrittenAsInterrupted) {
  start({"held"});
  Caller ana = visitor();
  std::jthread asking([&] {
    try {
      ana.ask("hola", 1);
    } catch (const http::UpstreamError&) {  // the server went away under the reader
    }
  });
  ASSERT_TRUE(fake_.wait_for_held(1));
  collector_->stop();
  asking.join();
  const auto view =
      database_->read([&](storage::Transaction& t) { return storage::load_conversation(t, ana.conversation); });
  ASSERT_EQ(view.generations.size(), 1u);
  EXPECT_EQ(view.generations[0].error, "interrupted");
  EXPECT_EQ(view.generations[0].finish_reason, "cancelled");
}

}  // namespace
}  // namespace afina::collector
