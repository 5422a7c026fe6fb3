// SPDX-License-Identifier: Apache-2.0
// One of our programs run as from a shell, with all it says.
#pragma once
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

#include "base/cat.h"
#include "tests/support/golden.h"

namespace afina::app {

struct Answer {
  int code = -1;
  std::string text;  // stdout and stderr
};

/// Ends it after a minute.
inline Answer run_program(const char* program, const std::string& arguments) {
  Answer answer;
  const std::string command = cat("timeout 60 ", program_path(program).string(), " ", arguments, " 2>&1");
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return answer;
  std::array<char, 4096> buffer{};
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe))
    answer.text.append(buffer.data(), n);
  const int status = pclose(pipe);
  answer.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return answer;
}

}  // namespace afina::app
