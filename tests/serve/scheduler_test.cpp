// SPDX-License-Identifier: Apache-2.0
#include "serve/scheduler.h"

#include <gtest/gtest.h>

#include "http/message.h"
#include "serve/choice.h"
#include "serve/stop_strings.h"
#include "tests/serve/fakes.h"

namespace afina::serve {
namespace {

struct Fixture {
  explicit Fixture(SchedulerOptions options = {})
      : recital(std::make_shared<Recital>()), scheduler(std::make_unique<RecitingDecoder>(recital), options) {}
  std::shared_ptr<Recital> recital;
  Scheduler scheduler;
};

Job job(int max_new_tokens = 100) {
  Job made;
  made.prompt_ids = {1, 2, 3};
  made.params.max_new_tokens = max_new_tokens;
  return made;
}

std::vector<int> read_all(Completion& completion) {
  std::vector<int> ids;
  while (const auto token = completion.next({}))
    ids.push_back(token->id);
  return ids;
}

TEST(Scheduler, OneRequestGetsItsTokensAndTheEnd) {
  Fixture f;
  const auto completion = f.scheduler.submit({job()});
  EXPECT_EQ(read_all(*completion), (std::vector<int>{'h', 'o', 'l', 'a', kEndId}));
  EXPECT_FALSE(completion->next({}));
}

TEST(Scheduler, RequestsInFlightAreDecodedTogetherUpToTheSlots) {
  Fixture f({.max_slots = 3, .max_waiting = 10});
  f.recital->set_held(true);
  std::vector<std::unique_ptr<Completion>> completions;
  for (int i = 0; i < 5; ++i)
    completions.push_back(f.scheduler.submit({job()}));
  f.recital->set_held(false);
  for (auto& completion : completions)
    EXPECT_EQ(read_all(*completion).size(), 5u);
  EXPECT_GE(f.recital->most_together, 2);
  EXPECT_LE(f.recital->most_together, 3);
}

TEST(Scheduler, AFullQueueIs503AndNothingOfTheRequestStays) {
  Fixture f({.max_slots = 1, .max_waiting = 2});
  f.recital->set_held(true);
  const auto running = f.scheduler.submit({job()});
  ASSERT_TRUE(f.recital->eventually([&] { return f.recital->added == 1; }));
  const auto waiting = f.scheduler.submit({job(), job()});
  try {
    f.scheduler.submit({job()});
    FAIL();
  } catch (const http::HttpError& error) {
    EXPECT_EQ(error.status(), 503);
    EXPECT_GT(error.retry_after_s(), 0);
  }
  f.recital->set_held(false);
  EXPECT_EQ(read_all(*waiting).size(), 10u);
}

TEST(Scheduler, AnEmptyQueueTakesAnyRequestAndThoseWhoLeftTakeNoPlace) {
  Fixture f({.max_slots = 1, .max_waiting = 2});
  f.recital->set_held(true);
  const auto many = f.scheduler.submit({job(), job(), job(), job()});
  ASSERT_TRUE(f.recital->eventually([&] { return f.recital->added == 1; }));
  EXPECT_THROW(f.scheduler.submit({job()}), http::HttpError);
  for (int i = 1; i < 4; ++i)
    many->cancel(i);
  const auto after = f.scheduler.submit({job()});
  f.recital->set_held(false);
  EXPECT_EQ(read_all(*after).size(), 5u);
}

TEST(Scheduler, ASlotGoesToTheRequestThatHasTheFewest) {
  Fixture f({.max_slots = 2, .max_waiting = 100});
  f.recital->set_held(true);
  const auto plug = f.scheduler.submit({job()});
  ASSERT_TRUE(f.recital->eventually([&] { return f.recital->added == 1; }));
  const auto with_prompt = [](int id) {
    Job made = job();
    made.prompt_ids = {id};
    return made;
  };
  const auto crowd =
      f.scheduler.submit({with_prompt(10), with_prompt(11), with_prompt(12), with_prompt(13), with_prompt(14)});
  const auto first = f.scheduler.submit({with_prompt(20)}), second = f.scheduler.submit({with_prompt(30)});
  f.recital->set_held(false);
  read_all(*crowd);
  read_all(*first);
  read_all(*second);
  std::vector<int> order;
  for (const auto& prompt : f.recital->prompts)
    if (prompt.size() == 1) order.push_back(prompt[0]);
  EXPECT_EQ(order, (std::vector<int>{10, 20, 11, 30, 12, 13, 14}));
}

TEST(Scheduler, WhoeverGoesAwayFreesTheSlot) {
  Fixture f({.max_slots = 1, .max_waiting = 4});
  f.recital->endless = true;
  auto gone = f.scheduler.submit({job(1'000'000'000)});
  ASSERT_TRUE(gone->next({}));
  gone.reset();
  EXPECT_TRUE(f.recital->eventually([&] { return f.recital->removed == 1 && f.recital->active == 0; }));
  EXPECT_EQ(read_all(*f.scheduler.submit({job(7)})).size(), 7u);
}

TEST(Scheduler, ACancelledJobEndsAloneAndAStopTokenEndsTheWait) {
  Fixture f;
  f.recital->endless = true;
  const auto completion = f.scheduler.submit({job(1'000'000), job(30)});
  completion->cancel(0);
  int of_second = 0;
  while (const auto token = completion->next({}))
    of_second += token->index == 1;
  EXPECT_EQ(of_second, 30);
  const auto other = f.scheduler.submit({job(1'000'000)});
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(other->next(stop.get_token()), Cancelled);
}

TEST(Scheduler, FaultsReachThoseTheyConcern) {
  Fixture f;
  Job bad = job();
  bad.prompt_ids.assign(501, 1);
  const auto refused = f.scheduler.submit({bad});
  EXPECT_THROW(read_all(*refused), UsageError);
  f.recital->fails = true;
  const auto broken = f.scheduler.submit({job()});
  EXPECT_THROW(read_all(*broken), ModelError);
  f.recital->fails = false;
  EXPECT_EQ(read_all(*f.scheduler.submit({job()})).size(), 5u);
}

TEST(Scheduler, ItsEndEndsEveryWait) {
  auto recital = std::make_shared<Recital>();
  recital->endless = true;
  auto scheduler = std::make_unique<Scheduler>(std::make_unique<RecitingDecoder>(recital),
                                               SchedulerOptions{.max_slots = 1, .max_waiting = 4});
  const auto running = scheduler->submit({job(1'000'000)}), waiting = scheduler->submit({job()});
  scheduler.reset();
  EXPECT_THROW(read_all(*running), Cancelled);
  EXPECT_THROW(read_all(*waiting), Cancelled);
}

TEST(StopStrings, TextIsCutAtTheFirstMatchHoweverItArrives) {
  const std::string text = "uno dos ENDtres";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    StopStrings stops({"END", "zzz", ""});
    std::string shown;
    for (size_t from = 0; from < text.size(); from += piece)
      shown += stops.push(text.substr(from, piece));
    EXPECT_EQ(shown, "uno dos ") << piece;
    EXPECT_TRUE(stops.matched());
  }
  StopStrings partial({"END"});
  EXPECT_EQ(partial.push("uno EN"), "uno ");
  EXPECT_EQ(partial.push("E EN"), "ENE ");
  EXPECT_EQ(partial.flush(), "EN");
  EXPECT_FALSE(partial.matched());
}

TEST(Choice, ShowsWholeCharactersAndEndsOnce) {
  const auto encoder = byte_encoder();
  Choice choice(encoder.tokenizer(), {}, 1);
  EXPECT_EQ(choice.push({0, 0xC3, 0, model::FinishReason::none}), "");
  EXPECT_EQ(choice.push({0, 0xB1, 0, model::FinishReason::none}), "ñ");
  EXPECT_EQ(choice.push({0, 0xC3, 0, model::FinishReason::length}), "\uFFFD");
  EXPECT_EQ(choice.finish_reason(), "length");
  EXPECT_EQ(choice.text(), "ñ\uFFFD");
  Choice cut(encoder.tokenizer(), {"lo"}, 1);
  std::string shown;
  for (const char c : std::string("halo!"))
    shown += cut.push({0, c, 0, model::FinishReason::none});
  EXPECT_EQ(shown, "ha");
  EXPECT_EQ(cut.finish_reason(), "stop");
  EXPECT_EQ(cut.ids().size(), 4u);
}

TEST(Choice, ATokenThatTheTokenizerDoesNotKnowHasNoText) {
  const auto encoder = byte_encoder();
  Choice choice(encoder.tokenizer(), {}, 1);
  EXPECT_EQ(choice.push({0, 'a', 0, model::FinishReason::none}), "a");
  EXPECT_EQ(choice.push({0, 9999, 0, model::FinishReason::none}), "");
  EXPECT_EQ(choice.push({0, 'b', 0, model::FinishReason::length}), "b");
  EXPECT_EQ(choice.ids(), (std::vector<int>{'a', 9999, 'b'}));
  EXPECT_EQ(choice.offsets(), (std::vector<size_t>{0, 1, 1}));
}

}  // namespace
}  // namespace afina::serve
