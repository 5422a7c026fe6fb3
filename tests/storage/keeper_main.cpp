// SPDX-License-Identifier: Apache-2.0
// A keeper for tests: what `afina db keep` runs, without the rest of afina.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/cancel.h"
#include "base/error.h"
#include "storage/keeper.h"

int main(int argc, char** argv) {
  afina::storage::KeeperOptions options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--home") options.home = argv[i + 1];
    if (name == "--linger-ms") options.linger = std::chrono::milliseconds(std::atol(argv[i + 1]));
    if (name == "--ready-fd") options.ready_fd = std::atoi(argv[i + 1]);
  }
  try {
    return afina::storage::run_keeper(options, afina::stop_on_signals());
  } catch (const std::exception& error) {
    return afina::report_exception(error);
  }
}
