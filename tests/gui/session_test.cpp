// SPDX-License-Identifier: Apache-2.0
// The workers: what they publish, when they wake the window, and what stays on the screen when the database is away.
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "gui/session.h"
#include "tests/gui/fake_source.h"

namespace afina::gui {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr milliseconds kLimit{10'000};
constexpr SessionOptions kNoPolling{hours(1)};

TEST(Session, ReadsTheLoopTheRunsAndTheFirstPageByItself) {
  FakeSource source;
  const FixedClock clock;
  Session session(
      source, clock, [] {}, kNoPolling);
  ASSERT_TRUE(session.wait_settled(kLimit));
  const Snapshots s = session.snapshots();
  EXPECT_EQ(*s.loop->data, fake_loop());
  EXPECT_EQ(s.runs->data->size(), 4U);
  EXPECT_EQ(s.page->data->total, 240);
  EXPECT_EQ(s.conversation->data, nullptr);
  EXPECT_EQ(s.loop->read_at, fixed_now());
}

TEST(Session, AnswersASearchAndOpensWhatWasChosen) {
  FakeSource source;
  const FixedClock clock;
  Session session(
      source, clock, [] {}, kNoPolling);
  session.execute(SearchConversations{{"Medellín", 0, 50}});
  ASSERT_TRUE(session.wait_settled(kLimit));
  ASSERT_EQ(session.snapshots().page->data->rows.size(), 1U);
  session.execute(OpenConversation{session.snapshots().page->data->rows[0].id});
  session.execute(OpenRun{fake_runs()[2].id});
  ASSERT_TRUE(session.wait_settled(kLimit));
  EXPECT_EQ(session.snapshots().conversation->data->id, session.snapshots().page->data->rows[0].id);
  EXPECT_EQ(session.snapshots().run->data->row.name, "dpo-nov-12");
}

TEST(Session, KeepsTheLastDataAndSaysWhyWhileTheDatabaseIsAway) {
  FakeSource source;
  const FixedClock clock;
  Session session(
      source, clock, [] {}, kNoPolling);
  ASSERT_TRUE(session.wait_settled(kLimit));
  source.set_away(true);
  session.execute(Refresh{});
  ASSERT_TRUE(session.wait_settled(kLimit));
  EXPECT_NE(session.snapshots().loop->error.find("Hint:"), std::string::npos);
  EXPECT_EQ(*session.snapshots().loop->data, fake_loop());
  source.set_away(false);
  session.execute(Refresh{});
  ASSERT_TRUE(session.wait_settled(kLimit));
  EXPECT_EQ(session.snapshots().loop->error, "");
}

TEST(Session, AnUnknownIdIsAnErrorOfThatAreaAlone) {
  FakeSource source;
  const FixedClock clock;
  Session session(
      source, clock, [] {}, kNoPolling);
  session.execute(OpenConversation{"nobody"});
  ASSERT_TRUE(session.wait_settled(kLimit));
  EXPECT_NE(session.snapshots().conversation->error.find("nobody"), std::string::npos);
  EXPECT_EQ(session.snapshots().conversation->key, "nobody");
  EXPECT_EQ(session.snapshots().page->error, "");
}

TEST(Session, WakesTheWindowOnlyWhenSomethingChangedAndKeepsTheAddressOfEqualData) {
  FakeSource source;
  const FixedClock clock;
  std::atomic<int> wakes = 0;
  Session session(
      source, clock, [&wakes] { ++wakes; }, kNoPolling);
  ASSERT_TRUE(session.wait_settled(kLimit));
  const int after_start = wakes;
  EXPECT_EQ(after_start, 3);  // loop, runs, page
  const auto data = session.snapshots().loop->data;
  session.execute(Refresh{});
  ASSERT_TRUE(session.wait_settled(kLimit));
  EXPECT_EQ(wakes, after_start);
  EXPECT_EQ(session.snapshots().loop->data, data);
  source.set_away(true);
  session.execute(Refresh{});
  ASSERT_TRUE(session.wait_settled(kLimit));
  EXPECT_GT(wakes, after_start);
}

/// Holds every search until it is let go.
class SlowSource final : public FakeSource {
 public:
  ConversationPage conversations(const ConversationQuery& query) override {
    std::unique_lock lock(mutex_);
    if (query.text == "slow") {
      slow_started_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return released_; });
    }
    asked_.push_back(query.text);
    return FakeSource::conversations(query);
  }
  void wait_for_slow() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return slow_started_; });
  }
  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool slow_started_ = false, released_ = false;
  std::vector<std::string> asked_;
};

TEST(Session, ASlowSearchHoldsBackNeitherTheFrameNorTheCurvesAndOldSearchesAreSkipped) {
  SlowSource source;
  const FixedClock clock;
  Session session(
      source, clock, [] {}, kNoPolling);
  ASSERT_TRUE(session.wait_settled(kLimit));
  session.execute(SearchConversations{{"slow", 0, 50}});
  source.wait_for_slow();
  session.execute(OpenRun{fake_runs()[0].id});
  session.execute(SearchConversations{{"never asked", 0, 50}});
  session.execute(SearchConversations{{"last", 0, 50}});
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  while (session.snapshots().run->data == nullptr && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  EXPECT_NE(session.snapshots().run->data, nullptr);
  source.release();
  ASSERT_TRUE(session.wait_settled(kLimit));
  EXPECT_EQ(source.asked(), (std::vector<std::string>{"", "slow", "last"}));
}

}  // namespace
}  // namespace afina::gui
