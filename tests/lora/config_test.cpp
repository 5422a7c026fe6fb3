// SPDX-License-Identifier: Apache-2.0
#include "lora/config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace afina::lora {
namespace {

TEST(LoraConfig, ResolvesNamesInLayoutOrderAndAllLinear) {
  EXPECT_EQ(resolve_targets({.target_modules = {"v_proj", "q_proj"}}),
            (std::vector<Module>{Module::q_proj, Module::v_proj}));
  EXPECT_EQ(resolve_targets({.target_modules = {"all-linear"}}).size(), 7U);
}

TEST(LoraConfig, NamesTheNearestModuleForAMisspeltOne) {
  try {
    resolve_targets({.target_modules = {"q_prj"}});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("'q_proj'"), std::string::npos) << error.what();
  }
}

TEST(LoraConfig, RefusesNumbersOutOfRange) {
  EXPECT_THROW(resolve_targets({.r = 0, .target_modules = {"q_proj"}}), UsageError);
  EXPECT_THROW(resolve_targets({.lora_alpha = 0, .target_modules = {"q_proj"}}), UsageError);
  EXPECT_THROW(resolve_targets({.lora_dropout = 1.0, .target_modules = {"q_proj"}}), UsageError);
  EXPECT_THROW(resolve_targets({.target_modules = {}}), UsageError);
}

TEST(LoraConfig, ScalesByRankOrByItsRoot) {
  EXPECT_DOUBLE_EQ((LoraConfig{.r = 16, .lora_alpha = 32}).scale(), 2.0);
  EXPECT_DOUBLE_EQ((LoraConfig{.r = 16, .lora_alpha = 32, .use_rslora = true}).scale(), 8.0);
}

}  // namespace
}  // namespace afina::lora
