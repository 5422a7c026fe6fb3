// SPDX-License-Identifier: Apache-2.0
// Bytes of an import into lines or JSON values, one at a time: memory is bounded by the longest allowed record,
// whatever the file holds. What is too long is passed over and told, never cut.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace afina::datasets {

/// Where the bytes come from.
class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;
  /// Fills up to size bytes; 0 at the end. Throws StorageError.
  virtual size_t read(char* buffer, size_t size) = 0;
};
/// The text must outlive it.
std::unique_ptr<ByteSource> memory_source(std::string_view text);
/// Throws NotFound or StorageError.
std::unique_ptr<ByteSource> file_source(const std::filesystem::path& path);

/// A conversation of our own export: what /v1 accepts (4 MiB), and what was answered to it.
inline constexpr size_t kMostRecordBytes = size_t{8} << 20;

/// One line or JSON value of a file.
struct RawRecord {
  std::string text;
  int64_t line = 0;         ///< where it begins, from 1
  bool too_long = false;    ///< more than kMostRecordBytes: text holds its beginning
  bool unfinished = false;  ///< the file ends within it
};

/// A byte order mark is passed over; CRLF ends a line as LF does.
class RecordReader {
 public:
  explicit RecordReader(ByteSource& source) : source_(source) {}
  /// The next line without its end, also an empty one. False at the end.
  bool next_line(RawRecord& out);
  /// The next JSON value of JSON Lines, of an array, or of one value over several lines (a file that begins with a lone
  /// brace). False at the end. Values are not checked but for where they end.
  bool next_json(RawRecord& out);
  /// The first byte that is no blank, which stays to be read; -1 at the end.
  int first_byte();

 private:
  int peek();
  int take();
  void add(RawRecord& out, char c);
  void skip_blanks(bool commas);
  bool next_value(RawRecord& out);

  enum class Form { unknown, lines, values, array };
  ByteSource& source_;
  std::string buffer_;
  size_t at_ = 0;
  bool ended_ = false, begun_ = false;
  int64_t line_ = 1;
  Form form_ = Form::unknown;
};

}  // namespace afina::datasets
