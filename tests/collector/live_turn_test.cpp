// SPDX-License-Identifier: Apache-2.0
#include "collector/live_turn.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <semaphore>
#include <thread>

#include "http/sse.h"

namespace afina::collector {
namespace {

/// Pulls what a reader has, and keeps events.
struct Listener {
  explicit Listener(LiveTurn& live, const std::string& last_event_id = "") : reader(live.follow(last_event_id)) {
    reader->on_news([this] { rang.release(); });
  }
  /// False once the stream has ended.
  bool listen(size_t max_bytes = 16 * 1024) {
    std::string bytes;
    const bool more = reader->pull(bytes, max_bytes);
    parser.push(bytes);
    return more;
  }
  void listen_to_the_end() {
    while (listen())
      ASSERT_TRUE(rang.try_acquire_for(std::chrono::seconds(10)));
  }
  std::string text_of(const std::string& side) const {
    std::string text;
    for (const auto& event : events) {
      const Json data = Json::parse(event.data);
      if (event.event == "delta" && data["side"] == side) text += data["text"].get<std::string>();
    }
    return text;
  }
  int count(const std::string& name) const {
    return static_cast<int>(std::ranges::count_if(events, [&](const auto& event) { return event.event == name; }));
  }
  Json last() const { return Json::parse(events.back().data); }

  std::vector<http::SseEvent> events;
  std::counting_semaphore<> rang{0};
  http::SseParser parser{[this](const http::SseEvent& event) {
    events.push_back(event);
    return true;
  }};
  std::unique_ptr<http::EventReader> reader;
};

TEST(LiveTurn, GivesALateListenerEverythingFromTheStart) {
  const auto live = std::make_shared<LiveTurn>(Json{{"id", "x"}}, std::vector<std::string>{"a", "b"});
  live->append(0, "uno ");
  live->append(1, "two");
  live->append(0, "dos");
  live->end("done", {{"votable", true}});
  Listener listener(*live);
  listener.listen_to_the_end();
  EXPECT_EQ(listener.events.front().event, "start");
  EXPECT_EQ(listener.events.back().event, "done");
  EXPECT_EQ(listener.text_of("a"), "uno dos");
  EXPECT_EQ(listener.text_of("b"), "two");
}

TEST(LiveTurn, StreamsToSeveralListenersWhileItIsWritten) {
  const auto live = std::make_shared<LiveTurn>(Json{{"id", "x"}}, std::vector<std::string>{"only"});
  std::vector<std::unique_ptr<Listener>> listeners;
  for (int i = 0; i < 3; ++i)
    listeners.push_back(std::make_unique<Listener>(*live));
  {
    std::vector<std::jthread> threads;
    for (const auto& listener : listeners)
      threads.emplace_back([&] { listener->listen_to_the_end(); });
    for (int i = 0; i < 200; ++i)
      live->append(0, "ñ");
    live->end("done", Json::object());
  }
  for (const auto& listener : listeners)
    EXPECT_EQ(listener->text_of("only").size(), 400u);
}

TEST(LiveTurn, ASlowListenerGetsWholeCodePointsInBoundedPortions) {
  const auto live = std::make_shared<LiveTurn>(Json::object(), std::vector<std::string>{"only"});
  std::string text;
  for (int i = 0; i < 5'000; ++i)
    text += i % 2 == 0 ? "ñ" : "👩";
  live->append(0, text);
  live->end("done", Json::object());
  Listener listener(*live);
  int pulls = 1;
  while (listener.listen(1'000))
    ++pulls;
  EXPECT_GE(pulls, 14);
  EXPECT_EQ(listener.text_of("only"), text);
}

TEST(LiveTurn, AListenerThatComesBackGetsOnlyWhatItMissed) {
  const auto live = std::make_shared<LiveTurn>(Json::object(), std::vector<std::string>{"a", "b"});
  live->append(0, "uno ");
  live->append(1, "one ");
  std::string id;
  {
    Listener first(*live);
    first.listen();
    id = first.events.back().id;
    EXPECT_NE(id, "");
  }
  live->append(1, "two");
  live->append(0, "dos");
  live->end("done", Json::object());
  Listener back(*live, id);
  back.listen_to_the_end();
  EXPECT_EQ(back.count("start"), 0);
  EXPECT_EQ(back.text_of("a"), "dos");
  EXPECT_EQ(back.text_of("b"), "two");
  EXPECT_EQ(back.count("done"), 1);
}

TEST(LiveTurn, AnUnknownEventIdBeginsFromTheStart) {
  const auto live = std::make_shared<LiveTurn>(Json::object(), std::vector<std::string>{"only"});
  const auto other = std::make_shared<LiveTurn>(Json::object(), std::vector<std::string>{"only"});
  live->append(0, "ñandú");
  other->append(0, "ñandú");
  live->end("done", Json::object());
  Listener sample(*live);
  sample.listen();
  const std::string good = sample.events[1].id, tag = good.substr(0, good.find('.'));
  Listener stranger(*other);
  stranger.listen();
  for (const std::string& id :
       {std::string("x"), tag, tag + ".", tag + ".1", tag + ".99", tag + ".-1", tag + ".0.0", tag + ".0 ",
        tag + ".18446744073709551616", good + ".", stranger.events[1].id, std::string(5'000, '.')}) {
    Listener listener(*live, id);
    listener.listen_to_the_end();
    EXPECT_EQ(listener.count("start"), 1) << id;
    EXPECT_EQ(listener.text_of("only"), "ñandú") << id;
  }
}

TEST(LiveTurn, TellsEveryListenerOnceThatAnAnswerNamesItsMaker) {
  const auto live = std::make_shared<LiveTurn>(Json::object(), std::vector<std::string>{"a", "b"});
  Listener early(*live);
  early.listen();
  live->append(1, "Soy Modelo-9");
  live->leak(1);
  early.listen();
  live->append(1, ", de Empresa");
  live->leak(1);
  live->end("done", Json::object());
  early.listen_to_the_end();
  Listener late(*live);
  late.listen_to_the_end();
  for (const Listener* listener : {&early, &late}) {
    ASSERT_EQ(listener->count("leak"), 1);
    for (const auto& event : listener->events) {
      EXPECT_TRUE(event.event != "leak" || Json::parse(event.data) == (Json{{"side", "b"}})) << event.data;
    }
  }
}

TEST(LiveTurn, LetsAListenerGoAndRingsForItNoMore) {
  const auto live = std::make_shared<LiveTurn>(Json::object(), std::vector<std::string>{"only"});
  int rung = 0;
  {
    const auto reader = live->follow();
    reader->on_news([&] { ++rung; });
    live->append(0, "a");
  }
  live->append(0, "b");
  EXPECT_EQ(rung, 1);
}

TurnPlan plan_for(const Upstream& upstream, const std::string& id) {
  TurnPlan plan;
  plan.turn_id = id;
  plan.start = {{"id", id}};
  plan.messages = {{"user", "hola"}};
  plan.sides = {{"only", &upstream, 1}};
  return plan;
}

Upstream nobody() {
  UpstreamConfig config;
  config.name = "nobody";
  config.base_url = "http://127.0.0.1:1";
  config.retries = 0;
  return Upstream(config);
}

TEST(TurnRunner, RecordsAnUpstreamThatIsDown) {
  const Upstream upstream = nobody();
  AnswerJobs jobs;
  TurnRunner runner(1, jobs);
  TurnPlan plan = plan_for(upstream, "t");
  std::string error;
  plan.commit = [&](const std::vector<Completion>& said) {
    error = said.at(0).error;
    return Json{{"committed", true}};
  };
  const auto live = runner.start(std::move(plan), runner.reserve());
  ASSERT_TRUE(live->wait({}));
  EXPECT_EQ(error, "upstream_down");
  Listener listener(*live);
  listener.listen_to_the_end();
  EXPECT_EQ(listener.last()["committed"], true);
}

TEST(TurnRunner, HoldsAnswersUntilTheDatabaseIsBack) {
  const Upstream upstream = nobody();
  AnswerJobs jobs;
  TurnRunner runner(1, jobs);
  TurnPlan plan = plan_for(upstream, "t");
  int tries = 0;
  plan.commit = [&](const std::vector<Completion>&) -> Json {
    if (++tries < 3) throw StorageError("[database] must be there, but is not.", "", true);
    return {{"committed", true}};
  };
  const auto live = runner.start(std::move(plan), runner.reserve());
  ASSERT_TRUE(live->wait({}));
  EXPECT_EQ(tries, 3);
}

TEST(TurnRunner, EndsWithAnErrorWhereTheAnswersCannotBeKept) {
  const Upstream upstream = nobody();
  AnswerJobs jobs;
  TurnRunner runner(1, jobs);
  TurnPlan plan = plan_for(upstream, "t");
  plan.commit = [](const std::vector<Completion>&) -> Json { throw NotFound("[conversation] was withdrawn."); };
  const auto live = runner.start(std::move(plan), runner.reserve());
  ASSERT_TRUE(live->wait({}));
  Listener listener(*live);
  listener.listen_to_the_end();
  EXPECT_EQ(listener.events.back().event, "error");
}

TEST(TurnRunner, FreesThePlaceBeforeAnybodyHearsTheEnd) {
  const Upstream upstream = nobody();
  AnswerJobs jobs;
  TurnRunner runner(1, jobs);
  for (int i = 0; i < 20; ++i) {
    TurnPlan plan = plan_for(upstream, "t");
    plan.commit = [](const std::vector<Completion>&) { return Json::object(); };
    std::shared_ptr<LiveTurn> live;
    ASSERT_NO_THROW(live = runner.start(std::move(plan), runner.reserve())) << i;
    ASSERT_TRUE(live->wait({}));
    EXPECT_EQ(runner.find("t"), nullptr);
  }
}

TEST(TurnRunner, ManyTurnsNeedNoThreadEach) {
  const Upstream upstream = nobody();
  AnswerJobs jobs;
  TurnRunner runner(300, jobs);
  std::vector<std::shared_ptr<LiveTurn>> turns;
  for (int i = 0; i < 300; ++i) {
    TurnPlan plan = plan_for(upstream, cat("t", i));
    plan.commit = [](const std::vector<Completion>& said) { return Json{{"error", said.at(0).error}}; };
    turns.push_back(runner.start(std::move(plan), runner.reserve()));
  }
  for (const auto& live : turns)
    ASSERT_TRUE(live->wait({}));
}

TEST(TurnRunner, WatchesEachSideForItsMakersName) {
  const Upstream upstream = nobody();
  AnswerJobs jobs;
  TurnRunner runner(1, jobs);
  TurnPlan plan = plan_for(upstream, "t");
  plan.sides[0].leaks = [](std::string_view piece) { return piece.empty(); };  // told at the end
  plan.commit = [](const std::vector<Completion>&) { return Json::object(); };
  const auto live = runner.start(std::move(plan), runner.reserve());
  ASSERT_TRUE(live->wait({}));
  Listener listener(*live);
  listener.listen_to_the_end();
  EXPECT_EQ(listener.count("leak"), 1);
}

TEST(TurnRunner, OnlyOneMayStartATurnAtATime) {
  const Upstream upstream = nobody();
  AnswerJobs jobs;
  TurnRunner runner(2, jobs);
  auto claim = runner.claim("t");
  ASSERT_NE(claim, nullptr);
  EXPECT_EQ(runner.claim("t"), nullptr);
  EXPECT_TRUE(runner.is_running("t")) << "about to begin";
  EXPECT_NE(runner.claim("u"), nullptr) << "another turn";
  EXPECT_FALSE(runner.is_running("u"));
  TurnPlan plan = plan_for(upstream, "t");
  std::binary_semaphore go_on(0);
  plan.commit = [&](const std::vector<Completion>&) {
    go_on.acquire();
    return Json::object();
  };
  const auto live = runner.start(std::move(plan), runner.reserve());
  claim.reset();
  EXPECT_EQ(runner.claim("t"), nullptr) << "it is being written";
  EXPECT_TRUE(runner.is_running("t"));
  go_on.release();
  ASSERT_TRUE(live->wait({}));
  EXPECT_FALSE(runner.is_running("t"));
  EXPECT_NE(runner.claim("t"), nullptr) << "and may be tried again once it has ended";
}

TEST(TurnRunner, RefusesWhatIsAboveItsPlaces) {
  AnswerJobs jobs;
  TurnRunner runner(2, jobs);
  auto one = runner.reserve(), two = runner.reserve();
  EXPECT_THROW(runner.reserve(), http::HttpError);
  one.reset();
  EXPECT_NO_THROW(runner.reserve());
}

}  // namespace
}  // namespace afina::collector
