// SPDX-License-Identifier: Apache-2.0
// The loss chunk against sums in doubles, whole rows at a time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/cuda/device_array.h"

namespace afina::model::cuda {
namespace {

struct Want {
  std::vector<double> logp, entropy, log_sum_p2;
  std::vector<uint8_t> correct;
  std::vector<float> inverse_sum, logits;
};

struct Chunk {
  int64_t n, vocabulary, stride;
  std::vector<int> first_target, tokens;
  std::vector<float> logits;
};

Want reference(const Chunk& c, LogitsOut out) {
  Want want;
  want.logits = c.logits;
  for (int64_t i = 0; i < c.n; ++i) {
    const float* z = c.logits.data() + i * c.stride;
    const double top = *std::max_element(z, z + c.vocabulary);
    const auto argmax = std::max_element(z, z + c.vocabulary) - z;
    double sum = 0, weighted = 0, squares = 0;
    for (int64_t j = 0; j < c.vocabulary; ++j) {
      const double e = std::exp(z[j] - top);
      sum += e;
      weighted += e * (z[j] - top);
      squares += e * e;
    }
    for (int t = c.first_target[static_cast<size_t>(i)]; t < c.first_target[static_cast<size_t>(i) + 1]; ++t) {
      const int token = c.tokens[static_cast<size_t>(t)];
      want.logp.push_back(z[token] - top - std::log(sum));
      want.correct.push_back(token == argmax ? 1 : 0);
      want.entropy.push_back(std::log(sum) - weighted / sum);
      want.log_sum_p2.push_back(std::log(squares) - 2 * std::log(sum));
    }
    want.inverse_sum.push_back(static_cast<float>(1 / sum));
    if (out == LogitsOut::keep) continue;
    const int hot = out == LogitsOut::softmax_minus_onehot
                        ? c.tokens[static_cast<size_t>(c.first_target[static_cast<size_t>(i)])]
                        : -1;
    for (int64_t j = 0; j < c.vocabulary; ++j)
      want.logits[static_cast<size_t>(i * c.stride + j)] =
          static_cast<float>(std::exp(z[j] - top) / (out == LogitsOut::exp ? 1 : sum) - (j == hot ? 1.0 : 0.0));
  }
  return want;
}

template <typename T>
void check(Chunk c, LogitsOut out) {
  c.logits = rounded<T>(c.logits);
  const Want want = reference(c, out);
  std::vector<double> logp, entropy, squares;
  const auto logits = in_every_order([&] {
    DeviceArray<T> z(c.logits);
    DeviceArray<int> first(c.first_target), tokens(c.tokens);
    DeviceArray<double> logp_(c.tokens.size()), entropy_(c.tokens.size()), squares_(c.tokens.size());
    DeviceArray<uint8_t> correct(c.tokens.size());
    DeviceArray<float> inverse(static_cast<size_t>(c.n));
    chunk_loss(LossChunk<T>{z.data(), c.stride, c.n, c.vocabulary, first.data(), tokens.data(), out},
               {logp_.data(), correct.data(), entropy_.data(), squares_.data(), inverse.data()}, nullptr);
    expect_near(logp_.values(), want.logp, 2e-7, "logp");
    expect_near(entropy_.values(), want.entropy, 1e-6, "entropy");
    expect_near(squares_.values(), want.log_sum_p2, 1e-6, "log sum p^2");
    EXPECT_EQ(correct.values(), want.correct);
    expect_near(inverse.values(), want.inverse_sum, 1e-6, "1/sum");
    return z.values();
  });
  expect_near(logits, want.logits, out == LogitsOut::keep ? 0 : tolerance<T>(), "logits");
}

Chunk chunk(int64_t n, int64_t vocabulary, int64_t stride, std::vector<int> first, std::vector<int> tokens) {
  return {n, vocabulary, stride, std::move(first), std::move(tokens), noise(n * stride, 5, 4)};
}

TEST(LossKernel, EqualsSumsInDoublesForEveryTargetCount) {
  // Rows with one, none, three and two targets; a vocabulary that is no multiple of a pack.
  const Chunk c = chunk(4, 1003, 1003, {0, 1, 1, 4, 6}, {1002, 0, 17, 500, 3, 3});
  for (const auto out : {LogitsOut::keep, LogitsOut::exp, LogitsOut::softmax}) {
    check<float>(c, out);
    check<Bf16>(c, out);
  }
}

TEST(LossKernel, MovesWholePacksWhereRowsAreAlignedAndLeavesPaddingAlone) {
  const Chunk c = chunk(3, 4096, 4104, {0, 1, 2, 3}, {0, 4095, 77});
  check<float>(c, LogitsOut::softmax_minus_onehot);
  check<Bf16>(c, LogitsOut::softmax_minus_onehot);
}

TEST(LossKernel, AVocabularySmallerThanABlockHasThreadsWithoutWork) {
  for (const int64_t vocabulary : {1, 2, 31, 40}) {
    check<float>(chunk(2, vocabulary, vocabulary, {0, 1, 2}, {0, static_cast<int>(vocabulary) - 1}),
                 LogitsOut::softmax_minus_onehot);
  }
}

TEST(LossKernel, TheFirstOfEqualMaximaIsTheArgmax) {
  Chunk c = chunk(1, 600, 600, {0, 2}, {100, 301});
  c.logits[100] = c.logits[301] = c.logits[302] = 50.0F;
  check<float>(c, LogitsOut::keep);
}

TEST(LossKernel, HugeAndMinusInfiniteLogitsKeepFiniteSums) {
  Chunk c = chunk(1, 512, 512, {0, 1}, {3});
  c.logits[0] = c.logits[300] = -INFINITY;
  c.logits[3] = 3e38F;
  DeviceArray<float> z(c.logits);
  DeviceArray<int> first(c.first_target), tokens(c.tokens);
  DeviceArray<double> logp(1);
  chunk_loss(LossChunk<float>{z.data(), 512, 1, 512, first.data(), tokens.data(), LogitsOut::softmax}, {logp.data()},
             nullptr);
  EXPECT_EQ(logp.values()[0], 0.0);
  EXPECT_EQ(z.values()[0], 0.0F);
  EXPECT_EQ(z.values()[3], 1.0F);
}

TEST(LossKernel, NanInARowMakesItsLogProbabilityNan) {
  Chunk c = chunk(1, 512, 512, {0, 1}, {3});
  c.logits[77] = NAN;
  DeviceArray<float> z(c.logits);
  DeviceArray<int> first(c.first_target), tokens(c.tokens);
  DeviceArray<double> logp(1);
  chunk_loss(LossChunk<float>{z.data(), 512, 1, 512, first.data(), tokens.data()}, {logp.data()}, nullptr);
  EXPECT_TRUE(std::isnan(logp.values()[0]));
}

TEST(HeadGradientKernel, IsTheWeightedRowsLessTheirSumTimesTheExpectation) {
  const int64_t n = 3, width = 300;
  // The targets of this chunk begin at the second.
  const std::vector<int> first = {1, 3, 3, 4};
  const std::vector<double> d = {NAN, 0.5, -2.0, 0.25};
  const auto w = noise(3 * width, 1), kept = noise(n * width, 2);
  DeviceArray<float> w_(w), kept_(kept), out(kept.size());
  DeviceArray<int> first_(first);
  DeviceArray<double> d_(d);
  head_gradient(first_.data(), d_.data(), w_.data(), kept_.data(), out.data(), n, width, nullptr);
  std::vector<float> want(kept.size());
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < width; ++j) {
      double sum = 0, total = 0;
      for (int t = first[static_cast<size_t>(i)]; t < first[static_cast<size_t>(i) + 1]; ++t) {
        sum += d[static_cast<size_t>(t)] * w[static_cast<size_t>((t - 1) * width + j)];
        total += d[static_cast<size_t>(t)];
      }
      want[static_cast<size_t>(i * width + j)] =
          static_cast<float>(sum - total * kept[static_cast<size_t>(i * width + j)]);
    }
  expect_near(out.values(), want, 1e-6, "d");
}

}  // namespace
}  // namespace afina::model::cuda
