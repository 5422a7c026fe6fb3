// SPDX-License-Identifier: Apache-2.0
#include "datasets/batch/packing.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/error.h"

namespace afina::datasets {
namespace {

TokenSequence answer(std::vector<int> ids, std::vector<float> weights = {}) {
  if (weights.empty()) weights.assign(ids.size(), 1.0F);
  return {std::move(ids), std::move(weights)};
}

PackedBatch packed(const std::vector<TokenExample>& examples) {
  BatchPacker packer;
  for (size_t i = 0; i < examples.size(); ++i)
    packer.add(examples[i], static_cast<int64_t>(10 + i));
  return packer.take();
}

// What a target may see, read back from the segments alone: the ids at positions 0 … of its row, in order.
std::vector<int> visible_context(const PackedBatch& batch, int row) {
  for (const Segment& segment : batch.segments) {
    if (row < segment.begin || row >= segment.begin + segment.length) continue;
    std::vector<int> context;
    for (int i = 0; i < segment.prefix_length; ++i)
      context.push_back(batch.ids[static_cast<size_t>(segment.prefix_begin + i)]);
    for (int i = segment.begin; i <= row; ++i)
      context.push_back(batch.ids[static_cast<size_t>(i)]);
    return context;
  }
  return {};
}

TEST(Packing, APairSharesItsPrompt) {
  const auto batch = packed({{{1, 2, 3}, {answer({4, 5}), answer({6, 7, 8})}, 0.8, 0.25, 2.0}});
  validate(batch, 10);
  EXPECT_EQ(batch.ids, (std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(batch.positions, (std::vector<int>{0, 1, 2, 3, 4, 3, 4, 5}));
  ASSERT_EQ(batch.segments.size(), 3U);
  EXPECT_EQ(batch.segments[0].prefix_length, 0);
  EXPECT_EQ(batch.segments[2].begin, 5);
  EXPECT_EQ(batch.segments[2].prefix_begin, 0);
  EXPECT_EQ(batch.segments[2].prefix_length, 3);
  std::vector<std::pair<int, int>> targets;
  for (const Target& target : batch.targets)
    targets.emplace_back(target.row, target.token);
  EXPECT_EQ(targets, (std::vector<std::pair<int, int>>{{2, 4}, {3, 5}, {2, 6}, {5, 7}, {6, 8}}))
      << "both first tokens are predicted from the prompt's last row";
  ASSERT_EQ(batch.sequences.size(), 2U);
  EXPECT_EQ(batch.sequences[1].side, 1);
  EXPECT_EQ(batch.sequences[1].first_target, 2);
  EXPECT_EQ(batch.sequences[1].n_targets, 3);
  EXPECT_EQ(batch.examples[0].row, 10);
  EXPECT_EQ(batch.examples[0].soft_label, 0.8);
  EXPECT_EQ(batch.examples[0].margin, 0.25);
  EXPECT_EQ(batch.examples[0].weight, 2.0);
}

TEST(Packing, AnSftRowTrainsOnlyItsWeightedTokensAndNeverItsFirst) {
  const auto batch = packed({{{}, {answer({5, 6, 7, 8}, {1, 0, 0.5F, 1})}}});
  validate(batch, 10);
  ASSERT_EQ(batch.targets.size(), 2U);
  EXPECT_EQ(batch.targets[0].row, 1);
  EXPECT_EQ(batch.targets[0].token, 7);
  EXPECT_EQ(batch.targets[0].weight, 0.5F);
  EXPECT_EQ(batch.targets[1].row, 2);
  EXPECT_EQ(batch.segments.size(), 1U);
}

TEST(Packing, PackedExamplesSeeExactlyWhatTheySeeAlone) {
  std::mt19937 random(3);
  std::vector<TokenExample> examples;
  std::vector<std::pair<std::vector<int>, int>> alone;  // context and token of each target
  const auto ids = [&](int n) {
    std::vector<int> list(static_cast<size_t>(n));
    for (int& id : list)
      id = static_cast<int>(random() % 100);
    return list;
  };
  for (int e = 0; e < 30; ++e) {
    TokenExample example;
    example.prefix_ids = ids(static_cast<int>(random() % 4) * 3);
    const int answers = example.prefix_ids.empty() ? 1 : 1 + static_cast<int>(random() % 4);
    for (int k = 0; k < answers; ++k) {
      const auto list = ids(1 + static_cast<int>(random() % 6));
      std::vector<int> context = example.prefix_ids;
      for (const int token : list) {
        if (!context.empty()) alone.emplace_back(context, token);
        context.push_back(token);
      }
      example.sequences.push_back(answer(list));
    }
    examples.push_back(std::move(example));
  }
  const auto batch = packed(examples);
  validate(batch, 100);
  ASSERT_EQ(batch.targets.size(), alone.size());
  int64_t rows = 0, targets = 0;
  for (const auto& example : examples) {
    rows += example.rows();
    targets += example.targets();
  }
  EXPECT_EQ(batch.rows(), rows);
  EXPECT_EQ(static_cast<int64_t>(batch.targets.size()), targets);
  for (size_t i = 0; i < alone.size(); ++i) {
    const Target& target = batch.targets[i];
    EXPECT_EQ(visible_context(batch, target.row), alone[i].first) << "target " << i;
    EXPECT_EQ(target.token, alone[i].second);
    EXPECT_EQ(batch.positions[static_cast<size_t>(target.row)] + 1, static_cast<int>(alone[i].first.size()));
  }
}

TEST(Packing, RowsOfOnePromptShareItsSegmentAndSeeWhatTheySawAlone) {
  const TokenExample one{{1, 2, 3}, {answer({4, 5}), answer({6})}}, other{{1, 2}, {answer({3, 7}), answer({8})}},
      third{{1, 2, 3}, {answer({9, 4}), answer({5})}};
  const auto shared = packed({one, other, third});
  validate(shared, 10);
  BatchPacker apart_packer(SharePrompts::no);
  for (int i = 0; i < 3; ++i)
    apart_packer.add(i == 0 ? one : i == 1 ? other : third, 10 + i);
  const auto apart = apart_packer.take();
  validate(apart, 10);
  EXPECT_EQ(apart.rows() - shared.rows(), 3) << "the prompt of the first row serves the third";
  ASSERT_EQ(shared.targets.size(), apart.targets.size());
  for (size_t i = 0; i < shared.targets.size(); ++i) {
    EXPECT_EQ(visible_context(shared, shared.targets[i].row), visible_context(apart, apart.targets[i].row)) << i;
    EXPECT_EQ(shared.targets[i].token, apart.targets[i].token);
    EXPECT_EQ(shared.positions[static_cast<size_t>(shared.targets[i].row)],
              apart.positions[static_cast<size_t>(apart.targets[i].row)]);
  }
  EXPECT_EQ(shared.examples[2].row, 12);
}

TEST(Packing, APromptThatIsTrainedIsASequenceOfItsOwnAfterTheAnswers) {
  TokenExample example{{1, 2, 3}, {answer({4}), answer({5})}};
  example.prefix_weights = {1, 1, 1};
  const auto batch = packed({example, example});
  validate(batch, 10);
  EXPECT_EQ(batch.rows(), 3 + 4) << "the prompt is there once";
  ASSERT_EQ(batch.sequences.size(), 6U);
  EXPECT_EQ(batch.examples[1].first_sequence, 3);
  EXPECT_EQ(batch.examples[1].n_sequences, 3);
  for (const size_t i : {2U, 5U}) {
    const Sequence& prompt = batch.sequences[i];
    EXPECT_EQ(prompt.side, kPromptSide);
    ASSERT_EQ(prompt.n_targets, 2) << "the first token is predicted by nothing";
    const auto first = static_cast<size_t>(prompt.first_target);
    EXPECT_EQ(batch.targets[first].row, 0);
    EXPECT_EQ(batch.targets[first].token, 2);
    EXPECT_EQ(batch.targets[first + 1].row, 1);
    EXPECT_EQ(batch.targets[first + 1].token, 3);
  }
  EXPECT_EQ(example.targets(), 4);
}

TEST(Packing, AScoreIsReadAtTheLastRowOfEachAnswer) {
  TokenExample example{{1, 2}, {answer({4, 5}), answer({6})}};
  example.score = true;
  const auto batch = packed({example});
  validate(batch, 10);
  ASSERT_EQ(batch.targets.size(), 2U);
  EXPECT_EQ(batch.targets[0].row, 3);
  EXPECT_EQ(batch.targets[1].row, 4);
  EXPECT_EQ(batch.targets[1].weight, 1.0F);
  EXPECT_EQ(example.targets(), 2);
}

TEST(Packing, TakingLeavesThePackerEmpty) {
  BatchPacker packer;
  packer.add({{1}, {answer({2})}}, 0);
  EXPECT_EQ(packer.take().rows(), 2);
  EXPECT_EQ(packer.take().rows(), 0);
}

TEST(Packing, ContentHashIgnoresLabelsButNotIdsOrWeights) {
  const TokenExample one{{1, 2}, {answer({3, 4})}, 0.7, 0.0, 1.0};
  TokenExample other = one;
  other.soft_label = 1.0;
  other.weight = 3.0;
  EXPECT_EQ(content_hash(one), content_hash(other));
  other.sequences[0].weights[1] = 0.0F;
  EXPECT_NE(content_hash(one), content_hash(other));
  other = one;
  other.prefix_weights = {1, 1};
  EXPECT_NE(content_hash(one), content_hash(other));
  other = one;
  other.score = true;
  EXPECT_NE(content_hash(one), content_hash(other));
  const TokenExample shifted{{1}, {answer({2, 3, 4})}};
  EXPECT_NE(content_hash(one), content_hash(shifted)) << "the same ids cut elsewhere are another example";
}

TEST(Packing, RefusesExamplesThatCannotBePacked) {
  BatchPacker packer;
  EXPECT_THROW(packer.add({{1}, {}}, 0), DataError);
  EXPECT_THROW(packer.add({{1}, {TokenSequence{}}}, 0), DataError);
  EXPECT_THROW(packer.add({{1}, {{{1, 2}, {1.0F}}}}, 0), DataError);
  TokenExample example{{1, 2}, {answer({3})}};
  example.prefix_weights = {1};
  EXPECT_THROW(packer.add(example, 0), DataError);
  EXPECT_EQ(packer.take().rows(), 0) << "a refused example leaves nothing behind";
}

}  // namespace
}  // namespace afina::datasets
