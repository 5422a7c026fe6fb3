// SPDX-License-Identifier: Apache-2.0
// Ids that were made once: the same rows from the map as from memory, and no damaged, foreign or hostile file believed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "datasets/token_cache.h"
#include "datasets/token_layout.h"
#include "tests/support/temp_folder.h"

namespace afina::datasets {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string kKey(64, 'a');

PairRow pair(int i) {
  PairRow row;
  row.form = PairTokens{{1, 2, i}, {3, 4, 5 + i}, {6}};
  row.soft_label = 0.75;
  row.tie = 0.25;
  row.margin = 0.5;
  row.weight = 1.0 + i;
  row.where = cat("rows.jsonl:", i + 1);
  row.preference_ids = {cat("p", i), "with \"quotes\""};
  return row;
}

RowStream pairs(int n, int* read = nullptr) {
  return [n, read, i = 0]() mutable -> std::optional<AnyRow> {
    if (i >= n) return std::nullopt;
    if (read != nullptr) ++*read;
    return pair(i++);
  };
}

BuildRows building(int n, int* read = nullptr) {
  return [n, read](TokenRecordsWriter& out) { return encode_stream(pairs(n, read), nullptr, {}, out); };
}

TokenCacheKey key() {
  return {"source", "tokenizer", to_string(EncodeRowsOptions{})};
}

fs::path only_file(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& file : fs::directory_iterator(folder))
    files.push_back(file.path());
  EXPECT_EQ(files.size(), 1U) << "no temporary file is left";
  return files.empty() ? fs::path() : files.front();
}

void expect_same(const EncodedRows& one, const EncodedRows& other) {
  ASSERT_EQ(one.size(), other.size());
  EXPECT_EQ(one.data_hash(), other.data_hash());
  EXPECT_EQ(one.report().summary(), other.report().summary());
  for (int64_t row = 0; row < one.size(); ++row) {
    EXPECT_EQ(one.content_hash(row), other.content_hash(row));
    EXPECT_EQ(one.lineage(row), other.lineage(row));
    EXPECT_EQ(one.tokens(row), other.tokens(row));
    EXPECT_EQ(one.prompt_key(row), other.prompt_key(row));
    const TokenExample a = one.example(row), b = other.example(row);
    EXPECT_EQ(a.sequences[0].weights, b.sequences[0].weights);
    EXPECT_EQ(std::vector({a.soft_label, a.margin, a.weight, a.tie}),
              std::vector({b.soft_label, b.margin, b.weight, b.tie}));
  }
}

TEST(TokenCache, TheSecondRunReadsNoRowAndGetsTheSameOnes) {
  const TempFolder folder;
  int read = 0;
  bool hit = true;
  const auto built = cached_rows(folder.path() / "tokens", key(), building(5, &read), &hit);
  EXPECT_FALSE(hit);
  EXPECT_EQ(read, 5);
  const auto mapped = cached_rows(folder.path() / "tokens", key(), building(5, &read), &hit);
  EXPECT_TRUE(hit);
  EXPECT_EQ(read, 5) << "no row was read again";
  TokenRecordsWriter memory;
  const auto fresh = building(5)(memory);
  expect_same(built, fresh);
  expect_same(mapped, fresh);
  EXPECT_EQ(mapped.example(3).tie, 0.25);
  EXPECT_EQ(mapped.lineage(1)["preference_ids"][1], "with \"quotes\"");
}

TEST(TokenCache, EveryPartOfTheKeyMatters) {
  const std::string base = key().sha256();
  TokenCacheKey other = key();
  other.source = "another";
  EXPECT_NE(other.sha256(), base);
  other = key();
  other.tokenizer = "another";
  EXPECT_NE(other.sha256(), base);
  other = key();
  other.options += " ";
  EXPECT_NE(other.sha256(), base);
}

TEST(TokenCache, RecordsOfEveryKindReadBackAsTheyWere) {
  TokenExample score{{1, 2}, {{{3}, {1}}, {{4}, {1}}}};
  score.score = true;
  TokenExample prompt{{7, 8, 9}, {{{3, 4}, {1, 0.25F}}}};
  prompt.prefix_weights = {1, 0.5F, 0};
  TokenExample row{{}, {{{5, 6}, {0, 1}}}};
  TokenRecordsWriter writer;
  for (const auto* example : {&score, &prompt, &row})
    writer.add({*example, "name", {}});
  const auto records = writer.finish(Json::object());
  for (int64_t i = 0; i < 3; ++i) {
    const TokenExample& wanted = i == 0 ? score : i == 1 ? prompt : row;
    const TokenExample read = records->record(i).example;
    EXPECT_EQ(content_hash(read), content_hash(wanted));
    EXPECT_EQ(read.score, wanted.score);
    EXPECT_EQ(read.prefix_weights, wanted.prefix_weights);
  }
  EXPECT_EQ(records->entry(1).prompt_tokens, 3U);
  EXPECT_EQ(records->entry(2).prompt_key, 0U);
  EXPECT_THROW(records->record(3), InternalError);
}

// Neither the open file nor any of its records may pass for whole.
int damages_seen(const fs::path& path, const EncodedRows& fresh) {
  std::shared_ptr<const TokenRecords> records;
  try {
    records = TokenRecords::open(path, path.stem().string());
  } catch (const DataError&) {
    return 1;
  }
  int seen = 0;
  for (int64_t row = 0; row < records->size(); ++row) {
    try {
      EXPECT_EQ(content_hash(records->record(row).example), fresh.content_hash(row));
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("damaged"));
      ++seen;
    }
  }
  return seen;
}

// Flips one bit of a byte at each place of a file in turn.
TEST(TokenCache, DamageAnywhereIsSeen) {
  const TempFolder folder;
  const auto fresh = cached_rows(folder.path(), key(), building(2));
  const fs::path path = only_file(folder.path());
  const std::string whole = read_file(path);
  // In place: writing the file anew would wait for the disk each time.
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](size_t at, char byte) {
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte).flush();
  };
  for (size_t at = 0; at < whole.size(); ++at) {
    put(at, static_cast<char>(whole[at] ^ 0x40));
    EXPECT_EQ(damages_seen(path, fresh), 1) << "byte " << at;
    put(at, whole[at]);
  }
  EXPECT_EQ(damages_seen(path, fresh), 0) << "the control";
}

TEST(TokenCache, CutForeignAndEmptyFilesAreReplaced) {
  const TempFolder folder;
  cached_rows(folder.path(), key(), building(3));
  const fs::path path = only_file(folder.path());
  const std::string whole = read_file(path);
  for (const std::string& bad : {std::string(), std::string("x"), whole.substr(0, 199),
                                 whole.substr(0, whole.size() - 1), whole + "x", std::string(4096, '\0')}) {
    write_file_synced(path, bad);
    EXPECT_THROW(TokenRecords::open(path, path.stem().string()), DataError);
    bool hit = true;
    EXPECT_EQ(cached_rows(folder.path(), key(), building(3), &hit).size(), 3);
    EXPECT_FALSE(hit);
    EXPECT_EQ(read_file(path), whole) << "the same rows make the same bytes";
  }
  EXPECT_THROW(TokenRecords::open(path, kKey), DataError) << "a file of another key is not believed";
  EXPECT_THROW(TokenRecords::open(folder.path() / "none", kKey), NotFound);
}

// A header whose sums are right and whose sizes are not.
TEST(TokenCache, HostileSizesAreRefusedBeforeTheyAreUsed) {
  const TempFolder folder;
  cached_rows(folder.path(), key(), building(3));
  const fs::path path = only_file(folder.path());
  const std::string whole = read_file(path);
  for (const uint64_t size : {uint64_t{0}, uint64_t{4}, uint64_t{1} << 40, UINT64_MAX, UINT64_MAX / 24 + 1}) {
    for (auto field : {&layout::FileHead::rows, &layout::FileHead::records_bytes, &layout::FileHead::notes_bytes}) {
      layout::FileHead head;
      std::memcpy(&head, whole.data(), sizeof head);
      head.*field = size;
      head.head_sha256 = layout::head_sha256(head);
      std::string bad = whole;
      std::memcpy(bad.data(), &head, sizeof head);
      write_file_synced(path, bad);
      EXPECT_THROW(TokenRecords::open(path, path.stem().string()), DataError) << size;
    }
  }
}

// A record whose checksum is right and whose counts are not.
TEST(TokenCache, HostileCountsOfARecordAreRefused) {
  const TempFolder folder;
  const fs::path path = folder.path() / "one.tokens";
  TokenRecordsWriter writer(path, kKey);
  building(1)(writer);
  const std::string whole = read_file(path);
  for (auto field : {&layout::RecordHead::sequences, &layout::RecordHead::prefix, &layout::RecordHead::name_bytes,
                     &layout::RecordHead::lineage_bytes}) {
    layout::FileHead file;
    layout::RecordHead head;
    std::memcpy(&file, whole.data(), sizeof file);
    std::string bad = whole;
    std::memcpy(&head, whole.data() + sizeof file, sizeof head);
    head.*field = 0x7FFFFFFF;
    std::memcpy(bad.data() + sizeof file, &head, sizeof head);
    const auto bytes = std::as_bytes(std::span(bad)).subspan(sizeof file, file.records_bytes);
    head.checksum = layout::checksum(bytes);
    std::memcpy(bad.data() + sizeof file, &head, sizeof head);
    write_file_synced(path, bad);
    EXPECT_THROW(TokenRecords::open(path, kKey)->record(0), DataError);
  }
}

TEST(TokenCache, AFailedBuildLeavesNothingAndAFullFolderCostsOnlyTheCache) {
  const TempFolder folder;
  EXPECT_THROW(cached_rows(folder.path(), key(), building(0)), DataError) << "no row is no data set";
  EXPECT_TRUE(fs::is_empty(folder.path()));
  write_file_synced(folder.path() / "file", "");
  bool hit = true;
  EXPECT_EQ(cached_rows(folder.path() / "file" / "tokens", key(), building(2), &hit).size(), 2);
  EXPECT_FALSE(hit);
}

TEST(TokenCache, ADiskThatFillsUpLeavesNoFileAndTheRowsInMemory) {
  const TempFolder folder;
  // A limit on the size of files stands for the disk.
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small { .rlim_cur = 4096, .rlim_max = before.rlim_max };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  bool hit = true;
  const auto rows = cached_rows(folder.path(), key(), building(200), &hit);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_FALSE(hit);
  EXPECT_EQ(rows.size(), 200);
  EXPECT_EQ(rows.example(199).weight, 200.0);
  EXPECT_TRUE(fs::is_empty(folder.path()));
  EXPECT_EQ(cached_rows(folder.path(), key(), building(200)).data_hash(), rows.data_hash());
}

TEST(TokenCache, TrimmingRemovesWhatWasUsedLongestAgo) {
  const TempFolder folder;
  std::vector<fs::path> files;
  for (int i = 0; i < 3; ++i) {
    TokenCacheKey one = key();
    one.source = cat(i);
    cached_rows(folder.path(), one, building(2));
    files.push_back(folder.path() / (one.sha256() + ".tokens"));
    fs::last_write_time(files.back(), fs::file_time_type::clock::now() - std::chrono::hours(10 - i));
  }
  TokenCacheKey first = key();
  first.source = "0";
  cached_rows(folder.path(), first, building(2));
  trim_token_cache(folder.path(), 2 * fs::file_size(files[0]));
  EXPECT_TRUE(fs::exists(files[0])) << "it was used a moment ago";
  EXPECT_FALSE(fs::exists(files[1]));
  EXPECT_TRUE(fs::exists(files[2]));
  trim_token_cache(folder.path() / "none", 0);
}

}  // namespace
}  // namespace afina::datasets
