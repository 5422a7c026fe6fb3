// SPDX-License-Identifier: Apache-2.0
// The written-out forward and backward against autograd in double, finite differences, themselves row by row, and their
// promises about memory.
#include "model/training_model.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "model/model.h"
#include "tests/model/batches.h"
#include "tests/model/oracle.h"
#include "tests/model/toy_adapter.h"

namespace afina::model {
namespace {

ModelConfig toy_config() {
  ModelConfig c;
  c.vocab_size = 97;
  c.hidden = 40;
  c.ffn = 72;
  c.layers = 3;
  c.heads = 6;
  c.kv_heads = 2;
  c.head_dim = 12;  // not hidden / heads
  c.max_positions = 256;
  c.tied_head = true;
  return c;
}

/// A ragged pack: a lone text, a prompt with two answers (first targets share the prompt's last row), another text.
datasets::PackedBatch ragged(int vocab) {
  datasets::PackedBatch batch = whole_text(random_ids(23, vocab, 1));
  const auto prompt = random_ids(40, vocab, 2);
  const int p = add_segment(batch, prompt);
  const int last = static_cast<int>(batch.rows()) - 1;
  for (unsigned side = 0; side < 2; ++side) {
    const auto answer = random_ids(side == 0 ? 61 : 5, vocab, 3 + side);
    const int begin = batch.segments[static_cast<size_t>(add_segment(batch, answer, p))].begin;
    std::vector<int> rows = {last}, tokens = {answer[0]};
    for (size_t i = 1; i < answer.size(); ++i)
      rows.push_back(begin + static_cast<int>(i) - 1), tokens.push_back(answer[i]);
    add_targets(batch, rows, tokens);
  }
  const int begin = batch.segments[static_cast<size_t>(add_segment(batch, random_ids(9, vocab, 7)))].begin;
  add_targets(batch, {begin + 8, begin + 3}, {5, 6});
  return batch;
}

std::vector<double> coefficients(size_t n) {
  std::vector<double> out(n);
  for (size_t i = 0; i < n; ++i)
    out[i] = std::sin(1.0 + static_cast<double>(i)) / 10.0;
  return out;
}

double relative_difference(const at::Tensor& got, const at::Tensor& want) {
  return ((got.to(at::kDouble) - want).norm() / want.norm()).item<double>();
}

struct OracleCase {
  const char* name;
  bool tied;
  std::set<std::pair<int, Site>> sites;  // empty: everywhere
};

class AgainstAutograd : public ::testing::TestWithParam<OracleCase> {};

TEST_P(AgainstAutograd, LogprobsAndParameterGradientsAgree) {
  ModelConfig config = toy_config();
  config.tied_head = GetParam().tied;
  const auto model = random_model(config, 5);
  const auto batch = ragged(static_cast<int>(config.vocab_size));
  const ToyAdapter adapter(config, 3, GetParam().sites.empty() ? ToyAdapter::everywhere(config) : GetParam().sites, 9);
  const auto d = coefficients(batch.targets.size());

  at::Tensor flat = adapter.flat_P.to(at::kDouble).requires_grad_();
  const at::Tensor want = oracle_logprobs(*model, batch, &adapter, flat);
  (want * at::tensor(at::ArrayRef<double>(d))).sum().backward();

  TrainingModel training(model, {.head_chunk_rows = 32, .want_entropy = true});
  const TokenStats stats = training.forward(batch, adapter, {});
  for (size_t i = 0; i < stats.logp.size(); ++i)
    ASSERT_NEAR(stats.logp[i], want[static_cast<int64_t>(i)].item<double>(), 2e-5) << i;
  at::Tensor grad = at::zeros_like(adapter.flat_P);
  training.backward(batch, adapter, {}, d, grad);
  EXPECT_LT(relative_difference(grad, flat.grad()), 2e-6);

  const TokenStats again = training.evaluate(batch, &adapter);
  EXPECT_EQ(again.logp, stats.logp) << "evaluation and training share one forward";
}

INSTANTIATE_TEST_SUITE_P(Oracle, AgainstAutograd,
                         ::testing::Values(OracleCase{"everywhere", true, {}}, OracleCase{"untied", false, {}},
                                           OracleCase{"top_layers", true, {{1, Site::qkv}, {2, Site::gate_up}}},
                                           OracleCase{"only_o", true, {{1, Site::o}}},
                                           OracleCase{"only_down", false, {{2, Site::down}}},
                                           OracleCase{"gate_up_and_down", true, {{0, Site::gate_up}, {2, Site::down}}}),
                         [](const auto& info) { return info.param.name; });

TEST(TrainingModel, GradientsAccumulateIntoTheGivenBuffer) {
  const ModelConfig config = toy_config();
  TrainingModel training(random_model(config, 5));
  const auto batch = ragged(97);
  const ToyAdapter adapter(config, 2, ToyAdapter::everywhere(config), 1);
  const auto d = coefficients(batch.targets.size());
  at::Tensor once = at::zeros_like(adapter.flat_P), twice = at::zeros_like(adapter.flat_P);
  for (const int times : {1, 2})
    for (int i = 0; i < times; ++i) {
      training.forward(batch, adapter, {});
      training.backward(batch, adapter, {}, d, times == 1 ? once : twice);
    }
  EXPECT_LT(relative_difference(twice, once.to(at::kDouble) * 2), 1e-6);
}

TEST(TrainingModel, DirectionalDerivativeEqualsFiniteDifferences) {
  ModelConfig config = toy_config();
  config.layers = 2;
  TrainingModel training(random_model(config, 6));
  const auto batch = ragged(97);
  ToyAdapter adapter(config, 2, ToyAdapter::everywhere(config), 2);
  const auto d = coefficients(batch.targets.size());
  const auto loss = [&] {
    const TokenStats stats = training.evaluate(batch, &adapter);
    double sum = 0;
    for (size_t i = 0; i < d.size(); ++i)
      sum += d[i] * stats.logp[i];
    return sum;
  };
  training.forward(batch, adapter, {});
  at::Tensor grad = at::zeros_like(adapter.flat_P);
  training.backward(batch, adapter, {}, d, grad);
  const at::Tensor start = adapter.flat_P.clone(), direction = grad / grad.norm();
  const double step = 5e-3, slope = grad.norm().item<double>();
  adapter.flat_P.copy_(start + step * direction);
  const double above = loss();
  adapter.flat_P.copy_(start - step * direction);
  EXPECT_NEAR((above - loss()) / (2 * step) / slope, 1.0, 2e-3);
}

TEST(TrainingModel, PackedRowsEqualRowsOneByOneBitForBit) {
  const ModelConfig config = toy_config();
  TrainingModel training(random_model(config, 5));
  datasets::PackedBatch packed;
  std::vector<double> alone;
  for (const int n : {17, 64, 1 + 1, 90}) {
    const auto ids = random_ids(n, 97, static_cast<unsigned>(n));
    const auto one = training.evaluate(whole_text(ids), nullptr);
    alone.insert(alone.end(), one.logp.begin(), one.logp.end());
    const int begin = packed.segments.empty() ? 0 : static_cast<int>(packed.rows());
    add_segment(packed, ids);
    std::vector<int> rows, tokens;
    for (int i = 0; i + 1 < n; ++i)
      rows.push_back(begin + i), tokens.push_back(ids[static_cast<size_t>(i) + 1]);
    add_targets(packed, rows, tokens);
  }
  EXPECT_EQ(training.evaluate(packed, nullptr).logp, alone);
}

TEST(TrainingModel, ASharedPrefixEqualsTheWholeRowWrittenOut) {
  const ModelConfig config = toy_config();
  TrainingModel training(random_model(config, 5));
  auto prompt = random_ids(45, 97, 1);
  const auto answer = random_ids(30, 97, 2);
  datasets::PackedBatch shared;
  const int p = add_segment(shared, prompt);
  add_segment(shared, answer, p);
  std::vector<int> rows, tokens;
  for (int i = 0; i < 30; ++i)
    rows.push_back(44 + i), tokens.push_back(answer[static_cast<size_t>(i)]);
  add_targets(shared, rows, tokens);
  datasets::PackedBatch whole;
  prompt.insert(prompt.end(), answer.begin(), answer.end());
  add_segment(whole, prompt);
  add_targets(whole, rows, tokens);
  const auto a = training.evaluate(shared, nullptr), b = training.evaluate(whole, nullptr);
  for (size_t i = 0; i < a.logp.size(); ++i)
    EXPECT_NEAR(a.logp[i], b.logp[i], 1e-5);
}

TEST(TrainingModel, EntropyAndAccuracyAreThoseOfTheWholeDistribution) {
  const ModelConfig config = toy_config();
  TrainingModel training(random_model(config, 5), {.want_entropy = true});
  const auto batch = whole_text(random_ids(12, 97, 3));
  const std::vector<int> rows = {4};
  const at::Tensor p = at::softmax(training.logits(batch, rows, nullptr)[0].to(at::kDouble), 0);
  const auto best = static_cast<int>(p.argmax().item<int64_t>());
  datasets::PackedBatch one = batch;
  one.targets.clear();
  one.sequences.clear();
  one.examples.clear();
  add_targets(one, {4, 4}, {best, (best + 1) % 97});
  const TokenStats stats = training.evaluate(one, nullptr);
  EXPECT_NEAR(stats.entropy[0], -(p * p.log()).sum().item<double>(), 1e-6);
  EXPECT_EQ(stats.correct, (std::vector<uint8_t>{1, 0}));
}

int64_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::stoll(line.substr(6));
  return 0;
}

TEST(TrainingModel, MemoryIsFlatFromTheThirdStep) {
  ModelConfig config = toy_config();
  config.vocab_size = 4096;
  config.max_positions = 512;
  config.hidden = 128;
  config.ffn = 256;
  TrainingModel training(random_model(config, 5));
  const ToyAdapter adapter(config, 4, ToyAdapter::everywhere(config), 1);
  at::Tensor grad = at::zeros_like(adapter.flat_P);
  int64_t bytes = 0, resident = 0;
  for (int step = 0; step < 12; ++step) {
    const auto batch = whole_text(random_ids(step < 2 ? 300 : 150 + step * 10, 4096, static_cast<unsigned>(step)));
    training.forward(batch, adapter, {});
    training.backward(batch, adapter, {}, coefficients(batch.targets.size()), grad);
    if (step == 2) bytes = training.arena_bytes(), resident = resident_kib();
  }
  EXPECT_EQ(training.arena_bytes(), bytes);
  EXPECT_LT(resident_kib(), resident + 2048) << "KiB";
}

TEST(TrainingModel, RefusesBatchesThatDoNotFit) {
  const ModelConfig config = toy_config();
  TrainingModel training(random_model(config, 5));
  auto too_far = whole_text(random_ids(4, 97, 1));
  too_far.positions[3] = 256;
  EXPECT_THROW(training.evaluate(too_far, nullptr), DataError);
  auto unknown_id = whole_text(random_ids(4, 97, 1));
  unknown_id.ids[0] = 97;
  EXPECT_THROW(training.evaluate(unknown_id, nullptr), DataError);
  datasets::PackedBatch chain;
  const int a = add_segment(chain, random_ids(4, 97, 1));
  const int b = add_segment(chain, random_ids(4, 97, 2), a);
  add_segment(chain, random_ids(4, 97, 3), b);
  EXPECT_THROW(training.evaluate(chain, nullptr), DataError) << "a prefix of a prefix";
}

TEST(TrainingModel, BackwardTwiceIsAProgrammersError) {
  const ModelConfig config = toy_config();
  TrainingModel training(random_model(config, 5));
  const ToyAdapter adapter(config, 2, ToyAdapter::everywhere(config), 1);
  const auto batch = whole_text(random_ids(4, 97, 1));
  at::Tensor grad = at::zeros_like(adapter.flat_P);
  training.forward(batch, adapter, {});
  training.backward(batch, adapter, {}, coefficients(3), grad);
  EXPECT_THROW(training.backward(batch, adapter, {}, coefficients(3), grad), InternalError);
}

}  // namespace
}  // namespace afina::model
