// SPDX-License-Identifier: Apache-2.0
// Runs the real `afina` with lines on stdin, for tests of its commands.
#pragma once
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/cat.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::app {

class VerbTest : public ::testing::Test {
 protected:
  struct Answer {
    int code = -1;
    std::string out;
    std::vector<Json> lines;
  };

  Answer run(const std::string& arguments, const std::string& input) {
    const auto in = folder_.path() / "in";
    std::ofstream(in, std::ios::binary) << input;
    const std::string command = cat(program_path("afina").string(), " ", arguments, " < ", in.string(), " 2> ",
                                    (folder_.path() / "err").string());
    Answer answer;
    FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return answer;
    std::array<char, 65536> buffer{};
    while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe))
      answer.out.append(buffer.data(), n);
    const int status = pclose(pipe);
    answer.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    std::istringstream lines(answer.out);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with('{') && line.ends_with('}')) answer.lines.push_back(parse_json(line, "answer"));
    }
    return answer;
  }

  static Json golden(const char* name) { return parse_json(read_file(golden_path(name)), name); }

  TempFolder folder_;
};

}  // namespace afina::app
