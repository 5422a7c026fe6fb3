// SPDX-License-Identifier: Apache-2.0
// Many answers streamed at one time: memory of the collector's own process, time to the first piece, and what other
// requests take beside them. Everything on loopback, models are a process of this program. Controls: the same count
// above the collector's cap (must be refused with 503), the same streams with a thread each, and the other requests
// without any stream.
//   bench_streams AFINA_COLLECTOR FOLDER [single streams] [arena chats]
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/uuid.h"
#include "bench/bench_report.h"
#include "bench/stream_processes.h"
#include "http/async_client.h"

namespace {

namespace fs = std::filesystem;
using namespace afina;
using namespace afina::bench;

constexpr int kPieces = 40;
constexpr std::chrono::milliseconds kPace{250};
constexpr int kProbes = 200;

/// What the collector is asked through, on one connection a call.
class Api {
 public:
  explicit Api(const std::string& address) : address_(address) {
    const Json text = client().get_json("/api/consent/es");
    const http::ClientResponse visit = call("POST", "/api/visits",
                                            {{"locale", "es"},
                                             {"consent_version", text.at("version")},
                                             {"consent_sha256", text.at("sha256")},
                                             {"purposes", {"collect"}},
                                             {"adult", true},
                                             {"kind", "demo"}});
    if (visit.status != 201) throw UsageError(cat("[bench] a visit must begin, but got ", visit.body));
    token_ = visit.json().at("session_token");
  }
  http::Headers headers() const {
    http::Headers headers;
    if (!token_.empty()) headers.set("Authorization", "Bearer " + token_);
    headers.set("Idempotency-Key", new_uuid());
    return headers;
  }
  http::ClientResponse call(const std::string& method, const std::string& path, const Json& body = nullptr) const {
    return client().request(method, path, body.is_null() ? "" : dump_json(body), headers());
  }
  std::string conversation() const {
    const http::ClientResponse made = call("POST", "/api/conversations", Json::object());
    if (made.status != 201) throw UsageError(cat("[bench] a conversation must be made, but got ", made.body));
    return made.json().at("id");
  }
  const std::string& address() const { return address_; }

 private:
  http::Client client() const {
    http::ClientOptions options;
    options.base_url = address_;
    options.max_retries = 0;
    return http::Client(options);
  }
  std::string address_, token_;
};

/// Milliseconds of a request for a list from the database, one after the other.
std::vector<double> probe(const Api& api, int count) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const Stopwatch watch;
    if (api.call("GET", "/api/conversations").status != 200) throw UsageError("[bench] a list must be given.");
    times.push_back(watch.seconds() * 1e3);
  }
  std::sort(times.begin(), times.end());
  return times;
}

void print_probe(const char* beside, const std::vector<double>& times) {
  std::printf("  GET /api/conversations %-22s p50 %.2f ms, p99 %.2f ms, worst %.2f ms\n", beside,
              times[times.size() / 2], times[times.size() * 99 / 100], times.back());
}

/// Streams asked for at once and what became of them.
class Streams {
 public:
  Streams(const Api& api, std::vector<std::string> paths, const Json& body) : body_(body) {
    http::ClientOptions options;
    options.base_url = api.address();
    options.max_retries = 0;
    options.read_deadline = std::chrono::seconds(60);
    const auto where = std::make_shared<const http::Endpoint>(http::Endpoint{options, {.allow_loopback = true}});
    for (const std::string& path : paths) {
      http::AsyncCall call;
      call.endpoint = where;
      call.path = path;
      call.body = dump_json(body_);
      call.headers = api.headers();
      auto begun = std::make_shared<bool>(false);
      client_.post_stream(
          std::move(call),
          [this, begun](const http::SseEvent& event) {
            if (event.event == "delta" && !std::exchange(*begun, true))
              first_.push_back(watch_.seconds() * 1e3), ++open_;
            if (event.event == "done" && event.data.find("\"error\":null") != std::string::npos) ++whole_;
            return event.event != "done" && event.event != "error";
          },
          [this](const std::exception_ptr& error) { end(error); });
    }
    asked_ = paths.size();
  }
  /// True once so many had their first piece or were refused.
  bool wait_begun(size_t count, std::chrono::seconds patience = std::chrono::seconds(40)) const {
    return wait([&] { return open_ + refused_ + broken_ >= count; }, patience);
  }
  bool wait_ended(std::chrono::seconds patience = std::chrono::seconds(40)) const {
    return wait([&] { return ended_ == asked_; }, patience);
  }
  size_t open() const { return open_; }
  size_t whole() const { return whole_; }
  size_t refused() const { return refused_; }
  /// Sorted, ms; once ended.
  std::vector<double> first() const {
    std::vector<double> sorted = first_;
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }

 private:
  void end(const std::exception_ptr& error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const http::UpstreamError& upstream) {
      ++(upstream.upstream_status() == 503 ? refused_ : broken_);
    } catch (const std::exception&) {
      ++broken_;
    }
    ++ended_;
  }
  template <typename Condition>
  bool wait(Condition condition, std::chrono::seconds patience) const {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!condition() && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return condition();
  }

  const Json body_;
  Stopwatch watch_;
  size_t asked_ = 0;
  std::vector<double> first_;  // the client's thread
  std::atomic<size_t> open_{0}, whole_{0}, refused_{0}, broken_{0}, ended_{0};
  http::AsyncClient client_;  // its thread uses all of the above
};

struct Scenario {
  const char* name;
  int chats = 0, answers = 1;
  double most_mib = 0;
};

void run_scenario(const Scenario& scenario, const std::string& program, const fs::path& home,
                  const std::string& models) {
  const Process collector(collector_command(program, home, models, scenario.chats, scenario.chats));
  const Api api(collector.line());
  const double idle_mib = collector.rss_mib();
  std::vector<std::string> paths;
  for (int i = 0; i < scenario.chats; ++i)
    paths.push_back(cat("/api/conversations/", api.conversation(), "/messages"));
  const double ready_mib = collector.rss_mib();
  const std::vector<double> alone = probe(api, kProbes);
  collector.forget_peak();
  Streams streams(api, paths, {{"text", "hola"}, {"answers", scenario.answers}});
  const bool all = streams.wait_begun(paths.size());
  const size_t open = streams.open();
  const double streaming_mib = collector.rss_mib();
  const int threads = collector.threads();
  const std::vector<double> beside = probe(api, kProbes);
  const double later_mib = collector.rss_mib();
  streams.wait_ended();
  const std::vector<double> first = streams.first();
  std::printf("%s: %d asked, %zu open at one time%s, %zu whole\n", scenario.name, scenario.chats, open,
              all ? "" : " (NOT ALL)", streams.whole());
  std::printf(
      "  resident: %.1f MiB idle, %.1f before, %.1f with all open, %.1f later, %.1f at most (goal < %.0f); %d "
      "threads\n",
      idle_mib, ready_mib, streaming_mib, later_mib, collector.peak_mib(), scenario.most_mib, threads);
  if (!first.empty()) {
    std::printf("  first piece: p50 %.0f ms, p99 %.0f ms after all were asked at once\n", first[first.size() / 2],
                first[first.size() * 99 / 100]);
  }
  print_probe("without streams", alone);
  print_probe(cat("beside ", open, " streams").c_str(), beside);
}

/// Control: above the cap the rest is refused at once and the others go on.
void run_over_cap(const std::string& program, const fs::path& home, const std::string& models) {
  constexpr int kAsked = 100, kCap = 40;
  const Process collector(collector_command(program, home, models, kCap, kAsked));
  const Api api(collector.line());
  std::vector<std::string> paths;
  for (int i = 0; i < kAsked; ++i)
    paths.push_back(cat("/api/conversations/", api.conversation(), "/messages"));
  Streams streams(api, paths, {{"text", "hola"}, {"answers", 1}});
  streams.wait_begun(kAsked);
  std::printf("control, max_streams %d: %d asked, %zu open, %zu refused with 503\n", kCap, kAsked, streams.open(),
              streams.refused());
  streams.wait_ended();
}

/// Control: the same events from a server of this program, by the event loop and with a thread each.
void run_threads(const char* way, int count) {
  const Process server({self(), way, std::to_string(count)});
  const double idle_mib = server.rss_mib();
  http::ClientOptions options;
  options.base_url = server.line();
  options.max_retries = 0;
  const auto where = std::make_shared<const http::Endpoint>(http::Endpoint{options, {.allow_loopback = true}});
  std::atomic<int> open{0};
  http::AsyncClient client;
  for (int i = 0; i < count; ++i) {
    auto begun = std::make_shared<bool>(false);
    client.post_stream(
        {.endpoint = where, .path = "/v1/chat/completions", .body = R"({"model":"m"})"},
        [&open, begun](const http::SseEvent&) {
          if (!std::exchange(*begun, true)) ++open;
          return true;
        },
        [](const std::exception_ptr&) {});
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (open < count && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  std::printf("control, server alone, %-8s %d streams open: %.1f MiB resident over %.1f idle, %d threads\n", way,
              open.load(), server.rss_mib() - idle_mib, idle_mib, server.threads());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    set_log_level(LogLevel::error);
    if (argc == 3 && std::string(argv[1]).starts_with("--")) {
      return serve_pieces(argv[1], std::atoi(argv[2]), kPieces, kPace);
    }
    if (argc < 3) throw UsageError("[bench] must be called as bench_streams AFINA_COLLECTOR FOLDER [streams] [chats].");
    const std::string program = argv[1];
    const fs::path home = fs::absolute(argv[2]) / "home";
    const int singles = argc > 3 ? std::atoi(argv[3]) : 400, arenas = argc > 4 ? std::atoi(argv[4]) : 200;
    fs::create_directories(home);
    std::printf("%s\n%d pieces an answer, one every %lld ms; all processes on loopback of this machine\n",
                machine_line(2).c_str(), kPieces, static_cast<long long>(kPace.count()));
    run_threads("--events", singles);
    run_threads("--threads", singles);
    const Process models({self(), "--events", "2000"});
    run_scenario({"single answers", singles, 1, 64}, program, home, models.line());
    run_scenario({"arena chats", arenas, 2, 96}, program, home, models.line());
    run_over_cap(program, home, models.line());
    return 0;
  } catch (const std::exception& error) {
    return report_exception(error);
  }
}
