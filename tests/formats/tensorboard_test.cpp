// SPDX-License-Identifier: Apache-2.0
#include "formats/tensorboard.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "tests/support/temp_folder.h"

namespace afina::formats {
namespace {

std::string hex_of(const std::string& bytes) {
  return hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

TEST(TensorBoard, ChecksumEqualsTheCheckValue) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
}

TEST(TensorBoard, RecordsEqualTheGoldenBytes) {
  EXPECT_EQ(hex_of(tensorboard_record(tensorboard_version_event(1.0))),
            "1800000000000000a37f4b2209000000000000f03f1a0d627261696e2e4576656e743a3286bf577a");
  EXPECT_EQ(hex_of(tensorboard_record(tensorboard_scalar_event(2.0, 1, "train/loss", 0.5F))),
            "200000000000000029eda95009000000000000004010012a130a110a0a747261696e2f6c6f7373150000003fbe966704");
}

size_t count_records(const std::string& bytes) {
  size_t at = 0, records = 0;
  while (at + 12 <= bytes.size()) {
    uint64_t size = 0;
    std::memcpy(&size, bytes.data() + at, 8);
    EXPECT_EQ(tensorboard_record(bytes.substr(at + 12, size)), bytes.substr(at, size + 16)) << "record " << records;
    at += size + 16;
    ++records;
  }
  EXPECT_EQ(at, bytes.size());
  return records;
}

TEST(TensorBoard, WritesWholeRecordsAtEachFlush) {
  const TempFolder folder;
  TensorBoardWriter writer(folder.path() / "logs" / "run");
  EXPECT_EQ(writer.path().filename().string().rfind("events.out.tfevents.", 0), 0U);
  EXPECT_EQ(count_records(read_file(writer.path())), 1U) << "the version comes first";
  writer.scalar("train/loss", 1, 0.5);
  writer.scalar("train/learning_rate", 300, 5e-5);
  EXPECT_EQ(count_records(read_file(writer.path())), 1U) << "nothing before the flush";
  writer.flush();
  EXPECT_EQ(count_records(read_file(writer.path())), 3U);
}

TEST(TensorBoard, TwoWritersNeverShareAFile) {
  const TempFolder folder;
  const TensorBoardWriter first(folder.path());
  const TensorBoardWriter second(folder.path());
  EXPECT_NE(first.path(), second.path());
}

TEST(TensorBoard, SaysWhereItCannotWrite) {
  EXPECT_THROW(TensorBoardWriter("/proc/afina"), StorageError);
}

}  // namespace
}  // namespace afina::formats
