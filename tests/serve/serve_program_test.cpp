// SPDX-License-Identifier: Apache-2.0
// The programs people run: `afina generate` and `afina serve`, from the outside.
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/cat.h"
#include "base/file.h"
#include "base/json.h"
#include "http/client.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::serve {
namespace {

/// A child whose stdout is read here; killed with the object.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    arguments.insert(arguments.begin(), program_path("afina").string());
    std::vector<char*> argv;
    for (std::string& argument : arguments)
      argv.push_back(argument.data());
    argv.push_back(nullptr);
    const int failed = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    out_ = ends[0];
    if (failed != 0) throw std::runtime_error("cannot start " + arguments[0]);
  }
  ~Program() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(out_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Output until `end` or the end of it, for at most a minute.
  std::string read_until(std::string_view end) {
    std::string text;
    char bytes[4096];
    pollfd descriptor{.fd = out_, .events = POLLIN, .revents = 0};
    while (end.empty() || text.find(end) == std::string::npos) {
      if (::poll(&descriptor, 1, 60'000) <= 0) break;
      const ssize_t got = ::read(out_, bytes, sizeof bytes);
      if (got <= 0) break;
      text.append(bytes, static_cast<size_t>(got));
    }
    return text;
  }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  void signal(int number) { ::kill(pid_, number); }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
};

Json golden_run(size_t index) {
  return parse_json(read_file(golden_path("smollm2/greedy.json")), "greedy.json")["runs"][index];
}

TEST(GenerateProgram, GivesThePeersGreedyAnswerAsTextAndAsIds) {
  const Json run = golden_run(0);
  const std::string model = smollm2_gguf();
  Program text({"generate", "--model", model, "--prompt", run["user"]});
  EXPECT_EQ(text.read_until(""), run["text"].get<std::string>() + "\n");
  EXPECT_EQ(text.wait(), 0);
  const TempFolder folder;
  const std::string file = folder.path() / "messages.json";
  write_file_atomic(file, dump_json(Json::array({{{"role", "user"}, {"content", run["user"]}}})));
  Program ids({"generate", "--model", model, "--messages", file, "--json"});
  EXPECT_EQ(parse_json(ids.read_until(""), "stdout")["completion_ids"], run["new_ids"]);
}

TEST(GenerateProgram, BadInputHasItsExitCodeAndNoOutput) {
  const struct {
    std::vector<std::string> arguments;
    int code;
  } cases[] = {{{"generate", "--model", "/nowhere.gguf", "--prompt", "a"}, 1},
               {{"generate", "--model", smollm2_gguf(), "--prompt", "a", "--jsonl"}, 2},
               {{"generate", "--model", smollm2_gguf(), "--prompt", "a", "--temperature", "-1"}, 2},
               {{"generate", "--model", smollm2_gguf(), "--prompt", "a", "--adapter", "/nowhere"}, 1},
               {{"--database", "none", "serve", "--model", smollm2_gguf(), "--host", "0.0.0.0"}, 2},
               {{"--database", "none", "serve", "--model", smollm2_gguf(), "--adapter", "nameless"}, 2}};
  for (const auto& c : cases) {
    Program program(c.arguments);
    EXPECT_EQ(program.read_until(""), "");
    EXPECT_EQ(program.wait(), c.code) << c.arguments.back();
  }
}

TEST(ServeProgram, TellsItsAddressAnswersAndStopsOnCtrlC) {
  const TempFolder folder;
  const std::string port_file = folder.path() / "port";
  Program server({"--database", "none", "serve", "--model", smollm2_gguf(), "--name", "smol", "--adapter",
                  "noisy=" + golden_path("smollm2/adapter").string(), "--port-file", port_file});
  std::string address = server.read_until("\n");
  ASSERT_TRUE(address.ends_with("\n"));
  address.pop_back();
  EXPECT_TRUE(address.ends_with(cat(":", std::stoi(read_file(port_file)))));
  const http::Client client({.base_url = address + "/v1"});
  EXPECT_EQ(client.get_json("/models")["data"].size(), 2u);
  const Json run = golden_run(0);
  const Json answer = client.post_json(
      "/chat/completions",
      Json{{"model", "smol"}, {"temperature", 0}, {"messages", {{{"role", "user"}, {"content", run["user"]}}}}});
  EXPECT_EQ(answer["choices"][0]["message"]["content"], run["text"]);
  server.signal(SIGINT);
  EXPECT_EQ(server.wait(), 0);
}

}  // namespace
}  // namespace afina::serve
