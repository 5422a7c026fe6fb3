// SPDX-License-Identifier: Apache-2.0
#include "finetune/checkpoint_store.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace afina::finetune {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

void write_one(const fs::path& folder, const std::string& text) {
  write_file_synced(folder / "state", text);
  fs::create_directories(folder / "adapter");
  write_file_synced(folder / "adapter/weights", text + " weights");
}

fs::path save(CheckpointStore& store, int64_t step) {
  return store.save(step, {{"config_hash", "c"}},
                    [&](const fs::path& folder) { write_one(folder, std::to_string(step)); });
}

void flip_bit(const fs::path& path, size_t at) {
  std::string bytes = read_file(path);
  bytes.at(at) = static_cast<char>(bytes.at(at) ^ 0x10);
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(CheckpointStore, KeepsTheNewestAndNamesTheLatest) {
  const TempFolder folder;
  CheckpointStore store(folder.path(), 2);
  EXPECT_FALSE(store.newest_valid());
  for (const int64_t step : {5, 10, 15})
    save(store, step);
  EXPECT_FALSE(fs::exists(folder.path() / "ckpt-00000005"));
  EXPECT_TRUE(fs::exists(folder.path() / "ckpt-00000010"));
  EXPECT_EQ(read_file(folder.path() / "LATEST"), "ckpt-00000015\n");
  const auto newest = store.newest_valid();
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->step, 15);
  EXPECT_EQ(newest->facts.at("config_hash"), "c");
  EXPECT_EQ(read_file(newest->folder / "adapter/weights"), "15 weights");
}

class Damage : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(CheckpointStore, Damage, ::testing::Values("state", "adapter/weights", "MANIFEST.json"));

TEST_P(Damage, OfOneBitFallsBackToTheCheckpointBefore) {
  const TempFolder folder;
  CheckpointStore store(folder.path(), 3);
  save(store, 5);
  const fs::path newest = save(store, 10);
  EXPECT_EQ(checkpoint_fault(newest), "");
  const std::string before = read_file(newest / GetParam());
  for (size_t at = 0; at < before.size(); at += 5) {
    flip_bit(newest / GetParam(), at);
    ASSERT_NE(checkpoint_fault(newest), "") << "byte " << at;
    std::ofstream(newest / GetParam(), std::ios::binary) << before;
  }
  flip_bit(newest / GetParam(), before.size() / 2);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(store.newest_valid()->step, 5);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("ckpt-00000010"));
}

TEST_P(Damage, ByAMissingOrShortFileFallsBackToo) {
  const TempFolder folder;
  CheckpointStore store(folder.path(), 3);
  save(store, 5);
  const fs::path newest = save(store, 10);
  fs::resize_file(newest / GetParam(), fs::file_size(newest / GetParam()) / 2);
  EXPECT_EQ(store.newest_valid()->step, 5);
  fs::remove(newest / GetParam());
  EXPECT_EQ(store.newest_valid()->step, 5);
}

TEST(CheckpointStore, ADamagedStepReachedAgainIsPutAsideNotOverwritten) {
  const TempFolder folder;
  CheckpointStore store(folder.path(), 3);
  save(store, 5);
  const fs::path newest = save(store, 10);
  flip_bit(newest / "state", 0);
  save(store, 10);
  EXPECT_EQ(store.newest_valid()->step, 10);
  int aside = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    aside += entry.path().filename().string().find(".old-") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(aside, 1);
}

TEST(CheckpointStore, AFailedSaveLeavesEverythingAsItWas) {
  const TempFolder folder;
  CheckpointStore store(folder.path(), 1);
  save(store, 5);
  EXPECT_THROW(store.save(10, {},
                          [](const fs::path& target) {
                            write_file_synced(target / "half", "x");
                            throw StorageError("[test] must write, but got: no space left.");
                          }),
               StorageError);
  EXPECT_EQ(store.newest_valid()->step, 5);
  EXPECT_EQ(read_file(folder.path() / "LATEST"), "ckpt-00000005\n");
  CheckpointStore again(folder.path(), 1);
  EXPECT_FALSE(fs::exists(folder.path() / "ckpt-00000010.tmp"));
}

TEST(CheckpointStore, ForeignNamesAreLeftAlone) {
  const TempFolder folder;
  fs::create_directories(folder.path() / "ckpt-notes");
  fs::create_directories(folder.path() / "ckpt-99999999999999999999999");
  CheckpointStore store(folder.path(), 1);
  EXPECT_FALSE(store.newest_valid());
  save(store, 1);
  save(store, 2);
  EXPECT_TRUE(fs::exists(folder.path() / "ckpt-notes"));
}

TEST(CheckpointStore, AnUnwritableFolderIsAStorageError) {
  const TempFolder folder;
  write_file_atomic(folder.path() / "file", "x");
  EXPECT_THROW(CheckpointStore(folder.path() / "file", 1), StorageError);
}

}  // namespace
}  // namespace afina::finetune
