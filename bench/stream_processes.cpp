// SPDX-License-Identifier: Apache-2.0
#include "bench/stream_processes.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/cancel.h"
#include "base/cat.h"
#include "base/error.h"
#include "http/server.h"

namespace afina::bench {
namespace {

Json piece_json(int i) {
  return {{"choices", {{{"index", 0}, {"delta", {{"content", cat("palabra ", i, " ")}}}}}}};
}
constexpr const char* kLast = R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})";

/// Pushes the next piece to everybody who listens.
class Ticker {
 public:
  Ticker(int pieces, std::chrono::milliseconds pace)
      : pieces_(pieces), pace_(pace), thread_([this](const std::stop_token& stop) { run(stop); }) {}
  void add(std::shared_ptr<http::EventPipe> pipe) {
    const std::lock_guard lock(mutex_);
    listeners_.push_back({std::move(pipe), 0});
  }

 private:
  struct Listener {
    std::shared_ptr<http::EventPipe> pipe;
    int said = 0;
  };
  bool say(Listener& listener) const {
    if (listener.said < pieces_) return listener.pipe->push(dump_json(piece_json(listener.said++)));
    listener.pipe->push(kLast);
    listener.pipe->push("[DONE]");
    listener.pipe->finish();
    return false;
  }
  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, stop, pace_, [] { return false; }) && !stop.stop_requested()) {
      std::erase_if(listeners_, [&](Listener& listener) { return !say(listener); });
    }
  }
  const int pieces_;
  const std::chrono::milliseconds pace_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<Listener> listeners_;
  std::jthread thread_;
};

void say_all(http::SseWriter& writer, int pieces, std::chrono::milliseconds pace) {
  for (int i = 0; i < pieces; ++i) {
    std::mutex never;
    std::unique_lock lock(never);
    std::condition_variable_any().wait_for(lock, writer.stop_token(), pace, [] { return false; });
    if (!writer.send(dump_json(piece_json(i)))) return;
  }
  writer.send(kLast);
  writer.send("[DONE]");
}

}  // namespace

Process::Process(const std::vector<std::string>& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw StorageError("[bench] must get a pipe, but the system gives none.");
  std::vector<char*> arguments;
  for (const std::string& word : command)
    arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::dup2(ends[1], STDOUT_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  output_ = ends[0];
  for (char byte = 0; byte != '\n';) {
    pollfd descriptor{.fd = output_, .events = POLLIN, .revents = 0};
    if (::poll(&descriptor, 1, 60'000) != 1 || ::read(output_, &byte, 1) != 1) {
      throw StorageError(cat("[bench] ", command[0], " must say its address, but did not."));
    }
    if (byte != '\n') line_ += byte;
  }
}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(output_);
}

void Process::forget_peak() const {
  std::ofstream(cat("/proc/", pid_, "/clear_refs")) << "5";
}

double Process::status(const std::string& key) const {
  std::ifstream file(cat("/proc/", pid_, "/status"));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return std::stod(line.substr(key.size()));
  }
  return 0;
}

int Process::descriptors() const {
  const std::filesystem::directory_iterator open(cat("/proc/", pid_, "/fd"));
  return static_cast<int>(std::distance(begin(open), end(open)));
}

std::string self() {
  return std::filesystem::read_symlink("/proc/self/exe").string();
}

std::vector<std::string> collector_command(const std::string& program, const std::filesystem::path& home,
                                           const std::string& models, int max_streams, int max_turns) {
  return {program,
          "--home",
          home.string(),
          "--port",
          "0",
          "--upstream",
          cat("a=", models),
          "--upstream",
          cat("b=", models),
          "--set",
          cat("max_streams=", max_streams),
          "--set",
          cat("max_turns=", max_turns),
          "--set",
          "acts_per_minute=0",
          "--set",
          "messages_per_minute=0"};
}

int serve_pieces(const std::string& way, int max_streams, int pieces, std::chrono::milliseconds pace) {
  const std::stop_token stop = stop_on_signals();
  http::ServerOptions options;
  options.max_event_streams = options.max_queue = options.max_connections = max_streams;
  options.max_streams = way == "--threads" ? max_streams : 0;
  Ticker ticker(pieces, pace);
  http::Server server(options);
  server.route("POST", "/v1/chat/completions", [&](const http::Request&, http::Response& response) {
    if (way == "--threads") return response.stream([=](http::SseWriter& writer) { say_all(writer, pieces, pace); });
    const auto pipe = std::make_shared<http::EventPipe>();
    response.stream_events(pipe->reader());
    ticker.add(pipe);
  });
  server.start();
  std::printf("%s\n", server.address().c_str());
  std::fflush(stdout);
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait(lock, stop, [] { return false; });
  server.stop();
  return 0;
}

}  // namespace afina::bench
