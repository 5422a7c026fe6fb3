// SPDX-License-Identifier: Apache-2.0
// compose() against PEFT's add_weighted_adapter, and what it promises beside.
#include "lora/compose.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "lora/delta.h"
#include "tests/lora/tiny_adapters.h"

namespace afina::lora {
namespace {

class Compose : public ::testing::Test {
 protected:
  Compose() : model_(model::load_model(llama31())), golden_(llama31() / "compose") {
    for (const char* name : {"a", "b"})
      sets_.push_back(load_peft(llama31() / "compose" / name, model_));
  }
  std::vector<const AdapterSet*> both() const { return {sets_[0].get(), sets_[1].get()}; }
  std::unique_ptr<AdapterSet> run(ComposeMethod method, ComposeOptions options = {}) const {
    const auto sets = both();
    const std::array weights{0.7, 0.4};
    return compose(method, sets, weights, options);
  }
  std::shared_ptr<const model::Model> model_;
  TinyGolden golden_;
  std::vector<std::unique_ptr<AdapterSet>> sets_;
};

TEST_F(Compose, LogitsEqualPeftsAlsoAfterSaving) {
  const std::vector<std::pair<const char*, ComposeOptions>> table = {{"cat", {}},
                                                                     {"linear", {}},
                                                                     {"svd", {.svd_rank = 6}},
                                                                     {"ties", {.density = 0.5}},
                                                                     {"magnitude_prune", {.density = 0.5}}};
  TempFolder temp;
  for (const auto& [name, options] : table) {
    SCOPED_TRACE(name);
    ComposeMethod method{};
    ASSERT_TRUE(from_string(name, method));
    const auto result = run(method, options);
    expect_logits(logits_of(model_, tiny_ids(), result.get()), golden_.tensor(cat("logits.", name)));
    EXPECT_EQ(result->config().r, result->config().lora_alpha);
    EXPECT_EQ(result->slots().front().scale, 1.0);
    save_peft(temp.path() / name, *result, {"org/base", ""});
    const auto again = load_peft(temp.path() / name, model_);
    expect_logits(logits_of(model_, tiny_ids(), again.get()), golden_.tensor(cat("logits.", name)));
  }
}

TEST_F(Compose, CatIsTheWeightedSumOfDeltasAndASingleAdapterIsLinear) {
  const auto result = run(ComposeMethod::cat);
  EXPECT_EQ(result->config().r, 8);
  for (size_t i = 0; i < result->slots().size(); ++i) {
    const at::Tensor sum =
        0.7 * dense_delta(*sets_[0], sets_[0]->slots()[i]) + 0.4 * dense_delta(*sets_[1], sets_[1]->slots()[i]);
    EXPECT_LT((dense_delta(*result, result->slots()[i]) - sum).abs().max().item<float>(), 1e-5F);
  }
  const std::array<const AdapterSet*, 1> one{sets_[0].get()};
  const std::array weight{-0.5};
  const auto alone = compose(ComposeMethod::cat, one, weight);
  EXPECT_EQ(alone->config().r, 4);
  EXPECT_LT((dense_delta(*alone, alone->slots()[0]) + 0.5 * dense_delta(*sets_[0], sets_[0]->slots()[0]))
                .abs()
                .max()
                .item<float>(),
            1e-5F);
}

TEST_F(Compose, DareIsAFunctionOfItsSeedAndKeepsTheExpectedValue) {
  for (const auto method :
       {ComposeMethod::dare_linear, ComposeMethod::dare_ties, ComposeMethod::dare_linear_svd,
        ComposeMethod::dare_ties_svd, ComposeMethod::ties_svd, ComposeMethod::magnitude_prune_svd}) {
    SCOPED_TRACE(to_string(method));
    const auto one = run(method, {.density = 0.5, .seed = 1}), again = run(method, {.density = 0.5, .seed = 1});
    EXPECT_TRUE(at::equal(one->flat_parameters(), again->flat_parameters()));
    EXPECT_TRUE(at::isfinite(one->flat_parameters()).all().item<bool>());
    const bool random = to_string(method).starts_with("dare");
    const auto other = run(method, {.density = 0.5, .seed = 2});
    EXPECT_EQ(at::equal(one->flat_parameters(), other->flat_parameters()), !random);
  }
  at::Tensor mean = at::zeros_like(run(ComposeMethod::linear)->flat_parameters());
  for (uint64_t seed = 0; seed < 400; ++seed)
    mean.add_(run(ComposeMethod::dare_linear, {.density = 0.5, .seed = seed})->flat_parameters(), 1.0 / 400);
  const auto linear = run(ComposeMethod::linear);
  const double spread = linear->flat_parameters().std().item<double>();
  EXPECT_LT((mean - linear->flat_parameters()).abs().mean().item<double>(), 0.1 * spread);
}

TEST_F(Compose, RefusesWhatHasNoMeaning) {
  const auto refusal = [&](ComposeMethod method, std::vector<double> weights, ComposeOptions options = {}) {
    const auto sets = both();
    return message_of([&] { compose(method, sets, weights, options); });
  };
  EXPECT_NE(refusal(ComposeMethod::cat, {1.0}).find("one for each"), std::string::npos);
  EXPECT_NE(refusal(ComposeMethod::cat, {1.0, NAN}).find("finite"), std::string::npos);
  EXPECT_NE(refusal(ComposeMethod::ties, {1, 1}).find("density"), std::string::npos);
  EXPECT_NE(refusal(ComposeMethod::dare_ties, {1, 1}, {.density = 1.5}).find("density"), std::string::npos);
  EXPECT_NE(refusal(ComposeMethod::svd, {1, 1}, {.svd_rank = -1}).find("svd_rank"), std::string::npos);
  const auto dora = load_peft(llama31() / "variants" / "dora", model_);
  const auto patterns = load_peft(llama31() / "variants" / "patterns", model_);
  const std::array weights{1.0, 1.0};
  const std::array<const AdapterSet*, 2> with_dora{sets_[0].get(), dora.get()},
      with_patterns{sets_[0].get(), patterns.get()};
  EXPECT_NE(message_of([&] { compose(ComposeMethod::cat, with_dora, weights); }).find("DoRA"), std::string::npos);
  EXPECT_NE(message_of([&] { compose(ComposeMethod::linear, with_patterns, weights); }).find("one rank"),
            std::string::npos);
  EXPECT_EQ(compose(ComposeMethod::cat, with_patterns, weights)->config().r, 12);
}

}  // namespace
}  // namespace afina::lora
