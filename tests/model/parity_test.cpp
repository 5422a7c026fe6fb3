// SPDX-License-Identifier: Apache-2.0
// Logits and token log-probabilities of the real small model and of tiny random ones against the peers' (tests/golden).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

#include "base/cat.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "model/generator.h"
#include "model/model.h"
#include "model/training_model.h"
#include "tests/model/batches.h"
#include "tests/support/golden.h"

namespace afina::model {
namespace {

std::vector<float> golden_tensor(const formats::SafetensorsFile& file, const std::string& name) {
  std::vector<float> out(static_cast<size_t>(file.at(name).elements()));
  formats::copy_to_float(file.at(name), out);
  return out;
}

std::vector<int> golden_ints(const formats::SafetensorsFile& file, const std::string& name) {
  const auto& view = file.at(name);
  std::vector<int> out(static_cast<size_t>(view.elements()));
  std::memcpy(out.data(), view.bytes.data(), view.bytes.size());
  return out;
}

class SmolLm2 : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { model_ = load_model(smollm2_gguf()); }
  static void TearDownTestSuite() { model_.reset(); }
  static std::shared_ptr<const Model> model_;
};
std::shared_ptr<const Model> SmolLm2::model_;

// The peers' numbers come from an fp32 log_softmax, whose sum over 49,152 terms loses the small ones: 7e-6 nats a
// token, always upwards. Ours are summed in double. So single tokens are compared as they are, and the sums after the
// peers' own arithmetic on our logits.
void expect_equal_logprobs(TrainingModel& training, const datasets::PackedBatch& batch,
                           const std::vector<double>& want) {
  const TokenStats stats = training.evaluate(batch, nullptr);
  ASSERT_EQ(stats.logp.size(), want.size());
  if (want.empty()) return;
  std::vector<int> rows(want.size());
  std::iota(rows.begin(), rows.end(), 0);
  const at::Tensor logits = training.logits(batch, rows, nullptr);
  const at::Tensor exact = at::log_softmax(logits.to(at::kDouble), 1), theirs = at::log_softmax(logits, 1);
  double sum = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    EXPECT_NEAR(stats.logp[i], want[i], 1e-4) << "token " << i;
    EXPECT_NEAR(stats.logp[i], exact[row][batch.targets[i].token].item<double>(), 2e-6) << "token " << i;
    sum += theirs[row][batch.targets[i].token].item<double>();
  }
  EXPECT_NEAR(sum, std::accumulate(want.begin(), want.end(), 0.0), 5e-4);
}

TEST_F(SmolLm2, LastLogitsAndTokenLogprobsEqualThePeers) {
  const Json golden = parse_json(read_file(golden_path("smollm2/logits.json")), "logits.json");
  const formats::SafetensorsFile tensors(golden_path("smollm2/logits.safetensors"));
  TrainingModel training(model_);
  ASSERT_EQ(golden["prompts"].size(), 6U);
  for (const Json& prompt : golden["prompts"]) {
    const auto ids = prompt["ids"].get<std::vector<int>>();
    const auto batch = whole_text(ids);
    const std::vector<int> last = {static_cast<int>(ids.size()) - 1};
    const at::Tensor logits = training.logits(batch, last, nullptr)[0];
    const auto top_ids = prompt["last_top64_ids"].get<std::vector<int>>();
    const auto top = prompt["last_top64"].get<std::vector<double>>();
    for (size_t i = 0; i < top.size(); ++i)
      EXPECT_NEAR(logits[top_ids[i]].item<float>(), top[i], 2e-4);
    EXPECT_NEAR(at::logsumexp(logits.to(at::kDouble), 0).item<double>(), prompt["last_logsumexp"].get<double>(), 2e-4);
    if (prompt.contains("full") && prompt["full"].is_string()) {
      const auto full = golden_tensor(tensors, prompt["full"].get<std::string>());
      const float* got = logits.const_data_ptr<float>();
      double worst = 0;
      for (size_t i = 0; i < full.size(); ++i)
        worst = std::max(worst, std::abs(static_cast<double>(got[i]) - full[i]));
      EXPECT_LT(worst, 2e-4);
    }
    expect_equal_logprobs(training, batch, prompt["token_logprobs"].get<std::vector<double>>());
  }
}

TEST_F(SmolLm2, GreedyContinuationsEqualThePeersAloneAndTogether) {
  const Json golden = parse_json(read_file(golden_path("smollm2/greedy.json")), "greedy.json");
  SamplingParams params;
  params.max_new_tokens = 64;
  params.temperature = 0;
  params.stop_ids = {2};
  Generator generator(model_);
  std::map<SequenceId, std::vector<int>> together;
  std::vector<SequenceId> order;
  for (const Json& run : golden["runs"]) {
    const auto prompt = run["prompt_ids"].get<std::vector<int>>();
    EXPECT_EQ(generate(model_, prompt, params).ids, run["new_ids"].get<std::vector<int>>());
    order.push_back(generator.add(prompt, params));
  }
  while (generator.size() > 0)
    for (const TokenEvent& event : generator.step())
      together[event.sequence].push_back(event.token);
  for (size_t i = 0; i < order.size(); ++i)
    EXPECT_EQ(together[order[i]], golden["runs"][i]["new_ids"].get<std::vector<int>>());
}

TEST_F(SmolLm2, IdentityIsTheFilesDigest) {
  EXPECT_EQ(model_->identity(), "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53");
}

class TinyModels : public ::testing::TestWithParam<const char*> {};

TEST_P(TinyModels, LogitsOfTheFolderEqualThePeersWithBothProducts) {
  const auto folder = golden_path(cat("tiny/", GetParam()));
  const formats::SafetensorsFile golden(folder / "golden.safetensors");
  const auto ids = golden_ints(golden, "input_ids");
  const auto want = golden_tensor(golden, "logits");
  std::vector<int> rows(ids.size());
  std::iota(rows.begin(), rows.end(), 0);
  for (const GemmBackend gemm : {GemmBackend::packed, GemmBackend::aten}) {
    TrainingModel training(load_model(folder, {gemm}));
    const at::Tensor logits = training.logits(whole_text(ids), rows, nullptr);
    const float* got = logits.const_data_ptr<float>();
    ASSERT_EQ(static_cast<size_t>(logits.numel()), want.size());
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(got[i], want[i], 2e-5) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, TinyModels, ::testing::Values("llama2", "llama31"));

}  // namespace
}  // namespace afina::model
