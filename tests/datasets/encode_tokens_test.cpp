// SPDX-License-Identifier: Apache-2.0
// Encoding of pre-tokenised rows: what needs no tokenizer. Text is in encode_text_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "datasets/encode.h"

namespace afina::datasets {
namespace {

SftRow sft(std::vector<int> ids, std::vector<int> labels) {
  return {TokenForm{std::move(ids), std::move(labels)}, "rows.jsonl:1", {"p1"}};
}

PairRow pair(std::vector<int> prompt, std::vector<int> chosen, std::vector<int> rejected, double q = 1.0) {
  PairRow row;
  row.form = PairTokens{std::move(prompt), std::move(chosen), std::move(rejected)};
  row.soft_label = q;
  row.where = "rows.jsonl:2";
  row.preference_ids = {"p2"};
  return row;
}

TEST(EncodeTokens, LabelsBecomeTargetsAndTheFirstTokenNever) {
  const auto rows = encode_sft(std::vector{sft({5, 6, 7}, {5, -100, 7})}, nullptr, {});
  EXPECT_EQ(rows.size(), 1);
  EXPECT_EQ(rows.example(0).sequences[0].weights, (std::vector<float>{0, 0, 1}));
  EXPECT_EQ(rows.report().targets, 1);
  EXPECT_EQ(rows.lineage(0), (Json{{"where", "rows.jsonl:1"}, {"preference_ids", {"p1"}}}));
  const std::vector<int64_t> chosen{0};
  const auto batch = rows.pack(chosen);
  ASSERT_EQ(batch.targets.size(), 1U);
  EXPECT_EQ(batch.targets[0].row, 1);
}

TEST(EncodeTokens, LongAnswersAreCutEachByItself) {
  EncodeRowsOptions options;
  options.max_length = 5;
  const auto rows = encode_pairs(std::vector{pair({1, 2, 3}, {4, 5, 6, 7}, {8})}, nullptr, options);
  EXPECT_EQ(rows.example(0).sequences[0].ids, (std::vector<int>{4, 5}));
  EXPECT_EQ(rows.example(0).sequences[1].ids, (std::vector<int>{8}));
  EXPECT_EQ(rows.report().truncated, 1);
  const auto cut = encode_sft(std::vector{sft({1, 2, 3, 4, 5, 6}, {-100, -100, -100, -100, 5, 6})}, nullptr, options);
  EXPECT_EQ(cut.example(0).rows(), 5);
  EXPECT_EQ(cut.report().targets, 1);
}

TEST(EncodeTokens, APromptThatFillsMaxLengthIsDroppedAndCounted) {
  EncodeRowsOptions options;
  options.max_length = 3;
  const auto rows = encode_pairs(std::vector{pair({1, 2, 3}, {4}, {5}), pair({1, 2}, {4}, {5})}, nullptr, options);
  EXPECT_EQ(rows.size(), 1);
  EXPECT_EQ(rows.report().long_prompts, 1);
  EXPECT_THAT(rows.report().first_dropped[0],
              testing::HasSubstr("[rows.jsonl:2] must have a prompt below max_length = 3"));
  EXPECT_THAT(rows.report().summary(),
              testing::HasSubstr("1 of 2 rows kept; 1 dropped: the prompt alone fills max_length"));
  const auto sft_rows = std::vector{sft({1, 2, 3, 4}, {-100, -100, -100, 4}), sft({1, 2}, {-100, 2})};
  EXPECT_EQ(encode_sft(sft_rows, nullptr, options).report().long_prompts, 1);
}

TEST(EncodeTokens, AskedToBeStrictItNamesTheRowInstead) {
  EncodeRowsOptions options;
  options.max_length = 3;
  options.bad_row = BadRow::error;
  try {
    encode_pairs(std::vector{pair({1, 2, 3}, {4}, {5})}, nullptr, options);
    FAIL() << "a prompt of max_length must be refused";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("[rows.jsonl:2]"));
  }
  EXPECT_THROW(encode_sft(std::vector{sft({1, 2}, {-100, -100})}, nullptr, options), DataError);
}

TEST(EncodeTokens, RowsWithoutTargetsAreCountedAndNothingLeftIsAnError) {
  const auto rows = encode_sft(std::vector{sft({1, 2}, {1, -100}), sft({1, 2}, {-100, 2})}, nullptr, {});
  EXPECT_EQ(rows.report().without_targets, 1) << "a label on the first token trains nothing";
  EXPECT_THROW(encode_sft(std::vector{sft({1, 2}, {-100, -100})}, nullptr, {}), DataError);
  EXPECT_THROW(encode_sft({}, nullptr, {}), DataError);
  EXPECT_THROW(encode_pairs(std::vector{pair({}, {1}, {2, 3})}, nullptr, {}), DataError)
      << "without prompt one token is no target";
}

TEST(EncodeTokens, LabelModesAndMargins) {
  EncodeRowsOptions options;
  options.labels = {LabelMode::hard, 0.5};
  auto with_margin = pair({1}, {2}, {3}, 0.9);
  with_margin.margin = 0.25;
  with_margin.weight = 3.0;
  const auto rows =
      encode_pairs(std::vector{pair({1}, {2}, {3}, 0.5), pair({1}, {2}, {3}, 0.8), with_margin}, nullptr, options);
  EXPECT_EQ(rows.report().ties, 1);
  EXPECT_EQ(rows.size(), 2);
  EXPECT_EQ(rows.example(0).soft_label, 1.0);
  EXPECT_EQ(rows.example(0).margin, 0.5);
  EXPECT_EQ(rows.example(1).margin, 0.25) << "a row's own margin wins";
  EXPECT_EQ(rows.example(1).weight, 3.0);
}

TEST(EncodeTokens, IdsAreBoundedByTheVocabulary) {
  EncodeRowsOptions options;
  options.vocab_size = 10;
  EXPECT_NO_THROW(encode_sft(std::vector{sft({1, 9}, {-100, 9})}, nullptr, options));
  EXPECT_THROW(encode_sft(std::vector{sft({1, 10}, {-100, 10})}, nullptr, options), DataError);
  EXPECT_THROW(encode_pairs(std::vector{pair({10}, {1}, {2})}, nullptr, options), DataError);
  EXPECT_THROW(encode_pairs(std::vector{pair({1}, {10}, {2})}, nullptr, options), DataError);
}

TEST(EncodeTokens, TextNeedsATokenizer) {
  EXPECT_THROW(encode_sft(std::vector{SftRow{TextForm{"x"}, "rows.jsonl:1", {}}}, nullptr, {}), DataError);
}

TEST(EncodeTokens, DataHashSeesLabelsAndContentHashDoesNot) {
  const auto one = encode_pairs(std::vector{pair({1}, {2}, {3}, 0.8)}, nullptr, {});
  const auto two = encode_pairs(std::vector{pair({1}, {2}, {3}, 0.9)}, nullptr, {});
  EXPECT_EQ(one.content_hash(0), two.content_hash(0));
  EXPECT_NE(one.data_hash(), two.data_hash());
}

}  // namespace
}  // namespace afina::datasets
