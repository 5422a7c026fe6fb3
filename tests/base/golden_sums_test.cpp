// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "base/hash.h"
#include "tests/support/golden.h"

namespace afina {
namespace {

TEST(Golden, EveryFileIsListedWithItsHash) {
  std::set<std::string> listed;
  std::ifstream in(golden_path("SHA256SUMS"));
  uintmax_t bytes = 0;
  for (std::string line; std::getline(in, line);) {
    const std::string hash = line.substr(0, 64), name = line.substr(68);
    EXPECT_EQ(sha256_file_hex(golden_path(name).string()), hash) << name;
    bytes += std::filesystem::file_size(golden_path(name));
    listed.insert(name);
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(golden_path(""))) {
    const std::string name = std::filesystem::relative(entry.path(), golden_path("")).generic_string();
    if (!entry.is_regular_file() || entry.path().filename() == "README.md" || name == "SHA256SUMS") continue;
    if (name.ends_with(".new.png") || name.ends_with(".diff.png")) continue;  // left by a failed picture test
    EXPECT_EQ(listed.count(name), 1U) << name << " is not in SHA256SUMS";
  }
  EXPECT_LT(bytes, 20U << 20);
}

}  // namespace
}  // namespace afina
