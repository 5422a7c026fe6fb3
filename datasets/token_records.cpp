// SPDX-License-Identifier: Apache-2.0
#include "datasets/token_records.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/error.h"
#include "datasets/token_layout.h"

namespace afina::datasets {
namespace {

using layout::FileHead;
using layout::RecordHead;

template <typename T>
T read_at(std::span<const std::byte> bytes, uint64_t offset) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// Takes one list after another off the front of a record; every length is checked before it is used.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& where) : rest_(bytes), where_(where) {}

  template <typename T>
  std::vector<T> list(uint64_t count) {
    std::vector<T> out(take_size(count, sizeof(T)) / sizeof(T));
    if (!out.empty()) std::memcpy(out.data(), rest_.data(), out.size() * sizeof(T));
    rest_ = rest_.subspan(out.size() * sizeof(T));
    return out;
  }
  std::string text(uint64_t count) {
    const auto bytes = list<char>(count);
    return {bytes.begin(), bytes.end()};
  }

 private:
  uint64_t take_size(uint64_t count, uint64_t each) const {
    if (count > rest_.size() / each) throw DataError(cat("[", where_, "] must hold a whole record, but is damaged."));
    return count * each;
  }

  std::span<const std::byte> rest_;
  const std::string& where_;
};

TokenExample read_example(const RecordHead& head, Cursor& cursor) {
  TokenExample example;
  example.soft_label = head.soft_label;
  example.margin = head.margin;
  example.weight = head.weight;
  example.tie = head.tie;
  example.score = (head.flags & layout::kScore) != 0;
  const auto lengths = cursor.list<uint32_t>(head.sequences);
  example.prefix_ids = cursor.list<int>(head.prefix);
  for (const uint32_t length : lengths)
    example.sequences.push_back({cursor.list<int>(length), {}});
  if ((head.flags & layout::kPromptWeights) != 0) example.prefix_weights = cursor.list<float>(head.prefix);
  for (auto& sequence : example.sequences) {
    if ((head.flags & layout::kAllTrained) != 0) {
      sequence.weights.assign(sequence.ids.size(), 1.0F);
    } else {
      sequence.weights = cursor.list<float>(sequence.ids.size());
    }
  }
  return example;
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what) {
  throw DataError(cat("[", path.string(), "] must ", what));
}

FileHead checked_head(std::span<const std::byte> bytes, const std::filesystem::path& path,
                      const std::string& key_sha256) {
  if (bytes.size() < sizeof(FileHead)) refuse(path, cat("have a header, but holds ", bytes.size(), " bytes."));
  const auto head = read_at<FileHead>(bytes, 0);
  if (head.magic != layout::kMagic) refuse(path, "be a cache of ids, but is another file.");
  if (head.version != kTokenRecordsVersion)
    refuse(path, cat("be of version ", kTokenRecordsVersion, ", but is of version ", head.version, "."));
  if (head.head_sha256 != layout::head_sha256(head)) refuse(path, "have a whole header, but it is damaged.");
  if (hex(head.key) != key_sha256) refuse(path, "hold the ids of this data set, but holds another's.");
  const uint64_t body = bytes.size() - sizeof(FileHead);
  const uint64_t most_rows = body / sizeof(TokenIndexEntry);
  const bool fits = head.records_bytes <= body && head.rows <= most_rows && head.notes_bytes <= body &&
                    head.records_bytes + head.rows * sizeof(TokenIndexEntry) <= body &&
                    head.records_bytes + head.rows * sizeof(TokenIndexEntry) + head.notes_bytes == body;
  if (!fits) refuse(path, cat("be as long as its header says, but has ", bytes.size(), " bytes."));
  return head;
}

// Gives the pages of a record that was read back to the file: a mapped page counts as memory of this process, and a
// fault maps its neighbours too (16 pages, fault_around_bytes). Another thread in the same pages maps them again.
void release_pages(std::span<const std::byte> record, std::span<const std::byte> map) {
  constexpr uintptr_t kFaultAround = 65536;
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<uintptr_t>(map.data());
  const auto last = (first + map.size() + page - 1) / page * page;
  const auto begin = std::max(reinterpret_cast<uintptr_t>(record.data()) / kFaultAround * kFaultAround, first);
  const auto end =
      (reinterpret_cast<uintptr_t>(record.data()) + record.size() + kFaultAround - 1) / kFaultAround * kFaultAround;
  ::madvise(reinterpret_cast<void*>(begin), std::min(end, last) - begin, MADV_DONTNEED);
}

}  // namespace

std::shared_ptr<const TokenRecords> TokenRecords::open(const std::filesystem::path& path,
                                                       const std::string& key_sha256) {
  std::shared_ptr<TokenRecords> out(new TokenRecords());
  out->map_.emplace(path);
  const auto bytes = out->map_->bytes();
  const FileHead head = checked_head(bytes, path, key_sha256);
  out->records_ = bytes.subspan(sizeof(FileHead), head.records_bytes);
  out->index_ = bytes.subspan(sizeof(FileHead) + head.records_bytes, head.rows * sizeof(TokenIndexEntry));
  const auto notes = bytes.last(head.notes_bytes);
  if (layout::sha256(out->index_) != head.index_sha256) refuse(path, "have a whole index, but it is damaged.");
  if (layout::sha256(notes) != head.notes_sha256) refuse(path, "have whole notes, but they are damaged.");
  out->notes_ = parse_json(std::string(reinterpret_cast<const char*>(notes.data()), notes.size()), path.string());
  out->rows_ = head.rows;
  out->where_ = path.string();
  out->data_hash_ = hex(head.data_sha256);
  return out;
}

TokenIndexEntry TokenRecords::entry(int64_t row) const {
  AFINA_CHECK(row >= 0 && row < size(), "a row of the data set, not ", row);
  return read_at<TokenIndexEntry>(index_, static_cast<uint64_t>(row) * sizeof(TokenIndexEntry));
}

std::span<const std::byte> TokenRecords::bytes_of(int64_t row) const {
  const uint64_t begin = entry(row).offset;
  const uint64_t end = row + 1 < size() ? entry(row + 1).offset : records_.size();
  if (begin > end || end > records_.size() || end - begin < sizeof(RecordHead))
    throw DataError(cat("[", where_, "] must point to record ", row, ", but points outside."));
  return records_.subspan(begin, end - begin);
}

TokenRecord TokenRecords::record(int64_t row) const {
  const auto bytes = bytes_of(row);
  const std::string where = cat(where_, ", row ", row);
  const auto head = read_at<RecordHead>(bytes, 0);
  if (head.checksum != layout::checksum(bytes)) {
    throw DataError(cat("[", where, "] must be as it was written, but is damaged."),
                    "delete the file: it is made again from the data");
  }
  Cursor cursor(bytes.subspan(sizeof(RecordHead)), where);
  TokenRecord record;
  record.example = read_example(head, cursor);
  record.name = cursor.text(head.name_bytes);
  if (head.lineage_bytes > 0) {
    for (const Json& id : parse_json(cursor.text(head.lineage_bytes), where))
      record.preference_ids.push_back(id.get<std::string>());
  }
  if (map_) release_pages(bytes, map_->bytes());
  return record;
}

}  // namespace afina::datasets
