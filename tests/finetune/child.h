// SPDX-License-Identifier: Apache-2.0
// A test of this binary in a process of its own, to be killed.
#pragma once
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "base/cat.h"

extern char** environ;

namespace afina::finetune::toy {

/// Runs the test `name` of this binary in a process of its own with AFINA_TEST_FOLDER set; returns the wait status.
inline int run_child(const char* name, const std::filesystem::path& folder) {
  ::setenv("AFINA_TEST_FOLDER", folder.c_str(), 1);
  std::string filter = cat("--gtest_filter=", name);
  std::string program = "/proc/self/exe", disabled = "--gtest_also_run_disabled_tests";
  char* arguments[] = {program.data(), filter.data(), disabled.data(), nullptr};
  pid_t child = -1;
  if (::posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, arguments, environ) != 0)
    throw std::runtime_error("spawn");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace afina::finetune::toy
