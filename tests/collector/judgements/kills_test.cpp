// SPDX-License-Identifier: Apache-2.0
// kill -9 of the collector and of PostgreSQL under 32 clients: every acknowledged vote is there once with its hash,
// every row was sent. The control is a server that acknowledges before it commits: the checker must catch it.
// AFINA_KILLS sets how often each is killed; 20 where it is not set.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <thread>

#include "collector/judgements/vote_writer.h"
#include "storage/transaction.h"
#include "tests/collector/world.h"

namespace afina::collector {
namespace {

constexpr int kClients = 32;

int kills() {
  const char* wanted = std::getenv("AFINA_KILLS");
  return wanted == nullptr ? 20 : std::max(1, std::atoi(wanted));
}

CollectorConfig server_config(int port) {
  CollectorConfig config;
  config.port = port;
  config.acts_per_minute = config.messages_per_minute = 0;
  config.upstreams.push_back({.name = "none", .base_url = "http://127.0.0.1:9"});
  return config;
}

/// The control: says 201 at once and commits when it gets to it.
class EarlyServer {
 public:
  EarlyServer(storage::Database& database, int port) : writer_(database), server_(options(port)) {
    server_.route("POST", "/api/votes", [this](const http::Request& request, http::Response& response) {
      const Json body = request.json();
      storage::VoteDraft draft;
      draft.vote.exposure_id = body.at("exposure");
      draft.vote.grade = body.at("outcome");
      draft.vote.source = storage::Source::demo;
      draft.vote.id = draft.vote.idempotency_key = request.headers.get("Idempotency-Key");
      draft.vote.visitor_id = request.headers.get("X-Visitor");
      {
        const std::lock_guard lock(mutex_);
        later_.push_back(std::move(draft));
      }
      news_.notify_one();
      response.set_json(Json{{"id", "soon"}}, 201);
    });
    committer_ = std::jthread([this](std::stop_token stop) {
      for (;;) {
        std::unique_lock lock(mutex_);
        if (!news_.wait(lock, stop, [&] { return !later_.empty(); })) return;
        storage::VoteDraft draft = std::move(later_.front());
        later_.pop_front();
        lock.unlock();
        try {
          writer_.put(std::move(draft));
        } catch (const std::exception&) {
          // Nobody is there any more to be told.
        }
      }
    });
    server_.start();
  }

 private:
  static http::ServerOptions options(int port) {
    http::ServerOptions options;
    options.port = port;
    return options;
  }
  VoteWriter writer_;
  std::mutex mutex_;
  std::condition_variable_any news_;
  std::deque<storage::VoteDraft> later_;
  http::Server server_;
  std::jthread committer_;
};

/// This program as a server: `--serve URL PORT real|early`. Says "ready" on its standard output; ends with its parent.
int serve(const std::string& url, int port, bool early) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  storage::DatabaseOptions options;
  options.announce = options.migrate = false;
  const auto database = storage::Database::open({storage::DatabaseTarget::Kind::url, url, {}}, options);
  std::unique_ptr<Collector> collector;
  std::unique_ptr<EarlyServer> control;
  if (early) {
    control = std::make_unique<EarlyServer>(*database, port);
  } else {
    collector = std::make_unique<Collector>(server_config(port), *database);
    collector->start();
  }
  if (::write(STDOUT_FILENO, "ready\n", 6) != 6) return 1;
  for (;;)
    ::pause();
}

class ServerProcess {
 public:
  ServerProcess(std::string url, int port, bool early) : url_(std::move(url)), port_(port), early_(early) { start(); }
  ~ServerProcess() { kill(); }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  void start() {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const std::string port = std::to_string(port_), mode = early_ ? "early" : "real";
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::execl("/proc/self/exe", "serve", "--serve", url_.c_str(), port.c_str(), mode.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    char said[6] = {};
    ASSERT_EQ(::read(ends[0], said, sizeof said), 6) << "the server did not come up";
    ::close(ends[0]);
  }

 private:
  std::string url_;
  int port_;
  bool early_;
  pid_t pid_ = -1;
};

int free_port() {
  http::ServerOptions options;
  http::Server probe(options);
  probe.start();
  const int port = probe.port();
  probe.stop();
  return port;
}

struct Sent {
  std::string body_sha256;
  bool acknowledged = false;
};
using Log = std::map<std::string, Sent>;

struct Findings {
  int acknowledged = 0, lost = 0, changed = 0, unsent = 0, doubled = 0;
  bool clean() const { return lost + changed + unsent + doubled == 0; }
};

Findings check(storage::Database& database, const Log& log) {
  Findings found;
  const storage::Result rows = database.read([](storage::Transaction& t) {
    return t.exec("SELECT idempotency_key, min(body_sha256) AS hash, count(*) AS n FROM preference GROUP BY 1");
  });
  std::map<std::string, std::string> stored;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string key = rows[i].text("idempotency_key");
    stored[key] = rows[i].text("hash");
    found.doubled += rows[i].integer("n") > 1;
    const auto sent = log.find(key);
    if (sent == log.end())
      ++found.unsent;
    else if (sent->second.body_sha256 != stored[key])
      ++found.changed;
  }
  for (const auto& [key, sent] : log) {
    found.acknowledged += sent.acknowledged;
    found.lost += sent.acknowledged && !stored.contains(key);
  }
  const storage::Result twice = database.read([](storage::Transaction& t) {
    return t.exec("SELECT exposure_id FROM preference GROUP BY 1 HAVING count(*) > 1");
  });
  found.doubled += static_cast<int>(twice.size());
  return found;
}

/// One client: votes on its pairs one after the other, each with its key until it is acknowledged.
struct Client {
  std::string visitor, token;
  std::mutex mutex;
  std::deque<std::string> exposures;
  Log log;
};

class Kills : public testing::Test {
 protected:
  void SetUp() override {
    database_ = TestPostgres::instance().fresh();
    port_ = free_port();
    for (auto& client : clients_) {
      storage::NewVisitor v;
      v.session_token = storage::new_session_token();
      v.receipt_code = storage::new_receipt_code();
      v.source = storage::Source::demo;
      database_->transaction([&](storage::Transaction& t) {
        v.consent.text_id = storage::ensure_consent_text(t, "kills", "es", "kills").id;
        storage::create_visitor(t, v);
      });
      client.visitor = v.id;
      client.token = v.session_token;
    }
  }
  /// 105 more pairs for a client: the duels of 15 answers of a new conversation.
  void show_pairs(Client& client) {
    const std::string conversation = new_uuid();
    const storage::Result shown = database_->transaction([&](storage::Transaction& t) {
      const storage::Params ids = storage::Params().text(conversation).text(client.visitor);
      t.exec(
          "INSERT INTO conversation (id, visitor_id, consent_event_id, mode, source) SELECT $1::uuid, $2::uuid, id, "
          "'arena', 'demo' FROM consent_event WHERE visitor_id = $2::uuid",
          ids);
      t.exec(
          "INSERT INTO generation (id, conversation_id, turn, slot, model, text) SELECT gen_random_uuid(), $1::uuid, "
          "1, "
          "s, 'm', 'x' FROM generate_series(0, 14) s",
          storage::Params().text(conversation));
      t.exec(
          "INSERT INTO pair (id, conversation_id, turn, generation_a_id, generation_b_id) "
          "SELECT gen_random_uuid(), $1::uuid, 1, a.id, b.id FROM generation a, generation b "
          "WHERE a.conversation_id = $1::uuid AND b.conversation_id = $1::uuid AND a.slot < b.slot",
          storage::Params().text(conversation));
      return t.exec(
          "INSERT INTO exposure (id, pair_id, visitor_id, annotator_id, a_on_left) SELECT gen_random_uuid(), pair.id, "
          "v.id, v.annotator_id, true FROM pair, visitor v WHERE pair.conversation_id = $1::uuid AND v.id = $2::uuid "
          "RETURNING id",
          ids);
    });
    const std::lock_guard lock(client.mutex);
    for (size_t i = 0; i < shown.size(); ++i)
      client.exposures.push_back(shown[i].text("id"));
  }

  void vote_on(Client& client, const http::Client& http, const std::string& exposure, const std::stop_token& stop) {
    storage::NewPreference vote;
    vote.exposure_id = exposure;
    vote.visitor_id = client.visitor;
    vote.grade = static_cast<int>(client.log.size() % 7) - 3;
    vote.source = storage::Source::demo;
    vote.idempotency_key = vote.id;
    client.log[vote.idempotency_key].body_sha256 = storage::preference_body_sha256(vote);
    http::Headers headers;
    headers.set("Authorization", "Bearer " + client.token);
    headers.set("X-Visitor", client.visitor);
    headers.set("Idempotency-Key", vote.idempotency_key);
    const std::string body = dump_json(Json{{"exposure", exposure}, {"outcome", vote.grade}});
    while (!stop.stop_requested()) {
      try {
        const int status = http.request("POST", "/api/votes", body, headers).status;
        if (status == 200 || status == 201) {
          client.log[vote.idempotency_key].acknowledged = true;
          ++acknowledged_;
          return;
        }
        if (status != 503) {
          ++odd_answers_;
          return;
        }
      } catch (const Error&) {
        // The server is gone: it comes back.
      }
      ++refused_;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  /// Clients vote while `strike` runs after each further `between` acknowledgements.
  Findings run(bool early, int strikes, int between, const std::function<void(ServerProcess&)>& strike) {
    ServerProcess server(database_->url(), port_, early);
    for (auto& client : clients_)
      show_pairs(client);
    {
      std::vector<std::jthread> threads;
      for (auto& client : clients_) {
        threads.emplace_back([&](std::stop_token stop) {
          http::ClientOptions options;
          options.base_url = cat("http://127.0.0.1:", port_);
          options.max_retries = 0;
          options.total_deadline = std::chrono::seconds(20);
          const http::Client http(options);
          while (!stop.stop_requested()) {
            std::string exposure;
            {
              const std::lock_guard lock(client.mutex);
              if (client.exposures.empty()) return;
              exposure = client.exposures.front();
              client.exposures.pop_front();
            }
            vote_on(client, http, exposure, stop);
          }
        });
      }
      for (int i = 1; i <= strikes; ++i) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
        while (acknowledged_ < i * between && std::chrono::steady_clock::now() < deadline)
          std::this_thread::sleep_for(std::chrono::milliseconds(2));
        strike(server);
        // Rounds beyond what was shown need more pairs; a client that ran dry stays so.
        if (i % 20 == 0) {
          for (auto& client : clients_)
            show_pairs(client);
        }
      }
      for (auto& thread : threads)
        thread.request_stop();
    }
    server.kill();
    Log all;
    for (auto& client : clients_)
      all.insert(client.log.begin(), client.log.end());
    const Findings found = check(*database_, all);
    std::printf("strikes %d, acknowledged %d, refused %d, lost %d, changed %d, unsent %d, doubled %d\n", strikes,
                found.acknowledged, refused_.load(), found.lost, found.changed, found.unsent, found.doubled);
    EXPECT_EQ(odd_answers_, 0);
    return found;
  }

  std::unique_ptr<storage::Database> database_;
  int port_ = 0;
  std::array<Client, kClients> clients_;
  std::atomic<int> acknowledged_ = 0, refused_ = 0, odd_answers_ = 0;
};

constexpr int kVotesBetween = 100;

TEST_F(Kills, NoAcknowledgedVoteIsLostWhenTheCollectorIsKilled) {
  const Findings found = run(false, kills(), kVotesBetween, [](ServerProcess& server) {
    server.kill();
    server.start();
  });
  EXPECT_TRUE(found.clean());
  EXPECT_GE(found.acknowledged, kills() * kVotesBetween);
}

TEST_F(Kills, NoAcknowledgedVoteIsLostWhenPostgresIsKilled) {
  storage::Cluster& cluster = TestPostgres::instance().cluster();
  const Findings found = run(false, kills(), kVotesBetween, [&](ServerProcess&) {
    const pid_t server = cluster.pid();
    ::kill(server, SIGKILL);
    siginfo_t ended{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(server), &ended, WEXITED | WNOWAIT), 0);
    ASSERT_FALSE(cluster.running());
    cluster.restart();
  });
  EXPECT_TRUE(found.clean());
  EXPECT_GE(found.acknowledged, kills() * kVotesBetween);
}

TEST_F(Kills, TheCheckerCatchesAServerThatAcknowledgesBeforeItCommits) {
  const Findings found = run(true, 3, kVotesBetween, [](ServerProcess& server) {
    server.kill();
    server.start();
  });
  EXPECT_GT(found.lost, 0) << "the control must fail the check";
}

}  // namespace
}  // namespace afina::collector

int main(int argc, char** argv) {
  if (argc == 5 && std::string(argv[1]) == "--serve") {
    return afina::collector::serve(argv[2], std::atoi(argv[3]), std::string(argv[4]) == "early");
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
