// SPDX-License-Identifier: Apache-2.0
// What a run may ask of its rows: long rows, pieces, LD-DPO, rewards, trained prompts, unpaired rows, rankings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "datasets/encode.h"
#include "tests/support/golden.h"

namespace afina::datasets {
namespace {

using testing::HasSubstr;

std::vector<int> counting(int first, int n) {
  std::vector<int> ids(static_cast<size_t>(n));
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

SftRow sft(std::vector<int> ids, const std::string& where = "rows.jsonl:1") {
  TokenForm form{ids, ids};
  return {std::move(form), where, {"vote of " + where}};
}

PairRow pair(std::vector<int> prompt, std::vector<int> chosen, std::vector<int> rejected, double q = 1.0) {
  PairRow row;
  row.form = PairTokens{std::move(prompt), std::move(chosen), std::move(rejected)};
  row.soft_label = q;
  row.where = "rows.jsonl:2";
  return row;
}

UnpairedRow unpaired(std::vector<int> prompt, std::vector<int> answer, double label) {
  UnpairedRow row;
  row.form = CompletionTokens{std::move(prompt), std::move(answer)};
  row.label = label;
  row.where = "rows.jsonl:3";
  return row;
}

EncodeRowsOptions long_rows(LongRow rule, int64_t max_length, int64_t context = 0) {
  EncodeRowsOptions options;
  options.long_row = rule;
  options.max_length = max_length;
  options.context = context;
  return options;
}

Json golden() {
  return parse_json(read_file(golden_path("trl/rows.json")), "rows.json");
}

TEST(LongRows, AreCutKeptDroppedOrRefusedByRuleAndCounted) {
  const std::vector rows{sft(counting(0, 12)), sft(counting(0, 8)), sft(counting(0, 5))};
  const auto cut = encode_sft(rows, nullptr, long_rows(LongRow::cut, 6));
  EXPECT_EQ(cut.report().truncated, 2);
  EXPECT_EQ(cut.example(0).rows(), 6);
  const auto kept = encode_sft(rows, nullptr, long_rows(LongRow::keep, 6));
  EXPECT_EQ(kept.report().over_length, 2);
  EXPECT_EQ(kept.example(0).rows(), 12);
  const auto bounded = encode_sft(rows, nullptr, long_rows(LongRow::keep, 6, 10));
  EXPECT_EQ(bounded.size(), 2) << "no longer than the model's context";
  EXPECT_EQ(bounded.report().long_rows, 1);
  const auto dropped = encode_sft(rows, nullptr, long_rows(LongRow::drop, 6));
  EXPECT_EQ(dropped.size(), 1);
  EXPECT_EQ(dropped.report().long_rows, 2);
  EXPECT_THAT(dropped.report().summary(), HasSubstr("1 of 3 rows kept; 2 dropped: longer than long_rows allows"));
  try {
    encode_sft(rows, nullptr, long_rows(LongRow::error, 6));
    FAIL() << "a long row must be refused";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("[rows.jsonl:1] must have at most max_length = 6 tokens, but has 12"));
  }
  auto strict = long_rows(LongRow::keep, 6, 10);
  strict.bad_row = BadRow::error;
  EXPECT_THROW(encode_sft(rows, nullptr, strict), DataError) << "what does not fit the model is a bad row";
}

TEST(LongRows, OfAPairAreJudgedByItsLongerAnswer) {
  const std::vector rows{pair({1, 2}, {3}, {4, 5, 6}), pair({1, 2}, {3}, {4})};
  EXPECT_EQ(encode_pairs(rows, nullptr, long_rows(LongRow::drop, 4)).size(), 1);
  EXPECT_THROW(encode_pairs(rows, nullptr, long_rows(LongRow::error, 4)), DataError);
  EXPECT_EQ(encode_pairs(rows, nullptr, long_rows(LongRow::keep, 4)).example(0).rows(), 6);
}

TEST(Pieces, OfSplitAndWrappedRowsAreTrls) {
  const Json trl = golden();
  std::vector<SftRow> rows;
  for (const Json& row : trl["rows"])
    rows.push_back(sft(row.get<std::vector<int>>(), cat("rows.jsonl:", rows.size() + 1)));
  EncodeRowsOptions options;
  options.max_length = trl["seq_length"].get<int64_t>();
  options.pieces = Pieces::wrapped;
  const auto wrapped = encode_sft(rows, nullptr, options);
  const Json& expected = trl["wrapped"]["input_ids"];
  ASSERT_EQ(wrapped.size(), static_cast<int64_t>(expected.size()));
  for (int64_t i = 0; i < wrapped.size(); ++i) {
    EXPECT_EQ(wrapped.example(i).sequences[0].ids, expected[static_cast<size_t>(i)].get<std::vector<int>>());
    EXPECT_EQ(wrapped.example(i).targets(), wrapped.tokens(i) - 1) << "all but the first token of a piece";
  }
  EXPECT_EQ(wrapped.name(0), "rows.jsonl:1 to rows.jsonl:2");
  EXPECT_EQ(wrapped.lineage(0)["preference_ids"], (Json{"vote of rows.jsonl:1", "vote of rows.jsonl:2"}));
  EXPECT_EQ(wrapped.name(2), "rows.jsonl:5");
  EXPECT_THAT(wrapped.report().summary(), HasSubstr("14 rows in 8 examples"));

  options.pieces = Pieces::split;
  const auto split = encode_sft(rows, nullptr, options);
  int64_t tokens = 0, longest = 0, all = 0;
  for (int64_t i = 0; i < split.size(); ++i) {
    tokens += split.tokens(i);
    longest = std::max(longest, split.tokens(i));
  }
  for (const Json& row : trl["rows"])
    all += row.size() > 1 ? static_cast<int64_t>(row.size()) : 0;
  EXPECT_EQ(tokens, all) << "no token is lost but rows of one, which train nothing";
  EXPECT_EQ(longest, 10);
  EXPECT_EQ(split.name(3), "rows.jsonl:5 piece 1");
  EXPECT_EQ(split.example(4).sequences[0].ids, (std::vector<int>{50, 51, 52, 53}));
  EXPECT_EQ(split.example(4).sequences[0].weights[0], 0.0F);
}

TEST(LdDpo, TokensBeyondTheShorterAnswerWeighLess) {
  EncodeRowsOptions options;
  options.ld_alpha = 0.25;
  const auto rows = encode_pairs(std::vector{pair({1}, {2, 3, 4, 5}, {6, 7}), pair({1}, {2}, {3})}, nullptr, options);
  EXPECT_EQ(rows.example(0).sequences[0].weights, (std::vector<float>{1, 1, 0.25F, 0.25F}));
  EXPECT_EQ(rows.example(0).sequences[1].weights, (std::vector<float>{1, 1}));
  EXPECT_EQ(rows.example(1).sequences[0].weights, (std::vector<float>{1}));
  options.max_length = 3;
  const auto cut = encode_pairs(std::vector{pair({1}, {2, 3, 4, 5}, {6, 7})}, nullptr, options);
  EXPECT_EQ(cut.example(0).sequences[0].weights, (std::vector<float>{1, 1})) << "lengths are those after the cut";
}

TEST(Options, RewardRowsScoreTheLastTokenAndOrpoTrainsThePrompt) {
  EncodeRowsOptions reward;
  reward.score = true;
  const std::vector<int64_t> first{0};
  const auto scores = encode_pairs(std::vector{pair({1, 2}, {3, 4}, {5})}, nullptr, reward).pack(first);
  ASSERT_EQ(scores.targets.size(), 2U);
  EXPECT_EQ(scores.targets[0].row, 3);
  EncodeRowsOptions orpo;
  orpo.train_prompt = true;
  const auto batch = encode_pairs(std::vector{pair({1, 2, 3}, {4}, {5})}, nullptr, orpo).pack(first);
  ASSERT_EQ(batch.sequences.size(), 3U);
  EXPECT_EQ(batch.sequences[2].side, kPromptSide);
  EXPECT_EQ(batch.sequences[2].n_targets, 2);
}

TEST(Options, TiesReachTheBatchUnlessLabelsAreHard) {
  auto row = pair({1}, {2}, {3}, 0.75);
  row.tie = 0.5;
  const std::vector<int64_t> first{0};
  EXPECT_EQ(encode_pairs(std::vector{row}, nullptr, {}).pack(first).examples[0].tie, 0.5);
  EncodeRowsOptions hard;
  hard.labels.mode = LabelMode::hard;
  EXPECT_EQ(encode_pairs(std::vector{row}, nullptr, hard).pack(first).examples[0].tie, 0.0);
}

TEST(Options, EveryOneIsAPartOfTheCachesKey) {
  std::vector<EncodeRowsOptions> all(14);
  all[1].max_length = 7;
  all[2].bad_row = BadRow::error;
  all[3].long_row = LongRow::keep;
  all[4].context = 99;
  all[5].pieces = Pieces::wrapped;
  all[6].labels.mode = LabelMode::hard;
  all[7].labels.margin_scale = 0.1;
  all[8].assistant_only_loss = false;
  all[9].completion_only_loss = false;
  all[10].ld_alpha = 0.5;
  all[11].score = true;
  all[12].train_prompt = true;
  all[13].unpair = true;
  std::set<std::string> lines;
  for (const auto& options : all)
    lines.insert(to_string(options));
  EXPECT_EQ(lines.size(), all.size());
}

TEST(Rankings, BecomeOneExampleOfKAnswers) {
  RankingRow row;
  row.form = RankingTokens{{1, 2}, {{3}, {4, 5}, {6}}};
  row.weight = 2.0;
  row.where = "rows.jsonl:4";
  const std::vector<int64_t> first{0};
  const auto batch = encode_rankings(std::vector{row}, nullptr, {}).pack(first);
  EXPECT_EQ(batch.rows(), 6);
  ASSERT_EQ(batch.sequences.size(), 3U);
  EXPECT_EQ(batch.sequences[2].side, 2);
  EXPECT_EQ(batch.examples[0].weight, 2.0);
  row.form = RankingTokens{{}, {{3}, {4, 5}}};
  EXPECT_THROW(encode_rankings(std::vector{row}, nullptr, {}), DataError) << "without prompt one token is no target";
}

TEST(Unpaired, LabelsMayBeSoftHardOrMadeOfPairs) {
  const std::vector rows{unpaired({1}, {2}, 1.0), unpaired({1}, {3}, 0.2), unpaired({1}, {3}, 0.5)};
  const auto soft = encode_unpaired(rows, nullptr, {});
  EXPECT_EQ(soft.example(1).soft_label, 0.2);
  EncodeRowsOptions hard;
  hard.labels.mode = LabelMode::hard;
  const auto sure = encode_unpaired(rows, nullptr, hard);
  EXPECT_EQ(sure.size(), 2);
  EXPECT_EQ(sure.example(1).soft_label, 0.0);
  EXPECT_EQ(sure.report().ties, 1);
  EncodeRowsOptions unpair;
  unpair.unpair = true;
  const auto made = encode_pairs(std::vector{pair({1}, {2}, {3}, 0.75)}, nullptr, unpair);
  ASSERT_EQ(made.size(), 2);
  EXPECT_EQ(made.example(0).soft_label, 0.75);
  EXPECT_EQ(made.example(1).soft_label, 0.25);
  EXPECT_EQ(made.example(1).sequences[0].ids, (std::vector<int>{3}));
  EXPECT_EQ(made.report().unpaired, 2);
  EXPECT_THAT(made.report().summary(), HasSubstr("2 made of pairs"));
}

TEST(Mismatch, RotatesTheAnswersOfAMicroBatchAsTrlDoes) {
  const Json kto = golden()["kto"];
  std::vector<UnpairedRow> rows;
  for (int i = 0; i < 8; ++i)
    rows.push_back(unpaired({90, i}, {10 + i, 20 + i}, i % 2));
  auto encoded = encode_unpaired(rows, nullptr, {});
  const std::string alone = encoded.content_hash(0);
  std::vector<int64_t> order(8);
  std::iota(order.begin(), order.end(), 0);
  encoded.pair_mismatched(order, kto["batch_size"].get<int64_t>(), 1024);
  for (int64_t row = 0; row < 8; ++row) {
    const int partner = kto["partner"][static_cast<size_t>(row)].get<int>();
    const TokenExample example = encoded.example(row);
    ASSERT_EQ(example.sequences.size(), 2U);
    EXPECT_EQ(example.sequences[1].ids, (std::vector<int>{10 + partner, 20 + partner}));
    EXPECT_EQ(encoded.tokens(row), example.rows());
  }
  EXPECT_NE(encoded.content_hash(0), alone) << "its reference value has another side";
  const auto batch = encoded.pack(std::span(order).first(3));
  EXPECT_EQ(batch.sequences[1].side, 1);
  EXPECT_EQ(batch.sequences[1].example, 0);
}

TEST(Mismatch, CutsABorrowedAnswerAtItsNewPromptsLength) {
  auto rows = encode_unpaired(std::vector{unpaired({1, 2, 3, 4}, {5}, 1), unpaired({1}, {6, 7, 8, 9}, 0)}, nullptr,
                              long_rows(LongRow::cut, 5));
  rows.pair_mismatched({0, 1}, 2, 5);
  EXPECT_EQ(rows.example(0).sequences[1].ids, (std::vector<int>{6}));
  EXPECT_EQ(rows.tokens(0), 6);
  EXPECT_THROW(rows.pair_mismatched({0, 1}, 1, 5), UsageError);
  EXPECT_THROW(rows.pair_mismatched({0, 0}, 2, 5), InternalError);
  EXPECT_THROW(rows.pair_mismatched({0}, 2, 5), InternalError);
}

}  // namespace
}  // namespace afina::datasets
