// SPDX-License-Identifier: Apache-2.0
// Generation over KV caches: equals the full forward pass, does not depend on batch mates, keeps its limits.
#include "model/generator.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/error.h"
#include "model/sampler.h"
#include "model/training_model.h"
#include "tests/model/batches.h"
#include "tests/model/toy_adapter.h"

namespace afina::model {
namespace {

ModelConfig toy_config() {
  ModelConfig c;
  c.vocab_size = 61;
  c.hidden = 32;
  c.ffn = 64;
  c.layers = 2;
  c.heads = 4;
  c.kv_heads = 2;
  c.head_dim = 8;
  c.max_positions = 64;
  return c;
}

SamplingParams greedy(int tokens) {
  SamplingParams p;
  p.max_new_tokens = tokens;
  p.temperature = 0;
  return p;
}

using Outputs = std::map<SequenceId, Generated>;
void drain(Generator& generator, Outputs& out) {
  while (generator.size() > 0)
    for (const TokenEvent& e : generator.step()) {
      out[e.sequence].ids.push_back(e.token);
      out[e.sequence].logprobs.push_back(e.logprob);
      out[e.sequence].finish = e.finish;
    }
}

class GeneratorTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Model> model_ = random_model(toy_config(), 3);
  std::shared_ptr<const ToyAdapter> adapter_ =
      std::make_shared<ToyAdapter>(toy_config(), 2, ToyAdapter::everywhere(toy_config()), 4);
};

TEST_F(GeneratorTest, GreedyTokensAndLogprobsAreThoseOfTheFullForwardPass) {
  TrainingModel full(model_);
  for (const auto& adapter : {std::shared_ptr<const ToyAdapter>(), adapter_}) {
    auto ids = random_ids(7, 61, 1);
    const Generated got = generate(model_, ids, greedy(20), adapter);
    ASSERT_EQ(got.ids.size(), 20U);
    EXPECT_EQ(got.finish, FinishReason::length);
    for (size_t i = 0; i < got.ids.size(); ++i) {
      const std::vector<int> last = {static_cast<int>(ids.size()) - 1};
      const at::Tensor logp = at::log_softmax(full.logits(whole_text(ids), last, adapter.get())[0].to(at::kDouble), 0);
      EXPECT_EQ(logp.argmax().item<int64_t>(), got.ids[i]);
      EXPECT_NEAR(logp.max().item<double>(), got.logprobs[i], 1e-5);
      ids.push_back(got.ids[i]);
    }
  }
}

TEST_F(GeneratorTest, ASequenceDoesNotDependOnItsBatchMates) {
  SamplingParams sampled;
  sampled.max_new_tokens = 15;
  sampled.temperature = 0.9;
  sampled.top_p = 0.95;
  sampled.seed = 17;
  const auto prompt = random_ids(9, 61, 2);
  const Generated alone = generate(model_, prompt, sampled);
  Generator generator(model_);
  Outputs out;
  generator.add(random_ids(30, 61, 5), greedy(20), adapter_);
  generator.add(random_ids(3, 61, 6), greedy(25));
  for (int i = 0; i < 3; ++i)
    generator.step();
  const SequenceId id = generator.add(prompt, sampled);
  generator.add(random_ids(11, 61, 7), greedy(2), adapter_);
  drain(generator, out);
  EXPECT_EQ(out[id].ids, alone.ids);
  EXPECT_EQ(out[id].logprobs, alone.logprobs);
}

TEST_F(GeneratorTest, TheSeedDecidesAndAnotherSeedDiffers) {
  SamplingParams p;
  p.max_new_tokens = 30;
  p.temperature = 1.5;
  const auto prompt = random_ids(5, 61, 2);
  const auto one = generate(model_, prompt, p).ids;
  EXPECT_EQ(generate(model_, prompt, p).ids, one);
  p.seed = 1;
  EXPECT_NE(generate(model_, prompt, p).ids, one);
}

TEST_F(GeneratorTest, StopsOnAnyStopTokenAndReportsIt) {
  const auto prompt = random_ids(5, 61, 2);
  const auto free = generate(model_, prompt, greedy(12)).ids;
  SamplingParams p = greedy(12);
  p.stop_ids = {60, free[4]};
  const Generated got = generate(model_, prompt, p);
  const auto first = std::find(free.begin(), free.end(), free[4]);
  EXPECT_EQ(got.ids, std::vector<int>(free.begin(), first + 1));
  EXPECT_EQ(got.finish, FinishReason::stop);
}

TEST_F(GeneratorTest, KeepsTheContextLimit) {
  EXPECT_EQ(generate(model_, random_ids(60, 61, 2), greedy(100)).ids.size(), 4U);
  Generator generator(model_, {.max_context = 20});
  EXPECT_THROW(generator.add(random_ids(20, 61, 2), greedy(1)), UsageError);
  generator.add(random_ids(19, 61, 2), greedy(5));
  Outputs out;
  drain(generator, out);
  EXPECT_EQ(out.begin()->second.ids.size(), 1U);
}

TEST_F(GeneratorTest, RefusesBadRequestsAndAFullHouse) {
  Generator generator(model_, {.max_sequences = 1});
  EXPECT_THROW(generator.add({}, greedy(1)), UsageError);
  EXPECT_THROW(generator.add({61}, greedy(1)), UsageError);
  EXPECT_THROW(generator.add({-1}, greedy(1)), UsageError);
  EXPECT_THROW(generator.add({1}, greedy(0)), UsageError);
  SamplingParams bad = greedy(1);
  bad.temperature = NAN;
  EXPECT_THROW(generator.add({1}, bad), UsageError);
  bad = greedy(1);
  bad.top_p = 0;
  EXPECT_THROW(generator.add({1}, bad), UsageError);
  generator.add({1}, greedy(1));
  EXPECT_THROW(generator.add({1}, greedy(1)), Conflict);
  EXPECT_EQ(generator.size(), 1);
}

TEST_F(GeneratorTest, ARemovedSequenceIsGoneAndFreesItsCache) {
  Generator generator(model_);
  const SequenceId a = generator.add(random_ids(9, 61, 1), greedy(50)),
                   b = generator.add(random_ids(9, 61, 2), greedy(3));
  generator.step();
  const int64_t before = generator.cache_bytes();
  EXPECT_TRUE(generator.remove(a));
  EXPECT_FALSE(generator.remove(a));
  EXPECT_LT(generator.cache_bytes(), before);
  for (const TokenEvent& e : generator.step())
    EXPECT_EQ(e.sequence, b);
  generator.step();
  EXPECT_EQ(generator.size(), 0);
  EXPECT_TRUE(generator.step().empty());
}

TEST_F(GeneratorTest, LongPromptsWaitForTheirTurnAndNobodyStarves) {
  Generator generator(model_, {.max_prefill_rows = 20});
  for (unsigned i = 0; i < 4; ++i)
    generator.add(random_ids(15, 61, i), greedy(8));
  size_t most = 0;
  for (int step = 0; step < 4; ++step) {
    const auto events = generator.step();
    EXPECT_EQ(events.size(), static_cast<size_t>(step) + 1);
    most = std::max(most, events.size());
  }
  EXPECT_EQ(most, 4U);
}

TEST_F(GeneratorTest, PromptTokensAreScoredAsIfTheyHadBeenGenerated) {
  SamplingParams plain = greedy(40);
  plain.top_logprobs = 2;
  const std::vector<int> prompt = random_ids(5, 61, 3);
  Generator generator(model_);
  generator.add(prompt, plain);
  std::vector<int> ids = prompt;
  std::vector<TokenEvent> generated;
  while (generator.size() > 0) {
    generated.push_back(generator.step().at(0));
    ids.push_back(generated.back().token);
    EXPECT_TRUE(generated.back().prompt.empty());
  }
  SamplingParams scored = plain;
  scored.prompt_logprobs = true;
  scored.max_new_tokens = 2;
  generator.add(random_ids(9, 61, 4), plain);  // a neighbour shifts the rows
  const SequenceId id = generator.add(ids, scored);
  const auto events = generator.step();
  ASSERT_EQ(events.size(), 2U);
  ASSERT_EQ(events[1].sequence, id);
  EXPECT_TRUE(events[0].prompt.empty());
  ASSERT_EQ(events[1].prompt.size(), ids.size() - 1);
  for (size_t i = 0; i < generated.size(); ++i) {
    const TokenScore& score = events[1].prompt[prompt.size() - 1 + i];
    EXPECT_NEAR(score.logprob, generated[i].logprob, 1e-4) << i;
    ASSERT_EQ(score.top.size(), 2U);
    EXPECT_EQ(score.top[0].first, generated[i].token);
    EXPECT_NEAR(score.top[1].second, generated[i].top[1].second, 1e-4) << i;
  }
  EXPECT_TRUE(generator.step().at(1).prompt.empty());
}

TEST(Sampler, DrawsFromTheTemperedAndCutDistribution) {
  const std::vector<float> logits = {2.0F, 1.0F, 0.0F, -1.0F, 2.0F};
  std::vector<std::pair<float, int>> work;
  const auto shares = [&](const SamplingParams& p) {
    std::vector<double> out(5);
    for (uint64_t i = 0; i < 20000; ++i)
      out[static_cast<size_t>(sample(logits, p, i, work).token)] += 1 / 20000.0;
    return out;
  };
  SamplingParams p;
  p.temperature = 2;
  auto got = shares(p);
  double total = 0;
  for (const float x : logits)
    total += std::exp(x / 2.0);
  for (size_t i = 0; i < 5; ++i)
    EXPECT_NEAR(got[i], std::exp(logits[i] / 2.0) / total, 0.012);
  p.top_k = 3;
  got = shares(p);
  EXPECT_EQ(got[2] + got[3], 0);
  p.top_k = 0;
  p.temperature = 1;
  p.top_p = 0.5;  // the two equal tops hold 0.76: one of them is not yet half
  got = shares(p);
  EXPECT_EQ(got[1] + got[2] + got[3], 0);
  EXPECT_NEAR(got[0], 0.5, 0.02);
  p.top_p = 0.01;
  EXPECT_EQ(shares(p)[0], shares(p)[0]);
  EXPECT_NEAR(shares(p)[0], 1.0, 1e-9);
}

TEST(Sampler, PenaltiesAndBiasesMoveTheChoiceButNotTheLogprobs) {
  const std::vector<float> logits = {2.0F, 1.5F, 0.0F, -1.0F, 2.0F};
  std::vector<std::pair<float, int>> work;
  double total = 0;
  for (const float x : logits)
    total += std::exp(x);
  const auto nats = [&](int id) { return logits[static_cast<size_t>(id)] - std::log(total); };
  SamplingParams p;
  p.temperature = 0;
  p.top_logprobs = 3;
  const SampledToken plain = sample(logits, p, 0, work);
  EXPECT_EQ(plain.token, 0);
  ASSERT_EQ(plain.top.size(), 3U);
  EXPECT_EQ(plain.top[0].first, 0);
  EXPECT_EQ(plain.top[1].first, 4);
  EXPECT_EQ(plain.top[2].first, 1);
  EXPECT_NEAR(plain.top[2].second, nats(1), 1e-6);
  p.presence_penalty = 1;
  EXPECT_EQ(sample(logits, p, 0, work).token, 0) << "nothing was said yet";
  EXPECT_EQ(sample(logits, p, 1, work, {{0, 1}}).token, 4);
  EXPECT_EQ(sample(logits, p, 2, work, {{0, 9}, {4, 1}}).token, 1) << "presence does not count";
  p.presence_penalty = 0;
  p.frequency_penalty = 0.2;
  EXPECT_EQ(sample(logits, p, 3, work, {{0, 1}, {4, 2}}).token, 0);
  EXPECT_EQ(sample(logits, p, 3, work, {{0, 3}, {4, 3}}).token, 1);
  p.frequency_penalty = 0;
  p.logit_bias = {{3, 100}, {0, -100}};
  const SampledToken biased = sample(logits, p, 0, work);
  EXPECT_EQ(biased.token, 3);
  EXPECT_NEAR(biased.logprob, nats(3), 1e-6);
  EXPECT_EQ(biased.top, plain.top);
  p.temperature = 1;
  for (uint64_t i = 0; i < 100; ++i)
    EXPECT_EQ(sample(logits, p, i, work).token, 3);
}

TEST(Sampler, ParametersOutOfRangeAreRefused) {
  const auto refused = [](auto change) {
    SamplingParams p;
    change(p);
    EXPECT_THROW(validate(p), UsageError);
  };
  refused([](SamplingParams& p) { p.frequency_penalty = 2.1; });
  refused([](SamplingParams& p) { p.presence_penalty = std::nan(""); });
  refused([](SamplingParams& p) { p.top_logprobs = 21; });
  refused([](SamplingParams& p) { p.logit_bias = {{-1, 0}}; });
  refused([](SamplingParams& p) { p.logit_bias = {{1, 101}}; });
}

TEST(Sampler, UniformNumbersFillTheirRange) {
  double sum = 0, low = 1, high = 0;
  for (uint64_t i = 0; i < 10000; ++i) {
    const double u = sampling_uniform(5, i);
    sum += u / 10000;
    low = std::min(low, u);
    high = std::max(high, u);
  }
  EXPECT_NEAR(sum, 0.5, 0.01);
  EXPECT_GE(low, 0.0);
  EXPECT_LT(high, 1.0);
  EXPECT_GT(high - low, 0.99);
}

}  // namespace
}  // namespace afina::model
