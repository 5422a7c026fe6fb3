// SPDX-License-Identifier: Apache-2.0
#include "finetune/batch_source.h"

#include <gmock/gmock.h>

#include <numeric>
#include <set>

#include "base/error.h"
#include "dpo/sft_loss.h"
#include "finetune/reference.h"
#include "tests/finetune/toy.h"
#include "tests/support/temp_folder.h"

namespace afina::finetune::toy {
namespace {

datasets::Divisors share(const datasets::PackedBatch& batch) {
  return dpo::SftLoss().divisor_share(batch);
}

std::vector<int64_t> rows_of(const datasets::OptimiserBatch& batch) {
  std::vector<int64_t> rows;
  for (const auto& micro : batch.micro) {
    for (const auto& example : micro.examples)
      rows.push_back(example.row);
  }
  return rows;
}

RunConfig config_of(int64_t rows, int64_t accumulation) {
  RunConfig config;
  config.per_device_train_batch_size = rows;
  config.gradient_accumulation_steps = accumulation;
  return config;
}

TEST(ShuffledBatches, EveryEpochHasEveryRowOnceInAnotherOrder) {
  const ToyRows rows(23, false);
  ShuffledBatches batches(rows, config_of(3, 2), share);
  std::vector<std::vector<int64_t>> epochs(2);
  for (auto& epoch : epochs) {
    const int64_t before = batches.cursor().epoch;
    while (batches.cursor().epoch == before) {
      const auto seen = rows_of(batches.next());
      epoch.insert(epoch.end(), seen.begin(), seen.end());
    }
    EXPECT_EQ(epoch.size(), 23U);
    EXPECT_EQ(std::set<int64_t>(epoch.begin(), epoch.end()).size(), 23U);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_EQ(batches.micro_batches_per_epoch(), 8);
}

TEST(ShuffledBatches, TheDivisorCountsTheWholeOptimiserBatch) {
  const ToyRows rows(10, false);
  ShuffledBatches batches(rows, config_of(2, 3), share);
  const auto batch = batches.next();
  ASSERT_EQ(batch.micro.size(), 3U);
  double targets = 0;
  for (const auto& micro : batch.micro) {
    datasets::validate(micro, kVocab);
    targets += static_cast<double>(micro.targets.size());
  }
  EXPECT_EQ(batch.divisors.main, targets);
}

TEST(ShuffledBatches, SeekGoesOnWhereTheCursorWas) {
  const ToyRows rows(23, true);
  ShuffledBatches one(rows, config_of(2, 2), share), other(rows, config_of(2, 2), share);
  for (int i = 0; i < 8; ++i)
    one.next();
  other.seek(one.cursor());
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(rows_of(one.next()), rows_of(other.next()));
  EXPECT_THROW(other.seek({0, 23}), DataError);
}

TEST(ShuffledBatches, WithoutShuffleTheOrderIsTheFiles) {
  const ToyRows rows(5, false);
  RunConfig config = config_of(5, 1);
  config.shuffle = false;
  ShuffledBatches batches(rows, config, share);
  EXPECT_EQ(rows_of(batches.next()), (std::vector<int64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(rows_of(batches.next()), (std::vector<int64_t>{0, 1, 2, 3, 4}));
}

TEST(ShuffledBatches, AnEmptyDataSetIsRefused) {
  const ToyRows rows(0, false);
  EXPECT_THROW(ShuffledBatches(rows, config_of(1, 1), share), DataError);
}

TEST(ShuffledBatches, OrderIsAFunctionOfSeedAndEpoch) {
  EXPECT_EQ(epoch_order(100, 42, 3), epoch_order(100, 42, 3));
  EXPECT_NE(epoch_order(100, 42, 3), epoch_order(100, 42, 4));
  EXPECT_NE(epoch_order(100, 42, 3), epoch_order(100, 43, 3));
  EXPECT_TRUE(epoch_order(0, 1, 0).empty());
}

TEST(BestFitPacks, HoldEveryRowOnceWithinTheCapacity) {
  std::vector<int64_t> tokens;
  for (uint64_t i = 0; i < 500; ++i)
    tokens.push_back(1 + static_cast<int64_t>(mix(i) % 90));
  tokens.push_back(250);
  const auto packs = best_fit_packs(tokens, 100);
  std::set<int64_t> seen;
  int64_t total = 0;
  for (const auto& pack : packs) {
    int64_t sum = 0;
    for (const int64_t row : pack) {
      sum += tokens[static_cast<size_t>(row)];
      EXPECT_TRUE(seen.insert(row).second);
    }
    EXPECT_TRUE(sum <= 100 || pack.size() == 1);
    total += sum;
  }
  EXPECT_EQ(seen.size(), tokens.size());
  EXPECT_LT(static_cast<double>(packs.size()), 1.05 * static_cast<double>(total) / 100 + 3);
}

TEST(UnsharedTokens, CountEveryAnswerWithItsPrompt) {
  const ToyRows pairs(1, true), single(1, false);
  const int64_t first[] = {0};
  const auto pair = pairs.pack(first);
  const auto prompt = pair.segments[0].length;
  EXPECT_EQ(unshared_tokens(pair), pairs.tokens(0) + prompt);
  EXPECT_EQ(unshared_tokens(single.pack(first)), single.tokens(0));
}

class CountingCache final : public ReferenceCache {
 public:
  std::optional<std::vector<double>> find(const std::string& key) override {
    const auto found = values.find(key);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  }
  void store(const std::string& key, const std::vector<double>& logps) override { values[key] = logps; }
  std::map<std::string, std::vector<double>> values;
};

TEST(Reference, IsComputedOncePerContentAndReadBackBitForBit) {
  const TempFolder folder;
  const ToyRows rows(6, true), more(8, true);
  ToyPolicy policy(false);
  CountingCache cache;
  ReferenceRequest request;
  request.rows = &rows;
  request.policy = &policy;
  request.with_adapter = true;
  request.reference_key = "base + adapter";
  request.cache = &cache;
  ReferenceCounts counts;
  const ReferenceTable table = compute_reference(request, &counts);
  EXPECT_EQ(counts.computed, 6);
  request.rows = &more;
  EXPECT_EQ(compute_reference(request, &counts).rows()[0], table.rows()[0]);
  EXPECT_EQ(counts.cached, 6);
  EXPECT_EQ(counts.computed, 2);
  request.reference_key = "another adapter";
  compute_reference(request, &counts);
  EXPECT_EQ(counts.cached, 0);

  write_reference(folder.path() / "reference.jsonl", rows, table);
  EXPECT_EQ(read_reference(folder.path() / "reference.jsonl", rows).hash(), table.hash());
  EXPECT_THROW(read_reference(folder.path() / "reference.jsonl", more), DataError);
  EXPECT_THROW(read_reference(folder.path() / "reference.jsonl", ToyRows(6, true, 5)), DataError);
}

TEST(Reference, ABatchGetsItsRowsValuesBySide) {
  const ToyRows rows(6, true);
  ToyPolicy policy(false);
  ReferenceRequest request;
  request.rows = &rows;
  request.policy = &policy;
  const ReferenceTable table = compute_reference(request);
  const int64_t some[] = {4, 1};
  const auto values = table.of(rows.pack(some)).sequence_logp;
  EXPECT_EQ(values,
            (std::vector<double>{table.rows()[4][0], table.rows()[4][1], table.rows()[1][0], table.rows()[1][1]}));
}

TEST(Reference, AValueThatIsNotFiniteNamesItsRow) {
  ToyRows rows(3, true);
  rows.set_token(1, 0, kVocab - 1);
  ToyPolicy policy(false);
  policy.poisoned_token = kVocab - 1;
  ReferenceRequest request;
  request.rows = &rows;
  request.policy = &policy;
  try {
    compute_reference(request);
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("toy.jsonl:2"));
  }
}

}  // namespace
}  // namespace afina::finetune::toy
