// SPDX-License-Identifier: Apache-2.0
#include "lora/config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace afina::lora {
namespace {

const DecoderShape kShape{.layers = 2, .hidden = 24, .q_size = 16, .kv_size = 8, .ffn = 40, .vocab = 50};

std::vector<std::string> paths(const LoraConfig& config, UnmatchedNames unmatched = UnmatchedNames::refuse) {
  const Targets targets = find_targets(config, kShape, unmatched);
  std::vector<std::string> out;
  for (const auto& target : targets.modules)
    out.push_back(target.path);
  for (const auto& target : {targets.head, targets.embedding})
    if (target) out.push_back(target->path);
  return out;
}

TEST(LoraConfig, ResolvesNamesInLayoutOrderAndAllLinear) {
  EXPECT_EQ(paths({.target_modules = {"v_proj", "q_proj"}}),
            (std::vector<std::string>{"model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj",
                                      "model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.v_proj"}));
  EXPECT_EQ(paths({.target_modules = {"all-linear"}}).size(), 14U);
}

TEST(LoraConfig, NamesTheNearestModuleForAMisspeltOne) {
  try {
    paths({.target_modules = {"q_prj"}});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("'q_proj'"), std::string::npos) << error.what();
  }
}

TEST(LoraConfig, RefusesNumbersOutOfRange) {
  EXPECT_THROW(paths({.r = 0, .target_modules = {"q_proj"}}), UsageError);
  EXPECT_THROW(paths({.lora_alpha = 0, .target_modules = {"q_proj"}}), UsageError);
  EXPECT_THROW(paths({.lora_dropout = 1.0, .target_modules = {"q_proj"}}), UsageError);
  EXPECT_THROW(paths({.target_modules = {}}), UsageError);
}

TEST(LoraConfig, ScalesByRankOrByItsRoot) {
  EXPECT_DOUBLE_EQ((LoraConfig{.r = 16, .lora_alpha = 32}).scale(), 2.0);
  EXPECT_DOUBLE_EQ((LoraConfig{.r = 16, .lora_alpha = 32, .use_rslora = true}).scale(), 8.0);
}

}  // namespace
}  // namespace afina::lora
