// SPDX-License-Identifier: Apache-2.0
#include "finetune/batch_source.h"

#include <gmock/gmock.h>

#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "dpo/sft_loss.h"
#include "finetune/encoded_rows.h"
#include "finetune/reference.h"
#include "tests/finetune/toy.h"
#include "tests/support/golden.h"
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

TEST(BestFitPacks, AreTrls) {
  const Json trl = parse_json(read_file(golden_path("trl/rows.json")), "rows.json");
  const auto capacity = trl["seq_length"].get<int64_t>();
  std::vector<int64_t> tokens;
  for (const Json& row : trl["rows"])
    tokens.push_back(std::min(capacity, static_cast<int64_t>(row.size())));
  const auto packs = best_fit_packs(tokens, capacity);
  const Json& expected = trl["bfd"];
  ASSERT_EQ(packs.size(), expected["seq_lengths"].size());
  for (size_t i = 0; i < packs.size(); ++i) {
    std::vector<int> ids;
    for (const int64_t row : packs[i]) {
      const auto whole = trl["rows"][static_cast<size_t>(row)].get<std::vector<int>>();
      ids.insert(ids.end(), whole.begin(), whole.begin() + tokens[static_cast<size_t>(row)]);
    }
    EXPECT_EQ(ids, expected["input_ids"][i].get<std::vector<int>>()) << i;
  }
}

// Pairs in ids; row i has prompt i / per_prompt.
EncodedTrainingRows pairs_on_prompts(int n, int per_prompt) {
  std::vector<datasets::PairRow> rows;
  for (int i = 0; i < n; ++i) {
    datasets::PairRow row;
    const int p = i / per_prompt;
    row.form = datasets::PairTokens{{1, p % kVocab, p / kVocab, 2, 3, 4}, {5, i % kVocab}, {6, 7, i % 5}};
    row.where = cat("pairs.jsonl:", i + 1);
    rows.push_back(std::move(row));
  }
  return EncodedTrainingRows(datasets::encode_pairs(rows, nullptr, {}));
}

int64_t rows_computed(const datasets::OptimiserBatch& batch) {
  int64_t rows = 0;
  for (const auto& micro : batch.micro)
    rows += micro.rows();
  return rows;
}

TEST(SharedPrompts, OfAnOptimiserBatchAreComputedOnceAndItsRowsStayTheSame) {
  const auto rows = pairs_on_prompts(32, 4);
  RunConfig config = config_of(4, 4);
  ShuffledBatches grouped(rows, config, share), as_configured(rows, config, share, dpo::Scope::micro_batch);
  for (int i = 0; i < 2; ++i) {
    const auto one = grouped.next(), other = as_configured.next();
    const auto a = rows_of(one), b = rows_of(other);
    EXPECT_EQ(std::set<int64_t>(a.begin(), a.end()), std::set<int64_t>(b.begin(), b.end()))
        << "no row changes its optimiser batch";
    EXPECT_NE(a, b) << "the control: the order within it does change";
    EXPECT_EQ(one.divisors.main, other.divisors.main);
    EXPECT_LT(rows_computed(one), rows_computed(other));
    for (const auto& micro : one.micro)
      datasets::validate(micro, kVocab);
  }
}

TEST(SharedPrompts, OfADataSetStandInOnePack) {
  const auto rows = pairs_on_prompts(24, 4);
  std::set<int64_t> seen;
  const int64_t cluster = 6 + 4 * 5;
  const auto packs = prompt_packs(rows, 2 * cluster);
  EXPECT_EQ(packs.size(), 3U);
  for (const auto& pack : packs) {
    EXPECT_EQ(pack.size(), 8U);
    EXPECT_LE(rows.pack(pack).rows(), 2 * cluster);
    seen.insert(pack.begin(), pack.end());
  }
  EXPECT_EQ(seen.size(), 24U);
  for (const auto& pack : prompt_packs(rows, 17))
    EXPECT_LE(rows.pack(pack).rows(), 17) << "a prompt with more answers than fit is computed again";
}

TEST(SharedPrompts, CountOnceWhereMicroBatchesAreSplit) {
  const auto rows = pairs_on_prompts(8, 4);
  std::vector<int64_t> all(8);
  std::iota(all.begin(), all.end(), 0);
  const auto parts = split_by_tokens(rows, all, 6 + 4 * 5);
  EXPECT_EQ(parts.size(), 2U);
  const std::vector<int64_t> mixed{0, 4, 1, 5};
  EXPECT_EQ(adjacent_prompts(rows, mixed), (std::vector<int64_t>{0, 1, 4, 5}));
  for (const auto& part : split_by_tokens(rows, mixed, 20))
    EXPECT_LE(rows.pack(part).rows(), 20);
}

TEST(SharedPrompts, GiveTheLossAndGradientOfPromptsOfTheirOwn) {
  const auto rows = pairs_on_prompts(8, 4);
  const datasets::EncodedRows& encoded = rows.encoded();
  std::vector<int64_t> all(8);
  std::iota(all.begin(), all.end(), 0);
  datasets::BatchPacker apart(datasets::SharePrompts::no);
  for (const int64_t row : all)
    apart.add(encoded.example(row), row);
  std::vector<at::Tensor> gradients;
  std::vector<double> sums;
  for (const auto& batch : {rows.pack(all), apart.take()}) {
    ToyPolicy policy(false);
    const auto stats = policy.forward(batch, {});
    at::Tensor gradient_P = at::zeros_like(policy.parameters());
    policy.backward(batch, {}, std::vector<double>(batch.targets.size(), 0.125), gradient_P);
    gradients.push_back(gradient_P);
    sums.push_back(std::accumulate(stats.logp.begin(), stats.logp.end(), 0.0));
  }
  EXPECT_NEAR(sums[0], sums[1], 1e-9);
  EXPECT_TRUE(at::allclose(gradients[0], gradients[1], 1e-5, 1e-6));
}

TEST(Scope, OfAMicroBatchKeepsItAsConfigured) {
  const ToyRows rows(12, true);
  RunConfig config = config_of(4, 1);
  config.tokens_per_micro_batch = 10;
  ShuffledBatches split(rows, config, share), whole(rows, config, share, dpo::Scope::micro_batch);
  EXPECT_GT(split.next().micro.size(), 1U) << "the control";
  EXPECT_EQ(whole.next().micro.size(), 1U);
  config.packing = true;
  EXPECT_THROW(ShuffledBatches(rows, config, share, dpo::Scope::micro_batch), UsageError);
}

EncodedTrainingRows kto_rows(int n, RunConfig& config) {
  std::vector<datasets::UnpairedRow> list;
  for (int i = 0; i < n; ++i) {
    datasets::UnpairedRow row;
    row.form = datasets::CompletionTokens{{1, i % kVocab}, {i / kVocab, i % kVocab}};
    row.where = cat("unpaired.jsonl:", i + 1);
    list.push_back(std::move(row));
  }
  const SourceRows rows = std::move(list);
  EncodeRequest request;
  request.kind = RunKind::kto;
  request.config = &config;
  return EncodedTrainingRows(encode_rows(list_source(rows, ""), request));
}

TEST(KtoRows, BorrowTheSameAnswerInEveryEpochAndShareItsMicroBatch) {
  RunConfig config = config_of(3, 2);
  const auto rows = kto_rows(11, config);
  ShuffledBatches batches(rows, config, share, dpo::Scope::micro_batch);
  EXPECT_EQ(batches.micro_batches_per_epoch(), 4);
  std::map<int64_t, std::string> borrowed;
  std::vector<std::vector<int64_t>> orders;
  for (int epoch = 0; epoch < 3; ++epoch) {
    orders.emplace_back();
    while (batches.cursor().epoch == epoch) {
      const auto batch = batches.next();
      for (const auto& micro : batch.micro) {
        std::multiset<std::vector<int>> own, lent;
        for (const auto& sequence : micro.sequences) {
          std::vector<int> ids;
          for (int t = 0; t < sequence.n_targets; ++t)
            ids.push_back(micro.targets[static_cast<size_t>(sequence.first_target + t)].token);
          (sequence.side == 0 ? own : lent).insert(ids);
        }
        EXPECT_EQ(own, lent) << "the answers of a micro-batch, each on another prompt";
        for (const auto& example : micro.examples) {
          orders.back().push_back(example.row);
          const auto [known, first] = borrowed.emplace(example.row, rows.content_hash(example.row));
          EXPECT_EQ(known->second, rows.content_hash(example.row));
        }
      }
    }
    EXPECT_EQ(orders.back().size(), 11U);
  }
  EXPECT_NE(orders[0], orders[1]) << "micro-batches are shuffled";
}

TEST(KtoRows, NeedMicroBatchesOfTwo) {
  RunConfig config = config_of(1, 1);
  EXPECT_THROW(kto_rows(4, config), UsageError);
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

class Reference : public ::testing::Test {
 protected:
  ReferenceRequest request(const ToyRows& rows, bool with_adapter = false) {
    ReferenceRequest request;
    request.rows = &rows;
    request.policy = &policy;
    request.with_adapter = with_adapter;
    request.reference_key = "base + adapter";
    request.cache = &cache;
    return request;
  }
  static std::vector<double> of(ReferenceTable& table, const ToyRows& rows, std::vector<int64_t> some) {
    return table.of(rows.pack(some)).sequence_logp;
  }
  const TempFolder folder;
  ToyPolicy policy{false};
  CountingCache cache;
};

TEST_F(Reference, IsComputedOncePerContentAndFoundInTheCacheByLaterRuns) {
  const ToyRows rows(6, true), more(8, true);
  ReferenceTable table(request(rows, true));
  table.compute_all({});
  EXPECT_EQ(table.counts().computed, 6);
  table.compute_all({});
  EXPECT_EQ(table.counts().computed, 6);
  ReferenceTable later(request(more, true));
  later.compute_all({});
  EXPECT_EQ(later.row(0), table.row(0));
  EXPECT_EQ(later.counts().cached, 6);
  EXPECT_EQ(later.counts().computed, 2);
  ReferenceRequest other = request(rows, true);
  other.reference_key = "another adapter";
  ReferenceTable unrelated(other);
  unrelated.compute_all({});
  EXPECT_EQ(unrelated.counts().cached, 0);
  EXPECT_NE(unrelated.identity(), table.identity());
}

TEST_F(Reference, ABatchGetsItsRowsValuesBySideAndNoOthersAreComputed) {
  const ToyRows rows(6, true);
  ReferenceTable table(request(rows));
  const auto values = of(table, rows, {4, 1});
  EXPECT_EQ(values, (std::vector<double>{table.row(4)[0], table.row(4)[1], table.row(1)[0], table.row(1)[1]}));
  EXPECT_EQ(table.counts().computed, 2);
  EXPECT_TRUE(table.row(0).empty());
  ReferenceTable ahead(request(rows));
  ahead.compute_all({});
  EXPECT_EQ(of(ahead, rows, {4, 1}), values);
}

TEST_F(Reference, IsThePolicyAtStepZeroHoweverFarItHasMoved) {
  const ToyRows rows(6, true);
  ReferenceTable table(request(rows, true));
  ReferenceRequest uncached = request(rows, true);
  uncached.cache = nullptr;
  ReferenceTable lazy(uncached);
  table.compute_all({});
  const at::Tensor moved_P = policy.parameters().add_(0.25).clone();
  EXPECT_EQ(of(lazy, rows, {0, 3}), of(table, rows, {0, 3}));
  EXPECT_TRUE(policy.parameters().equal(moved_P)) << "the policy must be left as it was";
  ReferenceTable control(uncached);  // made after the move: its step 0 is another
  EXPECT_NE(of(control, rows, {0, 3}), of(table, rows, {0, 3}));
}

TEST_F(Reference, ItsFileIsReadBackBitForBitAndAHalfLineIsForgotten) {
  const ToyRows rows(6, true);
  ReferenceRequest kept = request(rows);
  kept.file = folder.path() / "reference.jsonl";
  std::vector<double> values;
  {
    ReferenceTable table(kept);
    values = of(table, rows, {5, 2});
  }
  std::ofstream(kept.file, std::ios::app) << "{\"row\":3,\"conte";
  kept.cache = nullptr;
  ReferenceTable again(kept);
  EXPECT_EQ(of(again, rows, {5, 2}), values);
  EXPECT_EQ(again.counts().computed, 0);
  of(again, rows, {3});
  EXPECT_EQ(again.counts().computed, 1);
  ReferenceTable third(kept);
  EXPECT_EQ(third.row(3), again.row(3));
}

TEST_F(Reference, AFileOfOtherRowsIsRefused) {
  const ToyRows rows(6, true), others(6, true, 5), fewer(3, true);
  ReferenceRequest kept = request(rows);
  kept.file = folder.path() / "reference.jsonl";
  ReferenceTable(kept).compute_all({});
  for (const ToyRows* wrong : {&others, &fewer}) {
    kept.rows = wrong;
    EXPECT_THROW(ReferenceTable{kept}, DataError);
  }
}

TEST_F(Reference, AValueThatIsNotFiniteNamesItsRow) {
  ToyRows rows(3, true);
  rows.set_token(1, 0, kVocab - 1);
  policy.poisoned_token = kVocab - 1;
  ReferenceTable table(request(rows));
  try {
    table.compute_all({});
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("toy.jsonl:2"));
  }
}

}  // namespace
}  // namespace afina::finetune::toy
