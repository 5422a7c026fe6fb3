// SPDX-License-Identifier: Apache-2.0
#include "bench/soak.h"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "bench/soak_load.h"
#include "bench/stream_processes.h"
#include "http/server.h"
#include "storage/transaction.h"
#include "tests/support/test_database.h"

namespace afina::bench {
namespace {

namespace fs = std::filesystem;

/// Models, and the place where webhooks go, in this process.
class Outside {
 public:
  Outside() : server_(options()) {
    server_.route("POST", "/v1/chat/completions", [](const http::Request& request, http::Response& response) {
      const bool endless = request.body.find(kEndless) != std::string::npos;
      response.stream([endless](http::SseWriter& writer) { say(writer, endless); });
    });
    server_.route("POST", "/hook", [this](const http::Request&, http::Response& response) {
      ++deliveries_;
      response.set_json(Json::object());
    });
    server_.start();
  }
  std::string address() const { return server_.address(); }
  int64_t deliveries() const { return deliveries_; }

 private:
  static http::ServerOptions options() {
    http::ServerOptions options;
    options.max_streams = 2000;
    options.max_connections = 4000;
    return options;
  }
  static void say(http::SseWriter& writer, bool endless) {
    std::mutex mutex;
    std::condition_variable_any never;
    for (int i = 0; endless || i < 12; ++i) {
      std::unique_lock lock(mutex);
      never.wait_for(lock, writer.stop_token(), std::chrono::milliseconds(endless ? 500 : 8), [] { return false; });
      const Json piece{{"choices", {{{"index", 0}, {"delta", {{"content", cat("palabra ", i, " ")}}}}}}};
      if (writer.stop_token().stop_requested() || !writer.send(dump_json(piece))) return;
    }
    writer.send(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})");
    writer.send("[DONE]");
  }
  std::atomic<int64_t> deliveries_{0};
  http::Server server_;
};

std::vector<std::string> command(const SoakOptions& options, const std::string& database, const std::string& models) {
  std::vector<std::string> words{options.collector, "--database", database, "--port", "0"};
  const auto add = [&](const char* flag, std::string value) {
    words.emplace_back(flag);
    words.push_back(std::move(value));
  };
  for (const char* name : {"a", "b"})
    add("--upstream", cat(name, "=", models));
  for (const char* setting : {"acts_per_minute=0", "messages_per_minute=0", "webhook_allow_private=true"})
    add("--set", setting);
  // The control must be able to grow.
  if (options.leak)
    for (const char* setting : {"max_turns=10000", "max_streams=10000"})
      add("--set", setting);
  return words;
}

SoakSample take_sample(const Process& collector, storage::Database& database, double seconds) {
  SoakSample sample{seconds, collector.rss_mib(), collector.descriptors(), collector.threads(), 0};
  sample.connections = static_cast<int>(database.read([](storage::Transaction& t) {
    return t.exec("SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()").one().integer("n");
  }));
  return sample;
}

void print_sample(const SoakSample& s) {
  std::printf("%6.0f s: resident %6.1f MiB, %4d descriptors, %3d threads, %2d connections to PostgreSQL\n", s.seconds,
              s.resident_mib, s.descriptors, s.threads, s.connections);
  std::fflush(stdout);
}

void watch(const SoakOptions& options, const Process& collector, storage::Database& database, SoakReport& report) {
  const Stopwatch watch;
  const double time = static_cast<double>(options.time.count());
  double next_line = 0;
  std::mutex mutex;
  std::condition_variable never;
  while (watch.seconds() < time) {
    report.samples.push_back(take_sample(collector, database, watch.seconds()));
    if (options.print && watch.seconds() >= next_line) {
      print_sample(report.samples.back());
      next_line += time / 10;
    }
    std::unique_lock lock(mutex);
    never.wait_for(lock, options.sample_every, [] { return false; });
  }
}

/// The load of one thread a function, stopped and joined when it goes.
class Crowd {
 public:
  Crowd(Load& load, bool leak) {
    using Act = void (*)(Load&, const std::stop_token&);
    std::vector<Act> acts{chat,     chat,       chat,         vote,      vote,     do_tasks,
                          do_tasks, load_pages, export_files, break_off, break_off};
    if (leak) acts.push_back(never_leave);
    for (const Act act : acts)
      threads_.emplace_back([&load, act](const std::stop_token& stop) { act(load, stop); });
  }

 private:
  std::vector<std::jthread> threads_;
};

/// Descriptors once what was in hand is done: kept connections of the server end within its idle deadline.
int settled_descriptors(const Process& collector, int wanted, double patience_seconds) {
  const Stopwatch watch;
  int now = collector.descriptors();
  for (; now > wanted && watch.seconds() < patience_seconds; now = collector.descriptors())
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  return now;
}

void judge(const SoakOptions& options, SoakReport& report) {
  report.faults = find_growth(report.samples);
  for (const auto& [what, count] : report.errors)
    report.faults.push_back(cat(count, " times ", what));
  for (const char* name : {"chat", "vote", "task", "page", "export", "broken"})
    if (!report.done.contains(name)) report.faults.push_back(cat("nobody could ", name));
  if (report.deliveries == 0) report.faults.push_back("no webhook arrived");
  if (report.descriptors_after > report.descriptors_before + kMostLeftDescriptors)
    report.faults.push_back(cat("after the load ", report.descriptors_after, " descriptors are open, before it ",
                                report.descriptors_before));
  if (!options.print) return;
  for (const auto& [name, count] : report.done)
    std::printf("%8lld %s (%.1f a second)\n", static_cast<long long>(count), name.c_str(),
                static_cast<double>(count) / static_cast<double>(options.time.count()));
  std::printf("%8lld webhooks arrived, %lld answers of 503, descriptors %d before and %d after\n",
              static_cast<long long>(report.deliveries), static_cast<long long>(report.busy), report.descriptors_before,
              report.descriptors_after);
}

template <typename Get>
double median(const std::vector<SoakSample>& samples, size_t from, size_t to, Get get) {
  std::vector<double> values;
  for (size_t i = from; i < to; ++i)
    values.push_back(static_cast<double>(std::invoke(get, samples[i])));
  std::ranges::nth_element(values, values.begin() + static_cast<ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

}  // namespace

std::vector<std::string> find_growth(const std::vector<SoakSample>& samples) {
  const size_t n = samples.size();
  if (n < 8) return {cat("only ", n, " samples were taken")};
  std::vector<std::string> faults;
  const auto check = [&](const char* what, double most, auto get) {
    const double early = median(samples, n / 4, n / 2, get), late = median(samples, n - n / 4, n, get);
    if (late - early > most) faults.push_back(cat(what, " grew from ", early, " to ", late, ", ", most, " is allowed"));
  };
  check("resident MiB", kMostGrowthMib, &SoakSample::resident_mib);
  check("descriptors", kMostGrowthDescriptors, &SoakSample::descriptors);
  check("threads", kMostGrowthThreads, &SoakSample::threads);
  check("connections to PostgreSQL", kMostGrowthConnections, &SoakSample::connections);
  return faults;
}

SoakReport run_soak(const SoakOptions& options) {
  SoakReport report;
  storage::TestDatabase test;
  Outside outside;
  const Process collector(command(options, test.url(), outside.address()));
  Load load{.address = collector.line(),
            .port = std::stoi(collector.line().substr(collector.line().rfind(':') + 1)),
            .database = test.db(),
            .between_acts = options.between_acts};
  prepare(load);
  add_webhook(load, outside.address() + "/hook");
  report.descriptors_before = collector.descriptors();
  {
    const Crowd crowd(load, options.leak);
    watch(options, collector, test.db(), report);
  }
  // Connections to PostgreSQL stay open for the next request: no leak, and bounded by the pool.
  report.descriptors_after =
      settled_descriptors(collector, report.descriptors_before + kMostLeftDescriptors, options.leak ? 0 : 25);
  report.done = load.done.all();
  report.errors = load.errors.all();
  report.busy = load.busy;
  report.deliveries = outside.deliveries();
  judge(options, report);
  return report;
}

}  // namespace afina::bench
