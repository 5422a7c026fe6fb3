// SPDX-License-Identifier: Apache-2.0
// TensorBoard event files (tensorboard compat/proto/event.proto, summary.proto; TFRecord framing): scalars only, append
// only. A record is written with one write call, so a reader, or a crash, sees whole records or a torn tail that
// readers skip.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace afina::formats {

/// CRC-32C (Castagnoli) of the bytes.
uint32_t crc32c(std::string_view bytes);
/// One framed record: length, masked checksum, data, masked checksum.
std::string tensorboard_record(std::string_view data);
/// The serialised events, for tests and importers. wall_time in seconds since 1970.
std::string tensorboard_version_event(double wall_time);
std::string tensorboard_scalar_event(double wall_time, int64_t step, std::string_view tag, float value);

/// Not thread-safe.
class TensorBoardWriter {
 public:
  /// Creates the folder where needed and a new file `events.out.tfevents.<seconds>.<host>.<pid>.<n>` in it: a resumed
  /// run gets a file of its own, as in the peers. Throws StorageError.
  explicit TensorBoardWriter(const std::filesystem::path& folder);
  ~TensorBoardWriter();
  TensorBoardWriter(const TensorBoardWriter&) = delete;
  TensorBoardWriter& operator=(const TensorBoardWriter&) = delete;

  /// Buffers one scalar of a step at the present time. tag such as "train/loss".
  void scalar(std::string_view tag, int64_t step, double value);
  /// Hands everything buffered to the file. Throws StorageError; call once a step.
  void flush();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::string buffer_;
};

}  // namespace afina::formats
