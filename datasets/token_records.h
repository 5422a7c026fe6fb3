// SPDX-License-Identifier: Apache-2.0
// Token examples as bytes, one layout in memory and on disk (docs/formats.md): a record a row, and an index with what
// planning needs, so that a mapped data set of a million rows costs the pages that are read. Little-endian.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "datasets/batch/packing.h"

namespace afina::datasets {

inline constexpr uint32_t kTokenRecordsVersion = 1;

/// What planning knows of a row without its record.
struct TokenIndexEntry {
  uint64_t offset = 0;         ///< of the record, from the first record
  uint32_t tokens = 0;         ///< TokenExample::rows()
  uint32_t prompt_tokens = 0;  ///< of the prefix
  uint64_t prompt_key = 0;
};
static_assert(sizeof(TokenIndexEntry) == 24);

struct TokenRecord {
  TokenExample example;
  std::string name;                         ///< "votes.jsonl:12"
  std::vector<std::string> preference_ids;  ///< judgements behind it
};

/// Reads; immutable, any thread.
class TokenRecords {
 public:
  /// Maps a file. Throws NotFound, StorageError, or DataError "[path] must …" for a file that is no such records, of
  /// another key, incomplete or damaged in its header, index or notes; damage within a record shows when it is read.
  static std::shared_ptr<const TokenRecords> open(const std::filesystem::path& path, const std::string& key_sha256);

  int64_t size() const { return static_cast<int64_t>(rows_); }
  /// Throws DataError for an entry that points outside, InternalError for a row that is none.
  TokenIndexEntry entry(int64_t row) const;
  /// Throws DataError naming file and row where the record is damaged.
  TokenRecord record(int64_t row) const;
  const std::string& data_hash() const { return data_hash_; }
  const Json& notes() const { return notes_; }

 private:
  friend class TokenRecordsWriter;
  TokenRecords() = default;
  std::span<const std::byte> bytes_of(int64_t row) const;

  std::optional<MappedFile> map_;
  std::vector<std::byte> owned_;
  std::vector<TokenIndexEntry> owned_index_;
  std::span<const std::byte> records_, index_;
  uint64_t rows_ = 0;
  std::string where_, data_hash_;
  Json notes_;
};

/// Writes record after record, into memory or into a file that appears whole or not at all. Memory: 24 bytes a row
/// beside the records. Not thread-safe.
class TokenRecordsWriter {
 public:
  /// Into memory.
  TokenRecordsWriter();
  /// Into a temporary sibling of path, renamed by finish(). key_sha256: 64 hex digits that open() asks for. Throws
  /// StorageError.
  TokenRecordsWriter(std::filesystem::path path, const std::string& key_sha256);
  /// Removes the temporary file of a writer that did not finish.
  ~TokenRecordsWriter();
  TokenRecordsWriter(const TokenRecordsWriter&) = delete;
  TokenRecordsWriter& operator=(const TokenRecordsWriter&) = delete;

  /// Throws StorageError (a full disk), DataError for an example above 2^32 tokens.
  void add(const TokenRecord& record);
  int64_t size() const;
  /// notes: an object kept with the records. Throws StorageError; then no file appears.
  std::shared_ptr<const TokenRecords> finish(const Json& notes);

 private:
  struct File;
  void append(std::span<const std::byte> bytes);

  std::unique_ptr<File> file_;
  std::vector<std::byte> records_, scratch_;
  std::vector<TokenIndexEntry> index_;
  uint64_t written_ = 0;
  Sha256 data_;
};

}  // namespace afina::datasets
