// SPDX-License-Identifier: Apache-2.0
// Webhooks over the network: signed, at least once, never redirected, never to private addresses unless allowed; a
// sender that dies in the middle loses nothing.
#include "collector/events/dispatcher.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "collector/events/signature.h"
#include "storage/events/outbox.h"
#include "tests/collector/proxy/token_client.h"

namespace afina::collector {
namespace {

using std::chrono::milliseconds;

/// Takes deliveries; holds them for as long as it is told to, then answers with the statuses it is told, then 200.
class Receiver {
 public:
  Receiver() {
    server_.route("POST", "/hook", [this](const http::Request& request, http::Response& response) {
      std::unique_lock lock(mutex_);
      got_.push_back(request);
      changed_.notify_all();
      changed_.wait(lock, [&] { return !held_; });
      const int status = statuses_.empty() ? 200 : statuses_.front();
      if (!statuses_.empty()) statuses_.erase(statuses_.begin());
      if (status == 302) response.headers.set("Location", "/elsewhere");
      response.set_json(Json::object(), status);
    });
    server_.route("GET", "/elsewhere", [this](const http::Request&, http::Response&) { ++redirected; });
    server_.route("POST", "/elsewhere", [this](const http::Request&, http::Response&) { ++redirected; });
    server_.start();
  }
  std::string url() const { return server_.address() + "/hook"; }
  void will_say(std::vector<int> statuses) {
    const std::scoped_lock lock(mutex_);
    statuses_ = std::move(statuses);
  }
  void hold(bool held) {
    const std::scoped_lock lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  int port() const { return server_.port(); }
  ~Receiver() { hold(false); }
  bool wait_for(size_t n) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return got_.size() >= n; });
  }
  std::vector<http::Request> got() {
    const std::scoped_lock lock(mutex_);
    return got_;
  }
  std::atomic<int> redirected{0};

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<http::Request> got_;
  std::vector<int> statuses_;
  bool held_ = false;
  http::Server server_;
};

DispatcherOptions quick() {
  DispatcherOptions options;
  options.policy.allow_loopback = options.policy.allow_private = true;
  options.poll = milliseconds(20);
  options.backoff_scale = 0.001;
  return options;
}

struct Dispatcher : testing::Test {
  template <typename F>
  auto in(F&& fn) {
    return database.db().transaction(std::forward<F>(fn));
  }
  storage::Webhook hook(const std::string& url) {
    storage::Webhook webhook;
    webhook.workspace_id = storage::kPublicWorkspace;
    webhook.url = url;
    webhook.types = {"*"};
    webhook.secret = storage::new_webhook_secret();
    in([&](storage::Transaction& t) { storage::create_webhook(t, webhook); });
    return webhook;
  }
  void emit(int n = 1) {
    for (int i = 0; i < n; ++i) {
      in([&](storage::Transaction& t) {
        storage::emit_event(t, storage::kPublicWorkspace, "preference.created", {{"n", i}});
      });
    }
  }
  bool wait_for_state(const std::string& state, int64_t n) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < until) {
      const auto rows = in([&](storage::Transaction& t) {
        return t.exec("SELECT count(*) AS n FROM delivery WHERE state = $1", storage::Params().text(state))
            .one()
            .integer("n");
      });
      if (rows == n) return true;
      std::this_thread::yield();
    }
    return false;
  }
  storage::TestDatabase database;
  Receiver receiver;
};

void expect_signed(const http::Request& request, const std::string& secret) {
  const std::string header = request.headers.get("Afina-Signature");
  const int64_t at = std::stoll(header.substr(2));
  EXPECT_EQ(header, webhook_signature(secret, at, request.body));
  EXPECT_EQ(request.headers.get("Afina-Delivery"), Json::parse(request.body)["id"]);
}

TEST_F(Dispatcher, SendsEveryEventSignedWithADeliveryId) {
  const storage::Webhook webhook = hook(receiver.url());
  WebhookDispatcher dispatcher(database.db(), quick());
  emit(20);
  ASSERT_TRUE(receiver.wait_for(20));
  std::set<std::string> ids;
  for (const http::Request& request : receiver.got()) {
    expect_signed(request, webhook.secret);
    EXPECT_EQ(request.headers.get("Afina-Event"), "preference.created");
    ids.insert(request.headers.get("Afina-Delivery"));
  }
  EXPECT_EQ(ids.size(), 20U);
  EXPECT_TRUE(wait_for_state("delivered", 20));
}

TEST_F(Dispatcher, TriesAgainUnderTheSameIdAfterErrorsAndFollowsNoRedirect) {
  const storage::Webhook webhook = hook(receiver.url());
  receiver.will_say({500, 302, 404, 204});
  WebhookDispatcher dispatcher(database.db(), quick());
  emit();
  ASSERT_TRUE(wait_for_state("delivered", 1));
  const auto got = receiver.got();
  ASSERT_EQ(got.size(), 4U);
  for (const http::Request& request : got) {
    expect_signed(request, webhook.secret);
    EXPECT_EQ(request.headers.get("Afina-Delivery"), got[0].headers.get("Afina-Delivery"));
  }
  EXPECT_EQ(receiver.redirected, 0);
}

TEST_F(Dispatcher, LosesNothingWhenSendersDieInTheMiddle) {
  const storage::Webhook webhook = hook(receiver.url());
  emit(30);
  // Dead senders: they took deliveries and never said what became of them.
  const auto taken =
      in([](storage::Transaction& t) { return storage::take_due_deliveries(t, {.all = 10}, milliseconds(100)); });
  ASSERT_EQ(taken.size(), 10U);
  for (int life = 0; life < 5; ++life) {
    DispatcherOptions options = quick();
    options.max_open = 4;
    options.lease = milliseconds(200);
    const WebhookDispatcher short_lived(database.db(), options);
    ASSERT_TRUE(receiver.wait_for(static_cast<size_t>(life) * 2));
  }
  DispatcherOptions options = quick();
  WebhookDispatcher last(database.db(), options);
  ASSERT_TRUE(wait_for_state("delivered", 30));
  std::map<std::string, int> times;
  for (const http::Request& request : receiver.got()) {
    expect_signed(request, webhook.secret);
    ++times[request.headers.get("Afina-Delivery")];
  }
  EXPECT_EQ(times.size(), 30U) << "every event arrived, some perhaps twice";
}

TEST_F(Dispatcher, TwoSendersShareTheWorkWithoutDoubling) {
  hook(receiver.url());
  emit(40);
  {
    WebhookDispatcher one(database.db(), quick()), two(database.db(), quick());
    ASSERT_TRUE(wait_for_state("delivered", 40));
  }
  EXPECT_EQ(receiver.got().size(), 40U);
}

TEST_F(Dispatcher, ASlowReceiverHoldsNoPlaceOfAnother) {
  Receiver slow;
  slow.hold(true);
  hook(cat("http://127.0.0.1:", slow.port(), "/hook"));
  hook(cat("http://localhost:", receiver.port(), "/hook"));
  emit(40);
  DispatcherOptions options = quick();
  options.max_open = 8;
  {
    WebhookDispatcher dispatcher(database.db(), options);
    ASSERT_TRUE(receiver.wait_for(40)) << "all of them, while the slow one takes its time";
    EXPECT_EQ(slow.got().size(), 4U);
    slow.hold(false);
    ASSERT_TRUE(wait_for_state("delivered", 80));
  }
  EXPECT_EQ(slow.got().size(), 40U);
  // Control: without the cap the slow one has all the places.
  slow.hold(true);
  emit(40);
  options.max_open_of_host = options.max_open;
  WebhookDispatcher dispatcher(database.db(), options);
  ASSERT_TRUE(slow.wait_for(40 + 8));
  EXPECT_LT(receiver.got().size(), 80U);
  slow.hold(false);
}

TEST_F(Dispatcher, SendsNothingToPrivateAddressesUnlessAllowed) {
  hook(receiver.url());
  DispatcherOptions options = quick();
  options.policy = {};
  options.backoff_scale = 1e-5;  // ten tries in about a second
  WebhookDispatcher dispatcher(database.db(), options);
  emit();
  ASSERT_TRUE(wait_for_state("failed", 1));
  EXPECT_TRUE(receiver.got().empty());
  const auto error =
      in([](storage::Transaction& t) { return t.exec("SELECT last_error AS e FROM delivery").one().text("e"); });
  EXPECT_EQ(error.find("127.0.0.1"), std::string::npos) << "nobody is told what the network looks like";
}

TEST(WebhookBackoff, SpreadsTenTriesOverADay) {
  milliseconds sum{0};
  for (int tried = 1; tried < storage::kMaxDeliveryTries; ++tried) {
    if (tried > 1) {
      EXPECT_GT(webhook_backoff(tried), webhook_backoff(tried - 1));
    }
    sum += webhook_backoff(tried);
  }
  EXPECT_GT(sum, std::chrono::hours(20));
  EXPECT_LE(sum, std::chrono::hours(24));
}

}  // namespace
}  // namespace afina::collector
