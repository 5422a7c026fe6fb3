// SPDX-License-Identifier: Apache-2.0
// Deliveries are made with their events, leased, repeated after a death, given up after ten tries.
#include "storage/events/webhooks.h"

#include <gtest/gtest.h>

#include <set>

#include "storage/accounts/accounts.h"
#include "storage/events/outbox.h"
#include "tests/storage/events/listener.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

using std::chrono::milliseconds;

struct Webhooks : testing::Test {
  template <typename F>
  auto in(F&& fn) {
    return database.db().transaction(std::forward<F>(fn));
  }
  std::string hook(std::vector<std::string> types = {"*"}, const std::string& workspace = kPublicWorkspace) {
    return in([&](Transaction& t) { return listen(t, types, workspace); });
  }
  void emit(const std::string& type = "preference.created", const std::string& workspace = kPublicWorkspace) {
    in([&](Transaction& t) { emit_event(t, workspace, type, {{"id", new_uuid()}}); });
  }
  std::vector<DueDelivery> take(int64_t limit = 100, milliseconds lease = std::chrono::minutes(1)) {
    return in([&](Transaction& t) { return take_due_deliveries(t, {.all = limit}, lease); });
  }
  void finish(const DueDelivery& d, bool good, milliseconds backoff = milliseconds(0)) {
    in([&](Transaction& t) { finish_delivery(t, d, good, good ? 200 : 500, good ? "" : "HTTP 500", backoff); });
  }
  Webhook only() {
    return in([](Transaction& t) { return list_webhooks(t, kPublicWorkspace); }).at(0);
  }
  TestDatabase database;
};

TEST_F(Webhooks, GetTheEventsTheyAskedForOfTheirWorkspaceOnly) {
  const std::string other = new_uuid();
  in([&](Transaction& t) {
    t.exec("INSERT INTO workspace (id, name) VALUES ($1::uuid, 'otra')", Params().text(other));
  });
  const std::string votes = hook({"preference.created"}), all = hook({"*"}), elsewhere = hook({"*"}, other);
  emit("preference.created");
  emit("conversation.created");
  std::multiset<std::string> got;
  for (const auto& due : take())
    got.insert((due.webhook_id == votes ? "votes " : due.webhook_id == all ? "all " : "elsewhere ") + due.type);
  EXPECT_EQ(got, (std::multiset<std::string>{"votes preference.created", "all preference.created",
                                             "all conversation.created"}));
}

TEST_F(Webhooks, MissNothingThatWasCommittedAndSeeNothingThatWasNot) {
  hook();
  EXPECT_ANY_THROW(in([](Transaction& t) {
    emit_event(t, kPublicWorkspace, "preference.created", Json::object());
    throw DataError("[test] the act must fail, and does.");
  }));
  EXPECT_TRUE(take().empty());
  emit();
  EXPECT_EQ(take().size(), 1U);
  EXPECT_THROW(emit("preference.invented"), DataError);
}

TEST_F(Webhooks, GetManyEventsFromOneStatementAndNoneIsKeptThatNobodyAskedFor) {
  const std::string other = new_uuid();
  in([&](Transaction& t) {
    t.exec("INSERT INTO workspace (id, name) VALUES ($1::uuid, 'otra')", Params().text(other));
  });
  const auto kept = [&] {
    return in([](Transaction& t) { return t.exec("SELECT count(*) AS n FROM outbox").one().integer("n"); });
  };
  std::vector<OutboxEvent> events;
  for (const char* type : {"preference.created", "preference.retracted", "preference.created"})
    events.push_back({kPublicWorkspace, type, {{"name", "comillas \" y \\ ñ, {llave}"}}});
  events.push_back({other, "preference.created", Json::object()});
  in([&](Transaction& t) { emit_events(t, {}), emit_events(t, events); });
  EXPECT_EQ(kept(), 0) << "nobody listens";
  hook({"preference.created"}), hook({"preference.created", "task.submitted"});
  in([&](Transaction& t) { emit_events(t, events); });
  EXPECT_EQ(kept(), 2);
  const auto due = take();
  ASSERT_EQ(due.size(), 4U) << "two events for each of two";
  for (const auto& one : due) {
    EXPECT_EQ(one.type, "preference.created");
    EXPECT_EQ(one.payload["name"], "comillas \" y \\ ñ, {llave}");
    EXPECT_TRUE(one.event_id == events[0].id || one.event_id == events[2].id);
  }
  in([&](Transaction& t) { emit_events(t, events); });
  EXPECT_EQ(kept(), 2) << "an act whose transaction runs again is told once";
  EXPECT_TRUE(take().empty());
  events[1].type = "preference.invented";
  EXPECT_THROW(in([&](Transaction& t) { emit_events(t, events); }), DataError);
}

TEST_F(Webhooks, AreLeasedToOneSenderAndTakenUpAgainUnderTheSameIdWhenItDies) {
  hook();
  emit();
  const auto first = take(10, milliseconds(0));
  ASSERT_EQ(first.size(), 1U);
  const auto second = take();
  ASSERT_EQ(second.size(), 1U) << "the lease had ended";
  EXPECT_EQ(second[0].id, first[0].id);
  EXPECT_EQ(second[0].tries, 2);
  EXPECT_TRUE(take().empty()) << "leased for a minute";
  finish(first[0], false);
  EXPECT_TRUE(take().empty()) << "what the dead one found must not free what another holds";
  finish(second[0], true);
  EXPECT_EQ(only().failures, 0);
  EXPECT_TRUE(take().empty());
}

TEST_F(Webhooks, HaveAFewPlacesOfEachHostSoThatNoneHoldsThemAll) {
  const auto hook_at = [&](const std::string& url) {
    const std::string id = hook();
    in([&](Transaction& t) { t.exec("UPDATE webhook SET url = $2 WHERE id = $1::uuid", Params().text(id).text(url)); });
  };
  hook_at("https://slow.example/a"), hook_at("https://SLOW.example:8443?b"),
      hook_at("https://good.example/slow.example");
  for (int i = 0; i < 10; ++i)
    emit();
  DeliveryPlaces places{.all = 32, .of_host = 4};
  const auto by_host = [&] {
    std::map<std::string, int> hosts;
    for (const auto& due : in([&](Transaction& t) { return take_due_deliveries(t, places, std::chrono::minutes(1)); }))
      ++hosts[due.host];
    return hosts;
  };
  EXPECT_EQ(by_host(), (std::map<std::string, int>{{"slow.example", 4}, {"good.example", 4}}));
  places.taken = {{"slow.example", 4}, {"good.example", 1}};
  EXPECT_EQ(by_host(), (std::map<std::string, int>{{"good.example", 3}}));
  places.all = 7;
  EXPECT_EQ(by_host(), (std::map<std::string, int>{{"good.example", 2}})) << "two of seven places are left";
  places = {.all = 100, .of_host = 100};
  EXPECT_EQ(by_host(), (std::map<std::string, int>{{"slow.example", 16}, {"good.example", 1}}))
      << "control: without the cap one host holds them";
}

TEST_F(Webhooks, GiveAnEventUpAfterTenTriesAndTheWebhookAfterFiveSuchEvents) {
  const std::string id = hook();
  for (int event = 0; event < kMaxWebhookFailures; ++event) {
    emit();
    for (int tried = 0; tried < kMaxDeliveryTries; ++tried) {
      const auto due = take();
      ASSERT_EQ(due.size(), 1U) << event << " " << tried;
      finish(due[0], false);
    }
    EXPECT_TRUE(take().empty());
  }
  EXPECT_FALSE(only().active);
  EXPECT_NE(only().disabled_reason, "");
  emit();
  EXPECT_TRUE(take().empty()) << "a disabled one gets nothing more";
  const auto log = in([&](Transaction& t) { return list_deliveries(t, kPublicWorkspace, id, "", 3); });
  ASSERT_EQ(log.size(), 3U);
  EXPECT_EQ(log[0].state, DeliveryState::failed);
  EXPECT_EQ(log[0].tries, kMaxDeliveryTries);
  EXPECT_EQ(log[0].last_status, 500);
  const auto rest =
      in([&](Transaction& t) { return list_deliveries(t, kPublicWorkspace, id, log.back().event_id, 100); });
  EXPECT_EQ(rest.size(), 2U);
}

TEST_F(Webhooks, ForgetFailuresOnceSomethingArrives) {
  hook();
  emit();
  for (int tried = 0; tried < kMaxDeliveryTries; ++tried)
    finish(take().at(0), false);
  EXPECT_EQ(only().failures, 1);
  emit();
  finish(take().at(0), true);
  EXPECT_EQ(only().failures, 0);
}

TEST_F(Webhooks, BelongToTheirWorkspace) {
  const std::string id = hook(), other = new_uuid();
  EXPECT_THROW(in([&](Transaction& t) { disable_webhook(t, other, id, "x"); }), NotFound);
  EXPECT_THROW(in([&](Transaction& t) { return test_webhook(t, other, id); }), NotFound);
  EXPECT_THROW(in([&](Transaction& t) { return list_deliveries(t, other, id, "", 10); }), NotFound);
  EXPECT_TRUE(in([&](Transaction& t) { return list_webhooks(t, other); }).empty());
}

TEST_F(Webhooks, CanBeTestedAloneWhileActive) {
  const std::string first = hook({"task.submitted"});
  hook();
  in([&](Transaction& t) { return test_webhook(t, kPublicWorkspace, first); });
  const auto due = take();
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].webhook_id, first);
  EXPECT_EQ(due[0].type, "webhook.test");
  in([&](Transaction& t) { disable_webhook(t, kPublicWorkspace, first, "by an admin"); });
  EXPECT_THROW(in([&](Transaction& t) { return test_webhook(t, kPublicWorkspace, first); }), Conflict);
}

TEST_F(Webhooks, AreFewAndAskForKnownEvents) {
  for (int i = 0; i < kMaxWebhooks; ++i)
    hook();
  EXPECT_THROW(hook(), Conflict);
  EXPECT_THROW(hook({"preference.*"}), DataError);
}

TEST_F(Webhooks, TellWhenTheNextOneIsDue) {
  EXPECT_FALSE(in([](Transaction& t) { return until_next_delivery(t); }));
  hook();
  emit();
  EXPECT_EQ(in([](Transaction& t) { return until_next_delivery(t); }), milliseconds(0));
  finish(take().at(0), false, std::chrono::minutes(5));
  const auto wait = in([](Transaction& t) { return until_next_delivery(t); });
  ASSERT_TRUE(wait);
  EXPECT_GT(*wait, std::chrono::minutes(4));
}

}  // namespace
}  // namespace afina::storage
