// SPDX-License-Identifier: Apache-2.0
// JSON Lines, streamed: one JSON document a line, with line numbers in every error. Accepts a byte order mark, CRLF and
// blank lines; refuses lines above the cap, invalid UTF-8, duplicate keys and NUL characters. No Unicode normalisation.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/json.h"

namespace afina::formats {

struct JsonlOptions {
  size_t max_line_bytes = size_t{1} << 20;
  int max_depth = 64;
  uint64_t max_file_bytes = uint64_t{10} << 30;
};

/// Not thread-safe. Memory is bounded by the longest allowed line.
class JsonlReader {
 public:
  /// Throws NotFound or StorageError where the file cannot be opened.
  explicit JsonlReader(const std::filesystem::path& path, JsonlOptions options = {});
  ~JsonlReader();
  JsonlReader(JsonlReader&&) noexcept;
  JsonlReader& operator=(JsonlReader&&) noexcept;

  /// The next document, or nothing at the end. Throws DataError "[file:line] …"; the reader must not be used after
  /// that.
  std::optional<Json> next();
  /// The line of the last document, counted from 1 (blank lines count).
  int64_t line() const;
  /// "file:line" of the last document, for errors.
  std::string where() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Throws DataError where any string or key of the document holds U+0000, which PostgreSQL cannot store.
void refuse_nul(const Json& value, const std::string& where);

}  // namespace afina::formats
