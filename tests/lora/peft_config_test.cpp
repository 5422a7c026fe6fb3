// SPDX-License-Identifier: Apache-2.0
// adapter_config.json and the rules that pick layers, as PEFT means them; crafted files that must be refused.
#include "lora/config/peft_config.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/error.h"
#include "base/json.h"
#include "lora/config/python_regex.h"
#include "lora/config/targets.h"

namespace afina::lora {
namespace {

const DecoderShape kShape{.layers = 3, .hidden = 24, .q_size = 16, .kv_size = 8, .ffn = 40, .vocab = 50};

std::vector<std::string> paths(const LoraConfig& config) {
  std::vector<std::string> out;
  for (const auto& target : find_targets(config, kShape, UnmatchedNames::allow).modules)
    out.push_back(target.path);
  return out;
}

LoraConfig parsed(const std::string& text) {
  return parse_peft_config(text, "adapter_config.json").lora;
}

TEST(PeftConfig, MissingKeysTakePeftsDefaults) {
  const LoraConfig config = parsed(R"({"peft_type": "LORA"})");
  EXPECT_EQ(config.r, 8);
  EXPECT_EQ(config.lora_alpha, 8);
  EXPECT_EQ(config.target_modules, (std::vector<std::string>{"q_proj", "v_proj"}));
  EXPECT_FALSE(config.use_rslora || config.use_dora || config.lora_bias);
}

TEST(PeftConfig, ReadsBackWhatItWrites) {
  PeftConfig config;
  config.base_model = "org/base";
  config.lora = {.r = 6,
                 .lora_alpha = 12.5,
                 .lora_dropout = 0.1,
                 .use_rslora = true,
                 .target_modules = {"q_proj", "model.layers.1.mlp.up_proj"},
                 .exclude_modules = {"layers.0.self_attn.q_proj"},
                 .rank_pattern = {{"^model.layers.1.mlp.up_proj", 2}},
                 .alpha_pattern = {{"q_proj", 3}},
                 .layers_to_transform = {0, 2},
                 .layers_pattern = {"layers"},
                 .modules_to_save = {"lm_head"},
                 .init_lora_weights = LoraInit::gaussian};
  const std::string text = peft_config_text(config);
  const PeftConfig again = parse_peft_config(text, "x");
  EXPECT_EQ(peft_config_text(again), text);
  EXPECT_EQ(again.base_model, "org/base");
  EXPECT_EQ(again.lora.rank_pattern, config.lora.rank_pattern);
  EXPECT_EQ(again.lora.layers_to_transform, config.lora.layers_to_transform);
  EXPECT_EQ(again.lora.init_lora_weights, LoraInit::gaussian);
  const Json json = Json::parse(text);
  EXPECT_EQ(json["lora_alpha"], 12.5);
  EXPECT_EQ(json["inference_mode"], true);
  EXPECT_TRUE(json["auto_mapping"].is_null());
}

TEST(PeftConfig, RefusesBadFilesNamingTheKey) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {R"([])", "object"},
      {R"({"peft_type": "LORA")", "JSON"},
      {R"({"peft_type": "LORA", "r": 4, "r": 8})", "twice"},
      {R"({"r": 4})", "peft_type"},
      {R"({"peft_type": "IA3"})", "peft_type"},
      {R"({"peft_type": "VERA", "r": 256})", "peft_type"},
      {R"({"peft_type": "LOHA"})", "peft_type"},
      {R"({"peft_type": "LORA", "r": "four"})", "r"},
      {R"({"peft_type": "LORA", "r": 0})", "r must be"},
      {R"({"peft_type": "LORA", "r": -4})", "r must be"},
      {R"({"peft_type": "LORA", "r": 2147483648})", "r"},
      {R"({"peft_type": "LORA", "r": 1000000})", "r must be"},
      {R"({"peft_type": "LORA", "r": 18446744073709551615})", "r"},
      {R"({"peft_type": "LORA", "r": 4.5})", "r"},
      {R"({"peft_type": "LORA", "lora_alpha": -8})", "lora_alpha"},
      {R"({"peft_type": "LORA", "lora_alpha": 0})", "lora_alpha"},
      {R"({"peft_type": "LORA", "lora_alpha": true})", "lora_alpha"},
      {R"({"peft_type": "LORA", "lora_dropout": 1})", "lora_dropout"},
      {R"({"peft_type": "LORA", "fan_in_fan_out": true})", "fan_in_fan_out"},
      {R"({"peft_type": "LORA", "bias": "all"})", "bias"},
      {R"({"peft_type": "LORA", "task_type": "TOKEN_CLS"})", "task_type"},
      {R"({"peft_type": "LORA", "use_dora": "yes"})", "use_dora"},
      {R"({"peft_type": "LORA", "use_dora": true, "lora_bias": true})", "lora_bias"},
      {R"({"peft_type": "LORA", "target_modules": 4})", "target_modules"},
      {R"({"peft_type": "LORA", "target_modules": ["q_proj", 4]})", "target_modules"},
      {R"({"peft_type": "LORA", "target_modules": [""]})", "target_modules"},
      {R"({"peft_type": "LORA", "rank_pattern": ["q_proj"]})", "rank_pattern"},
      {R"({"peft_type": "LORA", "rank_pattern": {"q_proj": "big"}})", "rank_pattern"},
      {R"({"peft_type": "LORA", "rank_pattern": {"q_proj": 0}})", "rank_pattern"},
      {R"({"peft_type": "LORA", "alpha_pattern": {"q_proj": -1}})", "alpha_pattern"},
      {R"({"peft_type": "LORA", "layers_to_transform": [-1]})", "layers_to_transform"},
      {R"({"peft_type": "LORA", "layers_to_transform": "all"})", "layers_to_transform"},
      {R"({"peft_type": "LORA", "layers_pattern": "layers"})", "layers_pattern"},
      {R"({"peft_type": "LORA", "target_modules": ".*q_proj", "layers_to_transform": [1]})", "layers_to_transform"},
      {R"({"peft_type": "LORA", "trainable_token_indices": [1]})", "trainable_token_indices"},
      {R"({"peft_type": "LORA", "layer_replication": [[0, 4], [2, 5]]})", "layer_replication"},
      {R"({"peft_type": "LORA", "init_lora_weights": "olora"})", "init_lora_weights"},
      {R"({"peft_type": "LORA", "init_lora_weights": "pissa_niter_16"})", "init_lora_weights"},
      {R"({"peft_type": "LORA", "init_lora_weights": "best"})", "init_lora_weights"},
  };
  for (const auto& [text, part] : table) {
    try {
      parsed(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const ModelError& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << text << ": " << error.what();
    }
  }
}

TEST(Targets, NamesMatchWholePathsOrTheirEndsAfterADot) {
  EXPECT_EQ(paths({.target_modules = {"q_proj"}}).size(), 3U);
  EXPECT_EQ(paths({.target_modules = {"self_attn.q_proj"}}).size(), 3U);
  EXPECT_EQ(paths({.target_modules = {"1.self_attn.q_proj"}}),
            (std::vector<std::string>{"model.layers.1.self_attn.q_proj"}));
  EXPECT_EQ(paths({.target_modules = {"model.layers.2.mlp.up_proj"}}),
            (std::vector<std::string>{"model.layers.2.mlp.up_proj"}));
  EXPECT_THROW(paths({.target_modules = {"_proj"}}), UsageError);
  EXPECT_THROW(paths({.target_modules = {"mlp"}}), UsageError) << "a block is no linear layer";
  EXPECT_THROW(paths({.target_modules = {"q_proj", "norm"}}), UsageError);
}

TEST(Targets, ARegexMustMatchTheWholePath) {
  EXPECT_EQ(paths({.target_regex = R"(.*\.(q|v)_proj)"}).size(), 6U);
  EXPECT_EQ(paths({.target_regex = R"(model\.layers\.[02]\.mlp\.\w+_proj)"}).size(), 6U);
  EXPECT_EQ(paths({.target_regex = R"((?P<stem>.*)\.layers\.1\..*(?:q|k)_proj\Z)"}).size(), 2U);
  EXPECT_THROW(paths({.target_regex = R"(q_proj)"}), UsageError);
  EXPECT_EQ(paths({.target_regex = "all-linear"}).size(), 21U);
}

TEST(Targets, ExcludedAndSavedModulesAreLeftOut) {
  EXPECT_EQ(paths({.target_modules = {"q_proj"}, .exclude_modules = {"model.layers.0.self_attn.q_proj"}}).size(), 2U);
  EXPECT_EQ(paths({.target_modules = {"q_proj", "k_proj"}, .exclude_modules = {"q_proj"}}).size(), 3U);
  EXPECT_EQ(paths({.target_modules = {"q_proj"}, .exclude_regex = R"(.*layers\.[12]\..*)"}).size(), 1U);
  const auto found = find_targets({.target_modules = {"q_proj", "lm_head"}, .modules_to_save = {"lm_head"}}, kShape,
                                  UnmatchedNames::refuse);
  EXPECT_FALSE(found.head.has_value());
  EXPECT_EQ(found.saved, (std::vector<std::string>{"lm_head"}));
}

TEST(Targets, LayersToTransformCutsNamesButNotWholePaths) {
  EXPECT_EQ(paths({.target_modules = {"q_proj"}, .layers_to_transform = {1}}).size(), 1U);
  EXPECT_EQ(paths({.target_modules = {"q_proj"}, .layers_to_transform = {0, 2}, .layers_pattern = {"layers"}}).size(),
            2U);
  EXPECT_THROW(paths({.target_modules = {"q_proj"}, .layers_to_transform = {0}, .layers_pattern = {"h"}}), UsageError);
  EXPECT_EQ(paths({.target_modules = {"q_proj", "model.layers.0.mlp.up_proj"}, .layers_to_transform = {1}}),
            (std::vector<std::string>{"model.layers.0.mlp.up_proj", "model.layers.1.self_attn.q_proj"}));
}

TEST(Targets, TheFirstPatternThatMatchesTheEndOfAPathCounts) {
  const auto targets = find_targets({.r = 4,
                                     .lora_alpha = 8,
                                     .target_modules = {"q_proj", "down_proj"},
                                     .rank_pattern = {{"layers.1.mlp.down_proj", 2}, {"down_proj", 3}},
                                     .alpha_pattern = {{"^model.layers.0.self_attn.q_proj", 32}}},
                                    kShape, UnmatchedNames::refuse)
                           .modules;
  ASSERT_EQ(targets.size(), 6U);
  EXPECT_EQ(targets[0].alpha, 32);
  EXPECT_EQ(targets[0].scale, 8);
  EXPECT_EQ(targets[1].r, 3);
  EXPECT_EQ(targets[3].r, 2);
  EXPECT_EQ(targets[3].scale, 4);
  EXPECT_EQ(targets[2].scale, 2);
}

TEST(PythonRegex, MeansWhatPythonMeans) {
  EXPECT_TRUE(PythonRegex("a{,2}", "k").full_match("aa"));
  EXPECT_FALSE(PythonRegex("a{,2}", "k").full_match("aaa"));
  EXPECT_TRUE(PythonRegex("[[a]+", "k").full_match("[a"));
  EXPECT_TRUE(PythonRegex("[]x]+", "k").full_match("]x"));
  EXPECT_TRUE(PythonRegex("(q|qk)", "k").full_match("qk")) << "backtracks to the whole";
  EXPECT_TRUE(PythonRegex("\\u0071_proj", "k").full_match("q_proj"));
  for (const char* bad : {"(", "[a", "a**", "(?R)", "(*ACCEPT)", "\\Qa\\E", "(?P>x)", "a\\", "\\K", "(?C1)", "(?|a|b)"})
    EXPECT_THROW(PythonRegex(bad, "target_modules"), UsageError) << bad;
  EXPECT_THROW(PythonRegex(std::string(5000, 'a'), "k"), UsageError);
}

TEST(PythonRegex, HostilePatternsEndAtOnce) {
  const auto start = std::chrono::steady_clock::now();
  for (const char* hostile : {"(a+)+b", "(.*)*x", "((.+)+)+#", "(.*.*.*.*.*.*.*.*)*Z"})
    EXPECT_THROW(paths({.target_regex = hostile}), UsageError) << hostile;
  EXPECT_THROW(PythonRegex("(a+)+b", "k").full_match(std::string(60, 'a') + "!b"), UsageError);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

}  // namespace
}  // namespace afina::lora
