// SPDX-License-Identifier: Apache-2.0
// The block of activations: as large as planned, never two live buffers in one place, and no page touched for the first
// time after step one.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <memory>
#include <string>

#include "model/arena_plan.h"
#include "model/model.h"
#include "model/threads.h"
#include "model/training_model.h"
#include "tests/model/batches.h"
#include "tests/model/toy_adapter.h"

namespace afina::model {
namespace {

ModelConfig config_of(bool normed) {
  ModelConfig c;
  c.vocab_size = 300;
  c.hidden = 40;
  c.ffn = 72;
  c.layers = 5;
  c.heads = 6;
  c.kv_heads = 2;
  c.head_dim = 12;
  c.max_positions = 1024;
  c.tied_head = true;
  c.qk_norm = normed;
  return c;
}

void step(TrainingModel& training, const ToyAdapter& adapter, const datasets::PackedBatch& batch, at::Tensor& grad) {
  training.forward(batch, adapter, {});
  training.backward(batch, adapter, {}, std::vector<double>(batch.targets.size(), 0.1), grad);
}

TEST(ArenaPlan, IsWhatTheEngineThenHolds) {
  for (const bool normed : {false, true})
    for (const Recompute recompute : {Recompute::none, Recompute::gate_up, Recompute::layer})
      for (const int64_t layers : {-1, 2})
        for (const int rows : {5, 130}) {
          const ModelConfig config = config_of(normed);
          TrainingModel training(random_model(config, 1),
                                 {.head_chunk_rows = 48, .recompute = recompute, .recompute_layers = layers});
          const ToyAdapter adapter(config, 3, ToyAdapter::everywhere(config), 1);
          at::Tensor grad = at::zeros_like(adapter.flat_P);
          step(training, adapter, whole_text(random_ids(rows, 300, 1)), grad);
          ArenaRequest request{.rows = rows, .target_rows = rows - 1, .positions = rows, .head_chunk_rows = 48};
          request.recompute = recompute;
          request.recompute_layers = layers;
          describe_adapter(config, adapter, request);
          EXPECT_EQ(plan_arena(config, request).bytes.total(), training.arena_bytes()) << rows;
        }
}

TEST(ArenaPlan, OfEvaluationIsSmallAndHeldWithinThatOfTraining) {
  const ModelConfig config = config_of(false);
  ArenaRequest request{.rows = 500, .target_rows = 499, .positions = 500};
  const int64_t training_bytes = plan_arena(config, request).bytes.total();
  request.keep = false;
  const int64_t evaluation_bytes = plan_arena(config, request).bytes.total();
  EXPECT_LT(evaluation_bytes, training_bytes);
  TrainingModel model(random_model(config, 1));
  const auto batch = whole_text(random_ids(500, 300, 1));
  model.evaluate(batch, nullptr);
  EXPECT_EQ(model.arena_bytes(), evaluation_bytes);
}

TEST(ArenaPlan, ReserveTakesTheWholeAtOnce) {
  const ModelConfig config = config_of(false);
  TrainingModel training(random_model(config, 1));
  const ToyAdapter adapter(config, 3, ToyAdapter::everywhere(config), 1);
  training.reserve(400, 399, 400, adapter);
  const int64_t reserved = training.arena_bytes();
  at::Tensor grad = at::zeros_like(adapter.flat_P);
  for (const int rows : {100, 400, 250}) {
    step(training, adapter, whole_text(random_ids(rows, 300, 1)), grad);
    EXPECT_LE(training.arena_bytes() - reserved, 1024 * 12 * 4) << "only the rotary table may come";
  }
}

bool apart(const Extent& a, const Extent& b) {
  return !a.there() || !b.there() || a.at + a.rows * a.columns <= b.at || b.at + b.rows * b.columns <= a.at;
}

void expect_apart(const std::vector<std::pair<const char*, Extent>>& live) {
  for (size_t i = 0; i < live.size(); ++i)
    for (size_t j = i + 1; j < live.size(); ++j)
      EXPECT_TRUE(apart(live[i].second, live[j].second)) << live[i].first << " over " << live[j].first;
}

TEST(ArenaPlan, BuffersThatLiveAtOneTimeLieApart) {
  for (const int64_t wide : {16, 72, 200})  // ffn below and above hidden
    for (const Recompute recompute : {Recompute::none, Recompute::gate_up, Recompute::layer}) {
      ModelConfig config = config_of(true);
      config.ffn = wide;
      ArenaRequest request{.rows = 33, .target_rows = 33, .positions = 33, .head_chunk_rows = 8, .rescales = true};
      request.adapter_widths.assign(5, {3, 1, 2, 1});
      request.recompute = recompute;
      const ArenaPlan p = plan_arena(config, request);
      for (const LayerExtents& b : p.layers) {
        std::vector<std::pair<const char*, Extent>> kept = {
            {"x_in", b.x_in},     {"x_mid", b.x_mid},   {"x_out", b.x_out},     {"qkv", b.qkv},
            {"o", b.o},           {"lse", b.lse},       {"gate_up", b.gate_up}, {"rstd1", b.rstd1},
            {"rstd2", b.rstd2},   {"raw", b.qk_raw},    {"qk", b.qk_rstd},      {"dx", p.dx},
            {"s0", b.adapter[0]}, {"s1", b.adapter[1]}, {"s2", b.adapter[2]},   {"s3", b.adapter[3]},
            {"base", p.base},     {"scaled", p.scaled}};
        const auto with = [&](std::initializer_list<std::pair<const char*, Extent>> more) {
          auto all = kept;
          all.insert(all.end(), more);
          expect_apart(all);
        };
        with({{"norm1", p.norm1}});
        with({{"norm2", p.norm2}});
        with({{"h", p.h}, {"d_h", p.d_h}});
        with({{"norm2", p.norm2}, {"d_h", p.d_h}});
        with({{"norm2", p.norm2}, {"d_norm2", p.d_norm2}});
        with({{"d_o", p.d_o}, {"d_k", p.d_k}, {"d_v", p.d_v}, {"d_qkv", p.d_qkv}});
        with({{"norm1", p.norm1}, {"d_norm1", p.d_norm1}, {"d_qkv", p.d_qkv}});
      }
      expect_apart({{"x", p.layers.back().x_out},
                    {"dx", p.dx},
                    {"logits", p.logits},
                    {"norm", p.head_norm},
                    {"kept", p.head_kept},
                    {"rstd", p.head_rstd},
                    {"scale", p.head_scale}});
    }
}

/// Pages that this process touched for the first time during f().
template <typename F>
int64_t page_faults(F f) {
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  f();
  getrusage(RUSAGE_SELF, &after);
  return after.ru_minflt - before.ru_minflt;
}

TEST(Arena, TouchesNoNewPageAfterTheFirstSteps) {
  setenv("GOMP_SPINCOUNT", "1000", 0);  // so that the next line has no reason to start the program again
  tune_process(0);
  ModelConfig config = config_of(false);
  config.hidden = 128;
  config.ffn = 384;
  config.vocab_size = 2048;
  const auto model = random_model(config, 1);
  const ToyAdapter adapter(config, 4, ToyAdapter::everywhere(config), 1);
  at::Tensor grad = at::zeros_like(adapter.flat_P);
  auto training = std::make_unique<TrainingModel>(model);
  std::vector<datasets::PackedBatch> batches;
  for (int i = 0; i < 5; ++i)
    batches.push_back(whole_text(random_ids(i == 0 ? 512 : 300 + 50 * i, 2048, static_cast<unsigned>(i))));
  const auto steps = [&](size_t from, size_t to, bool anew) {
    for (size_t i = from; i < to; ++i) {
      if (anew) training = std::make_unique<TrainingModel>(model);
      step(*training, adapter, batches[i], grad);
    }
  };
  steps(0, 2, false);
  const int64_t steady = page_faults([&] { steps(2, 5, false); }), anew = page_faults([&] { steps(2, 5, true); });
  RecordProperty("page_faults", std::to_string(steady) + " " + std::to_string(anew));
  EXPECT_LT(steady, 12) << "pages";
  EXPECT_GT(anew, steady + 12) << "the control: memory given back and taken anew";
}

}  // namespace
}  // namespace afina::model
