// SPDX-License-Identifier: Apache-2.0
#include "collector/live_turn.h"

#include <gtest/gtest.h>

namespace afina::collector {
namespace {

/// Keeps events; can leave after some of them.
class Listener : public http::SseWriter {
 public:
  explicit Listener(size_t leave_after = 1000) : leave_after_(leave_after) {}
  bool send(std::string_view data, std::string_view event, std::string_view) override {
    if (events.size() >= leave_after_) return false;
    events.emplace_back(event, Json::parse(data));
    return true;
  }
  std::stop_token stop_token() const override { return stop.get_token(); }
  std::string text_of(const std::string& side) const {
    std::string text;
    for (const auto& [name, data] : events) {
      if (name == "delta" && data["side"] == side) text += data["text"].get<std::string>();
    }
    return text;
  }

  std::vector<std::pair<std::string, Json>> events;
  std::stop_source stop;

 private:
  size_t leave_after_;
};

TEST(LiveTurn, GivesALateListenerEverythingFromTheStart) {
  LiveTurn live({{"id", "x"}}, {"a", "b"});
  live.append(0, "uno ");
  live.append(1, "two");
  live.append(0, "dos");
  live.end("done", {{"votable", true}});
  Listener listener;
  live.follow(listener);
  ASSERT_GE(listener.events.size(), 4u);
  EXPECT_EQ(listener.events.front().first, "start");
  EXPECT_EQ(listener.events.back().first, "done");
  EXPECT_EQ(listener.text_of("a"), "uno dos");
  EXPECT_EQ(listener.text_of("b"), "two");
}

TEST(LiveTurn, StreamsToSeveralListenersWhileItIsWritten) {
  LiveTurn live({{"id", "x"}}, {"only"});
  std::vector<Listener> listeners(3);
  {
    std::vector<std::jthread> threads;
    for (Listener& listener : listeners)
      threads.emplace_back([&] { live.follow(listener); });
    for (int i = 0; i < 200; ++i)
      live.append(0, "ñ");
    live.end("done", Json::object());
  }
  for (const Listener& listener : listeners)
    EXPECT_EQ(listener.text_of("only").size(), 400u);
}

TEST(LiveTurn, LetsAListenerGo) {
  LiveTurn live({{"id", "x"}}, {"only"});
  Listener gone;
  gone.stop.request_stop();
  live.follow(gone);
  EXPECT_EQ(gone.events.size(), 1u);
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
  TurnRunner runner(1);
  TurnPlan plan = plan_for(upstream, "t");
  std::string error;
  plan.commit = [&](const std::vector<Completion>& said) {
    error = said.at(0).error;
    return Json{{"committed", true}};
  };
  const auto live = runner.start(std::move(plan), runner.reserve());
  ASSERT_TRUE(live->wait({}));
  EXPECT_EQ(error, "upstream_down");
  Listener listener;
  live->follow(listener);
  EXPECT_EQ(listener.events.back().second["committed"], true);
}

TEST(TurnRunner, HoldsAnswersUntilTheDatabaseIsBack) {
  const Upstream upstream = nobody();
  TurnRunner runner(1);
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
  TurnRunner runner(1);
  TurnPlan plan = plan_for(upstream, "t");
  plan.commit = [](const std::vector<Completion>&) -> Json { throw NotFound("[conversation] was withdrawn."); };
  const auto live = runner.start(std::move(plan), runner.reserve());
  ASSERT_TRUE(live->wait({}));
  Listener listener;
  live->follow(listener);
  EXPECT_EQ(listener.events.back().first, "error");
}

TEST(TurnRunner, RefusesWhatIsAboveItsPlaces) {
  TurnRunner runner(2);
  auto one = runner.reserve(), two = runner.reserve();
  EXPECT_THROW(runner.reserve(), http::HttpError);
  one.reset();
  EXPECT_NO_THROW(runner.reserve());
}

}  // namespace
}  // namespace afina::collector
