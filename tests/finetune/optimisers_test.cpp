// SPDX-License-Identifier: Apache-2.0
// Ten steps of every optimiser against torch, transformers and bitsandbytes (tests/golden/optimisers/make.py), states
// that restore bit for bit, rates of their own, and the gradient's norm.
#include "finetune/optim/optimiser.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "finetune/optim/adamw_8bit.h"
#include "finetune/optim/elementwise.h"
#include "finetune/optim/gradient_norm.h"
#include "formats/safetensors.h"
#include "tests/support/golden.h"

namespace afina::finetune {
namespace {

using ::testing::HasSubstr;

const std::vector<OptimiserType> kAll = {OptimiserType::adamw_torch, OptimiserType::adamw_8bit, OptimiserType::lion,
                                         OptimiserType::adafactor,   OptimiserType::sgd,        OptimiserType::muon};

const formats::SafetensorsFile& golden() {
  static const formats::SafetensorsFile file(golden_path("optimisers/steps.safetensors"));
  return file;
}

std::vector<float> golden_tensor(const std::string& name) {
  const auto& view = golden().at(name);
  std::vector<float> out(static_cast<size_t>(view.elements()));
  formats::copy_to_float(view, out);
  return out;
}

/// A, B, a bias, and a matrix large enough for 8-bit moments, whose last block of 256 is not full.
std::vector<ParameterBlock> golden_blocks() {
  return {{"layers.0.q_proj.lora_A", BlockKind::a, 0, 4, 48},
          {"layers.0.q_proj.lora_B", BlockKind::b, 192, 40, 4},
          {"layers.0.q_proj.bias", BlockKind::vector, 352, 1, 40},
          {"layers.0.down_proj.lora_B", BlockKind::b, 392, 70, 61}};
}
constexpr int64_t kParameters = 392 + 70 * 61;

RunConfig golden_config(OptimiserType type) {
  RunConfig config;
  config.optim = type;
  config.adam_beta2 = 0.99;
  config.weight_decay = 0.1;
  config.momentum = type == OptimiserType::sgd ? 0.9 : 0.0;
  return config;
}

std::unique_ptr<Optimiser> make(OptimiserType type) {
  return make_optimiser(golden_config(type), golden_blocks(), kParameters);
}

std::vector<float> run_golden(Optimiser& optimiser, int first, int last, std::vector<float> parameters) {
  const std::vector<float> gradients = golden_tensor("gradients");
  for (int step = first; step < last; ++step) {
    const auto gradient =
        std::span<const float>(gradients).subspan(static_cast<size_t>(step * kParameters), kParameters);
    optimiser.step(parameters, gradient, 2e-3);
  }
  return parameters;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0.0;
  for (size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  return largest;
}

class EveryOptimiser : public ::testing::TestWithParam<OptimiserType> {};
INSTANTIATE_TEST_SUITE_P(Optim, EveryOptimiser, ::testing::ValuesIn(kAll),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST_P(EveryOptimiser, TakesThePeersTenSteps) {
  const auto optimiser = make(GetParam());
  const std::vector<float> start = golden_tensor("start");
  const std::vector<float> ours = run_golden(*optimiser, 0, 10, start);
  const std::vector<float> theirs = golden_tensor(std::string(to_string(GetParam())));
  const double moved = largest_difference(theirs, start);
  // Entries of 0.1 move by about 0.02, where fp32 has steps of 1e-8; Adafactor's means are summed in another order, and
  // Muon's products are bf16, equal where ATen picks the same kernel.
  EXPECT_GT(moved, 1e-3);
  const double allowed = GetParam() == OptimiserType::muon        ? 1e-4
                         : GetParam() == OptimiserType::adafactor ? 1e-6
                                                                  : 1e-7;
  EXPECT_LT(largest_difference(ours, theirs), allowed);
}

TEST_P(EveryOptimiser, GoesOnBitForBitFromARestoredState) {
  const std::vector<float> start = golden_tensor("start");
  const auto straight = make(GetParam()), first = make(GetParam()), second = make(GetParam());
  const std::vector<float> whole = run_golden(*straight, 0, 10, start);
  const std::vector<float> half = run_golden(*first, 0, 5, start);
  second->restore(first->state());
  EXPECT_EQ(second->state(), first->state());
  EXPECT_EQ(run_golden(*second, 5, 10, half), whole);
}

TEST_P(EveryOptimiser, EveryBufferOfTheStateMatters) {
  const std::vector<float> start = golden_tensor("start");
  const auto straight = make(GetParam()), first = make(GetParam());
  const std::vector<float> whole = run_golden(*straight, 0, 10, start);
  const std::vector<float> half = run_golden(*first, 0, 5, start);
  const OptimiserState state = first->state();
  int64_t bytes = 0;
  for (size_t i = 0; i < state.buffers.size(); ++i) {
    OptimiserState forgets = state;
    std::visit(
        [&](auto& values) {
          bytes += static_cast<int64_t>(values.size() * sizeof(values[0]));
          std::fill(values.begin(), values.end(), 0);
        },
        forgets.buffers[i].values);
    const auto second = make(GetParam());
    second->restore(forgets);
    EXPECT_NE(run_golden(*second, 5, 10, half), whole) << state.buffers[i].name;
  }
  EXPECT_EQ(first->bytes(), bytes);
}

TEST_P(EveryOptimiser, DoesNotDependOnTheNumberOfThreads) {
  const std::vector<float> start = golden_tensor("start");
  at::set_num_threads(1);
  const std::vector<float> one = run_golden(*make(GetParam()), 0, 10, start);
  at::set_num_threads(2);
  EXPECT_EQ(run_golden(*make(GetParam()), 0, 10, start), one);
}

TEST_P(EveryOptimiser, ARateFactorIsAnotherRateForThatBlock) {
  auto blocks = golden_blocks();
  blocks[1].rate_factor = 4.0;
  const std::vector<float> start = golden_tensor("start");
  const auto plain = make(GetParam()), factored = make_optimiser(golden_config(GetParam()), blocks, kParameters),
             faster = make(GetParam());
  std::vector<float> a = start, b = start, c = start;
  const std::vector<float> gradients = golden_tensor("gradients");
  const auto gradient = std::span<const float>(gradients).first(kParameters);
  plain->step(a, gradient, 2e-3);
  factored->step(b, gradient, 2e-3);
  faster->step(c, gradient, 4 * 2e-3);
  const auto part = [](const std::vector<float>& v, size_t begin, size_t end) {
    return std::vector<float>(v.begin() + static_cast<std::ptrdiff_t>(begin),
                              v.begin() + static_cast<std::ptrdiff_t>(end));
  };
  EXPECT_EQ(part(b, 192, 352), part(c, 192, 352));
  EXPECT_EQ(part(b, 0, 192), part(a, 0, 192));
  EXPECT_EQ(part(b, 352, b.size()), part(a, 352, a.size()));
}

TEST_P(EveryOptimiser, RefusesAnotherState) {
  const auto optimiser = make(GetParam());
  OptimiserState state = optimiser->state();
  state.buffers.push_back({"stranger", std::vector<float>(3)});
  EXPECT_THROW(optimiser->restore(state), ModelError);
  state = optimiser->state();
  std::visit([](auto& values) { values.pop_back(); }, state.buffers.front().values);
  EXPECT_THROW(optimiser->restore(state), ModelError);
}

TEST(AdamW8bit, ItsCodesAreTheDynamicMaps) {
  for (const bool is_signed : {true, false}) {
    const DynamicCode code = dynamic_code(is_signed);
    const std::vector<float> theirs = golden_tensor(is_signed ? "code.signed" : "code.unsigned");
    EXPECT_EQ(std::vector<float>(code.begin(), code.end()), theirs);
  }
}

/// By a look at all 256.
uint8_t nearest_of_all(const DynamicCode& code, float x) {
  size_t best = 0;
  for (size_t i = 1; i < code.size(); ++i)
    if (std::abs(x - code[i]) < std::abs(x - code[best])) best = i;
  return static_cast<uint8_t>(best);
}

TEST(AdamW8bit, TheTableFindsTheNearestOfAllCodes) {
  for (const bool is_signed : {true, false}) {
    const CodeTable table(is_signed);
    std::vector<float> values = {0.0F, -0.0F, 1.0F, -1.0F, 1e-30F, -1e-30F, 1e-42F, 2.0F};
    for (int i = 0; i < 20'000; ++i)
      values.push_back(
          static_cast<float>((i % 2 == 0 ? 1.0 : -1.0) * std::pow(10.0, -8.0 * ((i * 7919) % 20'000) / 20'000.0)));
    for (size_t i = 0; i + 1 < 256; ++i) {
      const float middle = (table.code()[i] + table.code()[i + 1]) / 2.0F;
      values.insert(values.end(),
                    {table.code()[i], middle, std::nextafter(middle, -2.0F), std::nextafter(middle, 2.0F)});
    }
    for (const float x : values)
      ASSERT_EQ(table.nearest(x), nearest_of_all(table.code(), x)) << x;
    EXPECT_EQ(table.nearest(std::numeric_limits<float>::quiet_NaN()), 0);
  }
}

TEST(AdamW8bit, KeepsAQuarterOfAdamWsState) {
  const std::vector<ParameterBlock> blocks = {{"q_proj.lora_A", BlockKind::a, 0, 16, 4096}};
  RunConfig config;
  const int64_t wide = make_optimiser(config, blocks, 65536)->bytes();
  config.optim = OptimiserType::adamw_8bit;
  EXPECT_EQ(wide, 65536 * 8);
  EXPECT_EQ(make_optimiser(config, blocks, 65536)->bytes(), 65536 * 2 + 2 * 256 * 4);
}

TEST(RateFactors, LoraPlusMakesBFasterAndPatternsNameModules) {
  RunConfig config;
  config.learning_rate = 1e-4;
  config.loraplus_lr_ratio = 16.0;
  config.learning_rate_pattern = {"down_proj=5e-5", "layers.0.q_proj=4e-4", "q_proj=1"};
  auto blocks = golden_blocks();
  set_rate_factors(config, blocks);
  EXPECT_DOUBLE_EQ(blocks[0].rate_factor, 4.0);
  EXPECT_DOUBLE_EQ(blocks[1].rate_factor, 64.0);
  EXPECT_DOUBLE_EQ(blocks[2].rate_factor, 64.0);
  EXPECT_DOUBLE_EQ(blocks[3].rate_factor, 8.0);
}

TEST(RateFactors, APatternThatNamesNoModuleIsRefused) {
  RunConfig config;
  for (const char* name : {"v_proj=1e-4", "proj=1e-4", "lora_B=1e-4"}) {
    config.learning_rate_pattern = {name};
    auto blocks = golden_blocks();
    try {
      set_rate_factors(config, blocks);
      ADD_FAILURE() << name;
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), HasSubstr("learning_rate_pattern"));
    }
  }
}

TEST(Optim, BlocksWithAGapAreAMistakeOfOurs) {
  auto blocks = golden_blocks();
  blocks.erase(blocks.begin() + 1);
  EXPECT_THROW(make_optimiser(RunConfig(), blocks, kParameters), InternalError);
}

std::vector<float> noise(int64_t n, uint64_t seed) {
  std::vector<float> out(static_cast<size_t>(n));
  uint64_t state = seed;
  for (auto& x : out) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    x = static_cast<float>(static_cast<double>(state >> 40) / (1 << 23) - 1.0);
  }
  return out;
}

TEST(GlobalNorm, IsExactAndTheSameForAnyNumberOfThreads) {
  EXPECT_DOUBLE_EQ(global_norm(std::vector<float>{3.0F, 4.0F}), 5.0);
  const std::vector<float> g = noise(200'000, 9);
  at::set_num_threads(1);
  const double one = global_norm(g);
  at::set_num_threads(2);
  EXPECT_EQ(global_norm(g), one);
  const at::Tensor tensor = at::from_blob(const_cast<float*>(g.data()), {200'000}, at::kFloat);
  EXPECT_NEAR(one, tensor.to(at::kDouble).norm().item<double>(), 1e-9);
}

TEST(GlobalNorm, TellsNonFiniteGradients) {
  std::vector<float> g(50'000, 0.0F);
  g[49'999] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(global_norm(g)));
  g[49'999] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(global_norm(g)));
}

TEST(ClipGradient, CutsToTheNormOnlyWhereItIsLarger) {
  std::vector<float> g = {3.0F, 4.0F};
  clip_gradient(g, 5.0, 10.0);
  EXPECT_EQ(g, (std::vector<float>{3.0F, 4.0F}));
  clip_gradient(g, 5.0, 0.0);
  EXPECT_EQ(g, (std::vector<float>{3.0F, 4.0F}));
  clip_gradient(g, 5.0, 1.0);
  EXPECT_NEAR(global_norm(g), 1.0, 1e-6);
  EXPECT_FLOAT_EQ(g[0], static_cast<float>(3.0 / (5.0 + 1e-6)));
}

}  // namespace
}  // namespace afina::finetune
