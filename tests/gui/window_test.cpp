// SPDX-License-Identifier: Apache-2.0
// The real window once: GLFW and OpenGL on a display of our own (Xvfb), opened, drawn, woken, closed. Where there is
// neither Xvfb nor a display, it says so and is skipped.
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <optional>
#include <string>

#include "base/cat.h"
#include "base/error.h"
#include "gui/app.h"
#include "tests/gui/fake_source.h"

extern char** environ;

namespace afina::gui {
namespace {

/// An X server without a screen, for the life of the object; it picks its own free display.
class VirtualDisplay {
 public:
  static std::optional<std::string> start(pid_t& pid) {
    std::array<int, 2> pipe_ends{};
    if (pipe(pipe_ends.data()) != 0) return std::nullopt;
    std::string fd = std::to_string(pipe_ends[1]);
    std::array<char*, 8> arguments = {
        const_cast<char*>("Xvfb"), const_cast<char*>("-displayfd"),  fd.data(), const_cast<char*>("-screen"),
        const_cast<char*>("0"),    const_cast<char*>("1280x800x24"), nullptr};
    const int failed = posix_spawnp(&pid, "Xvfb", nullptr, nullptr, arguments.data(), environ);
    close(pipe_ends[1]);
    // Blocks until the server has told its number and a line end, or until it has exited and the pipe is closed.
    std::string number;
    char next = 0;
    while (failed == 0 && number.size() < 16 && read(pipe_ends[0], &next, 1) == 1 && next != '\n')
      number.push_back(next);
    close(pipe_ends[0]);
    if (next != '\n') {
      if (failed == 0) waitpid(pid, nullptr, 0);
      pid = 0;
      return std::nullopt;
    }
    return cat(":", number);
  }
};

class Window : public testing::Test {
 protected:
  void SetUp() override {
    const auto display = VirtualDisplay::start(server_);
    if (display) setenv("DISPLAY", display->c_str(), 1);
    if (!display && std::getenv("DISPLAY") == nullptr) {
      std::puts("no display and no Xvfb: the window is not tested here (apt-get install xvfb)");
      GTEST_SKIP();
    }
  }
  void TearDown() override {
    if (server_ <= 0) return;
    kill(server_, SIGTERM);
    waitpid(server_, nullptr, 0);
  }
  pid_t server_ = 0;
};

/// Asks for the window's end once the loop was read `reads` times.
class EndingSource final : public FakeSource {
 public:
  explicit EndingSource(int reads) : reads_left_(reads) {}
  LoopData loop() override {
    if (--reads_left_ <= 0) stop_.request_stop();
    return FakeSource::loop();
  }
  std::stop_token token() const { return stop_.get_token(); }

 private:
  std::atomic<int> reads_left_;
  std::stop_source stop_;
};

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

TEST_F(Window, OpensDrawsAndEndsWhenToldTo) {
  EndingSource source(1);
  run_window(source, FixedClock(), {}, source.token());
}

TEST_F(Window, CostsNothingWhileNothingHappens) {
  // Five polls, 2 s apart, that bring nothing new: opening and the first frames cost some 0.2 s here, each frame drawn
  // for nothing would add 20 ms, and a loop that polls 8 s.
  EndingSource source(5);
  const double before = cpu_seconds();
  run_window(source, FixedClock(), {}, source.token());
  const double spent = cpu_seconds() - before;
  std::printf("cpu: %.2f s in 8 s, opening included\n", spent);
  EXPECT_LT(spent, 3.0);
}

TEST(WindowWithoutDisplay, NamesTheWayToAPicture) {
  const char* display = std::getenv("DISPLAY");
  const std::string kept = display == nullptr ? "" : display;
  unsetenv("DISPLAY");
  unsetenv("WAYLAND_DISPLAY");
  FakeSource source;
  try {
    run_window(source, FixedClock(), {}, {});
    ADD_FAILURE() << "a window without a display";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("--screenshot"), std::string::npos);
  }
  if (!kept.empty()) setenv("DISPLAY", kept.c_str(), 1);
}

}  // namespace
}  // namespace afina::gui
