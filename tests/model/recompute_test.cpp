// SPDX-License-Identifier: Apache-2.0
// What forward does not keep comes back bit for bit: recompute changes memory and time, never a number.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/model.h"
#include "model/training_model.h"
#include "tests/model/batches.h"
#include "tests/model/toy_adapter.h"

namespace afina::model {
namespace {

ModelConfig plain() {
  ModelConfig c;
  c.vocab_size = 97;
  c.hidden = 40;
  c.ffn = 72;
  c.layers = 4;
  c.heads = 6;
  c.kv_heads = 2;
  c.head_dim = 12;
  c.max_positions = 256;
  c.tied_head = true;
  return c;
}

ModelConfig normed_heads() {
  ModelConfig c = plain();
  c.qk_norm = true;
  c.rotary = {1, 0, 1, 1};
  return c;
}

/// A prompt with two answers beside another text.
datasets::PackedBatch pair_and_text() {
  datasets::PackedBatch batch = whole_text(random_ids(30, 97, 1));
  const int prompt = add_segment(batch, random_ids(20, 97, 2));
  const int last = static_cast<int>(batch.rows()) - 1;
  for (const unsigned side : {0U, 1U}) {
    const auto answer = random_ids(11 + static_cast<int>(side), 97, 3 + side);
    const int begin = batch.segments[static_cast<size_t>(add_segment(batch, answer, prompt))].begin;
    add_targets(batch, {last, begin, begin + 4}, {answer[0], answer[1], answer[5]});
  }
  return batch;
}

struct Result {
  std::vector<double> logp;
  at::Tensor gradient;
  int64_t bytes;
};

Result step(const ModelConfig& config, const std::set<std::pair<int, Site>>& sites, TrainingModelOptions options) {
  TrainingModel training(random_model(config, 5), options);
  const ToyAdapter adapter(config, 3, sites, 9);
  const auto batch = pair_and_text();
  std::vector<double> d(batch.targets.size());
  for (size_t i = 0; i < d.size(); ++i)
    d[i] = std::sin(1.0 + static_cast<double>(i));
  at::Tensor gradient = at::zeros_like(adapter.flat_P);
  // Twice, so that leftovers of one step would show in the next.
  std::vector<double> logp;
  for (int i = 0; i < 2; ++i) {
    logp = training.forward(batch, adapter, {}).logp;
    training.backward(batch, adapter, {}, d, gradient);
  }
  return {logp, gradient, training.arena_bytes()};
}

struct RecomputeCase {
  const char* name;
  bool normed;
  std::set<std::pair<int, Site>> sites;  // empty: everywhere
};

class RecomputeOf : public ::testing::TestWithParam<RecomputeCase> {};

TEST_P(RecomputeOf, AnyLayersInAnyWayGivesTheSameBits) {
  const ModelConfig config = GetParam().normed ? normed_heads() : plain();
  const auto sites = GetParam().sites.empty() ? ToyAdapter::everywhere(config) : GetParam().sites;
  const Result want = step(config, sites, {});
  EXPECT_GT(want.gradient.norm().item<double>(), 0.1);
  for (const Recompute recompute : {Recompute::gate_up, Recompute::layer})
    for (const int64_t layers : {1, 3, -1}) {
      const Result got = step(config, sites, {.recompute = recompute, .recompute_layers = layers});
      EXPECT_EQ(got.logp, want.logp);
      EXPECT_TRUE(at::equal(got.gradient, want.gradient)) << static_cast<int>(recompute) << " of " << layers;
    }
}

INSTANTIATE_TEST_SUITE_P(Adapters, RecomputeOf,
                         ::testing::Values(RecomputeCase{"everywhere", false, {}},
                                           RecomputeCase{"normed_heads", true, {}},
                                           RecomputeCase{"upper_layers", false, {{2, Site::o}, {3, Site::down}}},
                                           RecomputeCase{"only_qkv", true, {{0, Site::qkv}, {3, Site::qkv}}},
                                           RecomputeCase{"only_gate_up", false, {{1, Site::gate_up}}}),
                         [](const auto& info) { return info.param.name; });

TEST(Recompute, EachWayHoldsLessThanTheOneBefore) {
  ModelConfig config = plain();
  config.layers = 12;
  const auto sites = ToyAdapter::everywhere(config);
  const int64_t none = step(config, sites, {}).bytes,
                gate_up = step(config, sites, {.recompute = Recompute::gate_up}).bytes,
                layer = step(config, sites, {.recompute = Recompute::layer}).bytes;
  EXPECT_LT(gate_up, none * 3 / 4);
  EXPECT_LT(layer, gate_up * 2 / 3);
}

TEST(Recompute, NothingIsKeptBelowTheLowestAdapter) {
  ModelConfig config = plain();
  config.layers = 12;
  const int64_t everywhere = step(config, ToyAdapter::everywhere(config), {}).bytes,
                top = step(config, {{11, Site::qkv}, {11, Site::down}}, {}).bytes;
  EXPECT_LT(top, everywhere / 3);
}

}  // namespace
}  // namespace afina::model
