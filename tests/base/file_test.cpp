// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/home.h"
#include "tests/support/temp_folder.h"

namespace afina {
namespace {

TEST(File, ReplacesAFileAtomicallyAndLeavesNoTemporary) {
  const TempFolder folder;
  const auto path = folder.path() / "a.txt";
  write_file_atomic(path, "one");
  write_file_atomic(path, "two");
  EXPECT_EQ(read_file(path), "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(File, SaysNotFoundForAMissingFile) {
  EXPECT_THROW(read_file("/nonexistent/x"), NotFound);
}

TEST(File, RefusesAFileAboveTheLimit) {
  const TempFolder folder;
  write_file_atomic(folder.path() / "b", std::string(100, 'x'));
  EXPECT_THROW(read_file(folder.path() / "b", 99), DataError);
  EXPECT_EQ(read_file(folder.path() / "b", 100).size(), 100U);
}

TEST(File, MapsTheBytesOfAFile) {
  const TempFolder folder;
  write_file_atomic(folder.path() / "c", "hello");
  const MappedFile map(folder.path() / "c");
  EXPECT_EQ(map.bytes().size(), 5U);
  EXPECT_EQ(static_cast<char>(map.bytes()[4]), 'o');
  EXPECT_THROW(MappedFile("/"), StorageError);
}

TEST(Hash, EqualsTheFipsExample) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const TempFolder folder;
  write_file_atomic(folder.path() / "d", "abc");
  EXPECT_EQ(sha256_file_hex(folder.path() / "d"), sha256_hex("abc"));
}

TEST(Home, PrefersTheVariableThenANearbyFolderThenTheUsersData) {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path() / "p" / ".afina");
  std::filesystem::create_directories(folder.path() / "p" / "q");
  HomeInputs inputs{std::nullopt, std::nullopt, "/home/ana", folder.path() / "p" / "q"};
  EXPECT_EQ(find_home(inputs), folder.path() / "p" / ".afina");
  inputs.afina_home = "/x/y";
  EXPECT_EQ(find_home(inputs), "/x/y");
  EXPECT_EQ(find_home({std::nullopt, std::nullopt, "/home/ana", folder.path()}), "/home/ana/.local/share/afina");
  EXPECT_THROW(find_home({std::nullopt, std::nullopt, std::nullopt, folder.path()}), UsageError);
}

}  // namespace
}  // namespace afina
