// SPDX-License-Identifier: Apache-2.0
// Batches that are made ahead are the same batches, and a checkpoint between them loses none.
#include "finetune/prefetch.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/error.h"
#include "dpo/sft_loss.h"
#include "tests/finetune/toy.h"

namespace afina::finetune::toy {
namespace {

datasets::Divisors share(const datasets::PackedBatch& batch) {
  return dpo::SftLoss().divisor_share(batch);
}

RunConfig config() {
  RunConfig out;
  out.per_device_train_batch_size = 3;
  out.gradient_accumulation_steps = 2;
  return out;
}

std::vector<int> ids_of(const datasets::OptimiserBatch& batch) {
  std::vector<int> ids;
  for (const auto& micro : batch.micro)
    ids.insert(ids.end(), micro.ids.begin(), micro.ids.end());
  return ids;
}

// Counts how often it is asked, and fails where it is told to.
class Watched final : public BatchSource {
 public:
  explicit Watched(BatchSource& inner) : inner_(inner) {}
  datasets::OptimiserBatch next() override {
    ++asked;
    if (fail_at == asked) throw DataError("[toy] must be read, but is not.");
    return inner_.next();
  }
  Cursor cursor() const override { return inner_.cursor(); }
  void seek(const Cursor& cursor) override { inner_.seek(cursor); }
  int64_t micro_batches_per_epoch() const override { return inner_.micro_batches_per_epoch(); }
  int64_t rows() const override { return inner_.rows(); }

  std::atomic<int> asked{0};
  int fail_at = -1;

 private:
  BatchSource& inner_;
};

TEST(Prefetch, HandsOutTheSameBatchesAndCursors) {
  const ToyRows rows(23, true);
  ShuffledBatches plain(rows, config(), share), inner(rows, config(), share);
  PrefetchedBatches ahead(inner);
  EXPECT_EQ(ahead.micro_batches_per_epoch(), plain.micro_batches_per_epoch());
  EXPECT_EQ(ahead.rows(), 23);
  for (int i = 0; i < 30; ++i) {
    const auto one = ahead.next(), other = plain.next();
    EXPECT_EQ(ids_of(one), ids_of(other)) << i;
    EXPECT_EQ(one.divisors.main, other.divisors.main);
    EXPECT_EQ(ahead.cursor(), plain.cursor()) << "not where the other thread is already";
  }
}

TEST(Prefetch, ARunGoesOnFromAnyOfItsCursors) {
  const ToyRows rows(23, true);
  ShuffledBatches inner(rows, config(), share), other(rows, config(), share), inner_again(rows, config(), share);
  PrefetchedBatches ahead(inner), again(inner_again);
  for (int i = 0; i < 5; ++i)
    ahead.next();
  again.next();
  again.seek(ahead.cursor());
  EXPECT_EQ(again.cursor(), ahead.cursor());
  for (int i = 0; i < 9; ++i)
    EXPECT_EQ(ids_of(again.next()), ids_of(ahead.next()));
  EXPECT_THROW(again.seek({0, 99}), DataError);
  EXPECT_EQ(ids_of(again.next()), ids_of(ahead.next())) << "a refused seek leaves the place";
}

TEST(Prefetch, AnErrorComesOutWhereItsBatchWouldAndMayBeTriedAgain) {
  const ToyRows rows(23, true);
  ShuffledBatches plain(rows, config(), share), inner(rows, config(), share);
  Watched watched(inner);
  watched.fail_at = 3;
  PrefetchedBatches ahead(watched);
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(ids_of(ahead.next()), ids_of(plain.next()));
  const Cursor before = ahead.cursor();
  EXPECT_THROW(ahead.next(), DataError);
  EXPECT_EQ(ahead.cursor(), before);
  EXPECT_EQ(ids_of(ahead.next()), ids_of(plain.next()));
}

TEST(Prefetch, MakesOneBatchAheadAndEndsWithoutAsking) {
  const ToyRows rows(23, true);
  ShuffledBatches inner(rows, config(), share);
  Watched watched(inner);
  { const PrefetchedBatches unused(watched); }
  EXPECT_EQ(watched.asked, 0);
  {
    PrefetchedBatches ahead(watched);
    ahead.next();
    ahead.seek(ahead.cursor());
    EXPECT_EQ(watched.asked, 2) << "the one handed out and the next";
  }
  EXPECT_EQ(watched.asked, 2);
}

}  // namespace
}  // namespace afina::finetune::toy
