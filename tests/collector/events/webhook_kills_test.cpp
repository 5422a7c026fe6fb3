// SPDX-License-Identifier: Apache-2.0
// kill -9 of the collector between an act and its delivery: after the restart the webhook hears of every acknowledged
// act, under the same ids as before.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <set>

#include "storage/events/webhooks.h"
#include "storage/transaction.h"
#include "tests/collector/world.h"

namespace afina::collector {
namespace {

constexpr size_t kKills = 10;

/// This program as a server: `--serve URL PORT`. Says "ready" on its standard output; ends with its parent.
int serve(const std::string& url, int port) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  storage::DatabaseOptions options;
  options.announce = options.migrate = false;
  const auto database = storage::Database::open({storage::DatabaseTarget::Kind::url, url, {}}, options);
  CollectorConfig config;
  config.port = port;
  config.acts_per_minute = config.messages_per_minute = 0;
  config.webhook_allow_private = true;
  config.upstreams.push_back({.name = "none", .base_url = "http://127.0.0.1:9"});
  Collector collector(config, *database);
  collector.start();
  if (::write(STDOUT_FILENO, "ready\n", 6) != 6) return 1;
  for (;;)
    ::pause();
}

class ServerProcess {
 public:
  ServerProcess(const std::string& url, int port) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    const std::string number = std::to_string(port);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::execl("/proc/self/exe", "serve", "--serve", url.c_str(), number.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    char said[6] = {};
    const bool ready = ::read(ends[0], said, sizeof said) == 6;
    ::close(ends[0]);
    if (!ready) throw std::runtime_error("the server did not come up");
  }
  ~ServerProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

 private:
  pid_t pid_ = -1;
};

/// Takes deliveries and says nothing until it is let go; then 200.
class Receiver {
 public:
  Receiver() {
    server_.route("POST", "/hook", [this](const http::Request& request, http::Response& response) {
      std::unique_lock lock(mutex_);
      heard_.push_back(request.json());
      changed_.notify_all();
      changed_.wait(lock, request.stop, [&] { return open_; });
      response.set_json(Json::object());
    });
    server_.start();
  }
  ~Receiver() { open(); }
  std::string url() const { return server_.address() + "/hook"; }
  void open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  bool wait_for(const std::string& conversation) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] {
      return std::any_of(heard_.begin(), heard_.end(),
                         [&](const Json& said) { return said.at("data").at("conversation") == conversation; });
    });
  }
  std::vector<Json> heard() {
    const std::scoped_lock lock(mutex_);
    return heard_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Json> heard_;
  bool open_ = false;
  http::Server server_;
};

int free_port() {
  http::Server probe;
  probe.start();
  return probe.port();
}

int64_t count(storage::Database& database, const std::string& what) {
  return database.transaction(
      [&](storage::Transaction& t) { return t.exec("SELECT count(*) AS n FROM " + what).one().integer("n"); });
}

TEST(WebhookKills, EveryAcknowledgedActArrivesAfterTheRestartUnderTheSameIds) {
  const auto database = TestPostgres::instance().fresh();
  Receiver receiver;
  storage::Webhook webhook;
  webhook.workspace_id = storage::kPublicWorkspace;
  webhook.url = receiver.url();
  webhook.types = {"conversation.created"};
  webhook.secret = storage::new_webhook_secret();
  database->transaction([&](storage::Transaction& t) { storage::create_webhook(t, webhook); });
  const int port = free_port();
  std::set<std::string> acknowledged;
  for (size_t i = 0; i < kKills; ++i) {
    const ServerProcess server(database->url(), port);
    Caller ana(cat("http://127.0.0.1:", port));
    ASSERT_EQ(ana.visit().status, 201);
    const std::string id = ana.post("/api/conversations").json.at("id");
    acknowledged.insert(id);
    // Half of them die at once, half while the receiver has the delivery and has not answered.
    if (i % 2 == 1) {
      ASSERT_TRUE(receiver.wait_for(id));
    }
  }
  EXPECT_EQ(count(*database, "delivery WHERE state = 'delivered'"), 0) << "control: nothing has arrived yet";
  const size_t before = receiver.heard().size();
  EXPECT_GE(before, kKills / 2);
  receiver.open();
  // The leases of the dead end now instead of in a minute.
  database->transaction([](storage::Transaction& t) { t.exec("UPDATE delivery SET next_try_at = clock_timestamp()"); });
  const ServerProcess server(database->url(), port);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (count(*database, "delivery WHERE state = 'delivered'") < static_cast<int64_t>(kKills) &&
         std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
  std::map<std::string, std::set<std::string>> ids;
  const std::vector<Json> heard = receiver.heard();
  for (const Json& said : heard)
    ids[said.at("data").at("conversation")].insert(
        cat(said.at("event").get<std::string>(), " ", said.at("id").get<std::string>()));
  EXPECT_EQ(ids.size(), acknowledged.size());
  for (const std::string& id : acknowledged)
    EXPECT_EQ(ids[id].size(), 1U) << "the same event and delivery at every try";
  EXPECT_EQ(heard.size(), before + kKills) << "once more each: at least once, and not oftener than needed";
  EXPECT_EQ(count(*database, "outbox"), static_cast<int64_t>(kKills));
}

}  // namespace
}  // namespace afina::collector

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "--serve") return afina::collector::serve(argv[2], std::atoi(argv[3]));
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
