// SPDX-License-Identifier: Apache-2.0
// Which form of rows a kind of run reads, and ids that a second run takes from the cache.
#include "finetune/row_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "finetune/encoded_rows.h"
#include "tests/support/temp_folder.h"

namespace afina::finetune {
namespace {

constexpr const char* kPairs =
    "{\"prompt_ids\":[1,2],\"chosen_ids\":[3],\"rejected_ids\":[4]}\n"
    "{\"prompt_ids\":[1,2],\"chosen_ids\":[5],\"rejected_ids\":[6,7]}\n";
constexpr const char* kUnpaired = "{\"prompt_ids\":[1],\"completion_ids\":[3],\"label\":true}\n";
constexpr const char* kRankings = "{\"prompt_ids\":[1],\"completions_ids\":[[3],[4],[5]]}\n";
constexpr const char* kSft = "{\"input_ids\":[1,2,3]}\n";

class RowSourceTest : public testing::Test {
 protected:
  std::filesystem::path file(const char* text) {
    write_file_synced(folder_.path() / "rows.jsonl", text);
    return folder_.path() / "rows.jsonl";
  }
  EncodeRequest request(RunKind kind) {
    config_.per_device_train_batch_size = 2;
    EncodeRequest out;
    out.kind = kind;
    out.config = &config_;
    out.cache = folder_.path() / "tokens";
    out.text = [this]() -> const text::TextStack* {
      ++text_asked_;
      return nullptr;
    };
    out.vocab_size = 100;
    return out;
  }

  TempFolder folder_;
  RunConfig config_;
  int text_asked_ = 0;
};

TEST_F(RowSourceTest, EachKindReadsItsForms) {
  EXPECT_EQ(read_rows(RunKind::sft, file(kSft)).index(), 0U);
  for (const RunKind kind : {RunKind::dpo, RunKind::cpo, RunKind::orpo, RunKind::reward})
    EXPECT_EQ(read_rows(kind, file(kPairs)).index(), 1U);
  for (const RunKind kind : {RunKind::kto, RunKind::bco}) {
    EXPECT_EQ(read_rows(kind, file(kUnpaired)).index(), 2U);
    EXPECT_EQ(read_rows(kind, file(kPairs)).index(), 1U) << "unpaired when they are encoded";
  }
  EXPECT_EQ(read_rows(RunKind::dpo, file(kRankings)).index(), 3U);
  EXPECT_FALSE(has_text(read_rows(RunKind::dpo, file(kRankings))));
  EXPECT_TRUE(has_text(read_rows(RunKind::dpo, file("{\"prompt\":\"p\",\"completions\":[\"a\",\"b\"]}"))));
}

TEST_F(RowSourceTest, RowsOfAnotherKindAreRefused) {
  for (const RunKind kind : {RunKind::cpo, RunKind::orpo, RunKind::reward})
    EXPECT_THROW(read_rows(kind, file(kRankings)), DataError);
  EXPECT_THROW(read_rows(RunKind::kto, file(kRankings)), DataError);
  EXPECT_THROW(read_rows(RunKind::dpo, file(kUnpaired)), DataError);
  EXPECT_THROW(read_rows(RunKind::sft, file(kPairs)), DataError);
  EXPECT_THROW(read_rows(RunKind::dpo, file((std::string(kPairs) + kRankings).c_str())), DataError)
      << "one file, one form";
  EXPECT_THROW(read_rows(RunKind::dpo, file("")), DataError);
  EXPECT_THROW(file_source(RunKind::dpo, folder_.path() / "none"), NotFound);
}

TEST_F(RowSourceTest, PairsBecomeUnpairedRowsForKto) {
  const auto rows = encode_rows(file_source(RunKind::kto, file(kPairs)), request(RunKind::kto));
  EXPECT_EQ(rows.size(), 4);
  EXPECT_EQ(rows.report().unpaired, 4);
  ASSERT_NE(rows.mismatch(), nullptr);
  EXPECT_EQ(rows.example(0).sequences.size(), 2U);
  config_.loss_type = {"apo_zero_unpaired"};
  EXPECT_EQ(encode_rows(file_source(RunKind::kto, file(kPairs)), request(RunKind::kto)).mismatch(), nullptr);
}

TEST_F(RowSourceTest, ASecondRunTakesTheIdsFromTheCache) {
  bool cached = true;
  const auto first = encode_rows(file_source(RunKind::dpo, file(kPairs)), request(RunKind::dpo), &cached);
  EXPECT_FALSE(cached);
  const auto second = encode_rows(file_source(RunKind::dpo, file(kPairs)), request(RunKind::dpo), &cached);
  EXPECT_TRUE(cached);
  EXPECT_EQ(first.data_hash(), second.data_hash());
  EXPECT_EQ(text_asked_, 0) << "ids need no tokenizer";
  encode_rows(file_source(RunKind::orpo, file(kPairs)), request(RunKind::orpo), &cached);
  EXPECT_FALSE(cached) << "another kind of run has other targets";
  EncodeRequest other = request(RunKind::dpo);
  other.text_identity = "another tokenizer";
  encode_rows(file_source(RunKind::dpo, file(kPairs)), other, &cached);
  EXPECT_FALSE(cached);
  config_.tokenized_cache = false;
  encode_rows(file_source(RunKind::dpo, file(kPairs)), request(RunKind::dpo), &cached);
  EXPECT_FALSE(cached);
  const std::string changed = std::string(kPairs) + kPairs;
  config_.tokenized_cache = true;
  EXPECT_EQ(encode_rows(file_source(RunKind::dpo, file(changed.c_str())), request(RunKind::dpo), &cached).size(), 4);
  EXPECT_FALSE(cached) << "another content";
}

TEST_F(RowSourceTest, ATokenizersFilesAreItsIdentity) {
  const auto model = folder_.path() / "model";
  std::filesystem::create_directories(model);
  write_file_synced(model / "tokenizer.json", "{}");
  const std::string before = text_identity(model);
  EXPECT_EQ(text_identity(model), before);
  write_file_synced(model / "chat_template.jinja", "{{ messages }}");
  EXPECT_NE(text_identity(model), before);
}

}  // namespace
}  // namespace afina::finetune
