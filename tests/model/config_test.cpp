// SPDX-License-Identifier: Apache-2.0
// What config.json may say, family by family, and what is refused with its name; folders that disagree with it.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/cat.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "formats/safetensors_stream.h"
#include "model/generator.h"
#include "model/score.h"
#include "tests/model/batches.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::model {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

Json tiny(const std::string& family) {
  return parse_json(read_file(golden_path(cat("tiny/", family, "/config.json"))), "config.json");
}

std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string error_with(const std::string& family, const char* key, const Json& value) {
  Json json = tiny(family);
  json[key] = value;
  return error_of([&] { config_from_hf(json, "config.json"); });
}

ModelConfig with(const std::string& family, const Json& changes, const std::vector<const char*>& without = {}) {
  Json json = tiny(family);
  for (const char* key : without)
    json.erase(key);
  for (const auto& item : changes.items())
    json[item.key()] = item.value();
  return config_from_hf(json, "config.json");
}

TEST(FamilyConfig, MissingKeysTakeTheFamilysOwnDefaults) {
  const std::vector<const char*> silent = {"num_key_value_heads",
                                           "max_position_embeddings",
                                           "rope_parameters",
                                           "tie_word_embeddings",
                                           "bos_token_id",
                                           "eos_token_id",
                                           "sliding_window",
                                           "use_sliding_window",
                                           "head_dim",
                                           "layer_types",
                                           "no_rope_layers",
                                           "rms_norm_eps"};
  const Json many_heads = {{"num_attention_heads", 32}};
  const auto llama = with("llama2", many_heads, silent), mistral = with("mistral", many_heads, silent),
             qwen2 = with("qwen2", many_heads, silent), qwen3 = with("qwen3", many_heads, silent),
             smollm3 = with("smollm3", many_heads, silent);
  EXPECT_EQ(llama.kv_heads, 32);
  EXPECT_EQ(mistral.kv_heads, 8);
  EXPECT_EQ(qwen2.kv_heads, 32);
  EXPECT_EQ(smollm3.kv_heads, 4);
  EXPECT_EQ(llama.max_positions, 2048);
  EXPECT_EQ(mistral.max_positions, 131072);
  EXPECT_EQ(qwen3.max_positions, 32768);
  EXPECT_EQ(qwen3.head_dim, 128);
  EXPECT_EQ(qwen2.head_dim, 2);
  EXPECT_EQ(llama.rope_theta, 1e4);
  EXPECT_EQ(smollm3.rope_theta, 2e6);
  EXPECT_FALSE(qwen2.tied_head);
  EXPECT_TRUE(smollm3.tied_head);
  EXPECT_EQ(mistral.sliding_window, 4096);
  EXPECT_EQ(qwen2.sliding_window, 0);
  EXPECT_EQ(llama.eos_ids, std::vector<int>{2});
  EXPECT_TRUE(qwen2.eos_ids.empty());
  EXPECT_EQ(smollm3.bos_id, 128000);
  EXPECT_FALSE(smollm3.rotates(3));
  EXPECT_TRUE(smollm3.rotates(2));
  EXPECT_EQ(with("mistral", {{"num_key_value_heads", nullptr}}).kv_heads, 4);
  EXPECT_EQ(with("llama2", {{"bos_token_id", nullptr}}).bos_id, -1);
  EXPECT_EQ(with("llama2", {{"eos_token_id", {7, 8, 9}}}).eos_ids, (std::vector<int>{7, 8, 9}));
}

TEST(FamilyConfig, BiasesAreThoseOfTheFamily) {
  const auto llama = with("llama2", {{"attention_bias", true}, {"mlp_bias", true}});
  EXPECT_TRUE(llama.has_bias(Site::qkv) && llama.has_bias(Site::o) && llama.has_bias(Site::down));
  const auto qwen2 = with("qwen2", {{"attention_bias", true}, {"mlp_bias", true}});
  EXPECT_TRUE(qwen2.has_bias(Site::qkv));
  EXPECT_FALSE(qwen2.has_bias(Site::o) || qwen2.has_bias(Site::gate_up));
  EXPECT_TRUE(with("qwen3", {{"attention_bias", true}}).has_bias(Site::o));
  EXPECT_FALSE(with("mistral", {{"attention_bias", true}}).has_bias(Site::qkv));
}

TEST(FamilyConfig, WindowsCountOnlyWhereALayerLooksThroughThem) {
  EXPECT_EQ(with("mistral", {{"sliding_window", 100}}).row_limit(), 100);
  EXPECT_EQ(with("mistral", {{"sliding_window", 4096}}).row_limit(), 512);
  EXPECT_EQ(with("qwen2", {{"sliding_window", 100}}).row_limit(), 512);
  const Json slides = {{"sliding_window", 100}, {"use_sliding_window", true}};
  EXPECT_EQ(with("qwen2", slides).row_limit(), 512);
  EXPECT_EQ(with("qwen2", slides, {"layer_types"}).row_limit(), 512);
  Json early = slides;
  early["max_window_layers"] = 1;
  EXPECT_EQ(with("qwen2", early, {"layer_types"}).row_limit(), 100);
  Json listed = slides;
  listed["layer_types"] = {"full_attention", "sliding_attention"};
  EXPECT_EQ(with("qwen3", listed).row_limit(), 100);
}

TEST(FamilyConfig, RopeIsReadInEverySpelling) {
  const auto nested = with("llama2", {{"rope_parameters", {{"full_attention", {{"rope_theta", 5e5}}}}}});
  EXPECT_EQ(nested.rope_theta, 5e5);
  const auto linear = with("llama2", {{"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}});
  const auto plain = with("llama2", Json::object());
  const auto a = rope_inverse_frequencies(linear), b = rope_inverse_frequencies(plain);
  for (size_t j = 0; j < a.size(); ++j)
    EXPECT_EQ(a[j], b[j] / 4);
  const Json llama3 = {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}};
  EXPECT_EQ(with("llama2", {{"rope_scaling", llama3}}).rope_scaling.original_max_positions, 512);
  EXPECT_EQ(with("llama2", {{"rope_scaling", llama3}, {"rope_theta", 7e4}}, {"rope_parameters"}).rope_theta, 7e4);
}

TEST(FamilyConfig, HostileRopeIsRefusedByName) {
  for (const char* type : {"dynamic", "yarn", "longrope", "ntk", ""})
    EXPECT_THAT(error_with("llama31", "rope_parameters", {{"rope_type", type}, {"factor", 2.0}}),
                AllOf(HasSubstr("rope_type"), HasSubstr(cat("'", type, "'"))));
  const auto rope = [](const Json& value) { return error_with("llama31", "rope_scaling", value); };
  EXPECT_THAT(rope(7), HasSubstr("rope_scaling"));
  EXPECT_THAT(rope({{"rope_type", 3}}), HasSubstr("rope_type"));
  EXPECT_THAT(rope({{"rope_type", "linear"}}), HasSubstr("factor"));
  EXPECT_THAT(rope({{"rope_type", "linear"}, {"factor", 0}}), HasSubstr("factor"));
  EXPECT_THAT(rope({{"rope_type", "linear"}, {"factor", "2"}}), HasSubstr("factor"));
  EXPECT_THAT(rope({{"rope_type", "llama3"}, {"factor", 8}}), HasSubstr("low_freq_factor"));
  EXPECT_THAT(rope({{"rope_type", "llama3"}, {"factor", 8}, {"low_freq_factor", 4}, {"high_freq_factor", 4}}),
              HasSubstr("low_freq_factor"));
  EXPECT_THAT(rope({{"rope_type", "default"}, {"partial_rotary_factor", 0.5}}), HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(rope({{"full_attention", {{"rope_theta", 1e4}}}, {"sliding_attention", {{"rope_theta", 1e6}}}}),
              HasSubstr("layer type"));
  EXPECT_THAT(error_with("llama31", "partial_rotary_factor", 0.25), HasSubstr("partial_rotary_factor"));
  for (const Json& theta : {Json(0), Json(-1.0), Json(1e30), Json("x"), Json::array()})
    EXPECT_THAT(rope({{"rope_theta", theta}}), HasSubstr("rope_theta")) << dump_json(theta);
}

TEST(FamilyConfig, HostileFamilyKeysAreRefusedByName) {
  EXPECT_THAT(error_with("smollm3", "no_rope_layers", {1, 0}), HasSubstr("no_rope_layers"));
  EXPECT_THAT(error_with("smollm3", "no_rope_layers", {1, 0, 2, 1}), HasSubstr("no_rope_layers"));
  EXPECT_THAT(error_with("smollm3", "no_rope_layers", "all"), HasSubstr("no_rope_layers"));
  Json json = tiny("smollm3");
  json.erase("no_rope_layers");
  json["no_rope_layer_interval"] = 0;
  EXPECT_THAT(error_of([&] { config_from_hf(json, "config.json"); }), HasSubstr("no_rope_layer_interval"));
  EXPECT_THAT(error_with("mistral", "sliding_window", 0), HasSubstr("sliding_window"));
  EXPECT_THAT(error_with("mistral", "sliding_window", "wide"), HasSubstr("sliding_window"));
  EXPECT_THAT(error_with("qwen3", "layer_types", {"chunked_attention"}), HasSubstr("chunked_attention"));
  EXPECT_THAT(error_with("llama2", "model_type", "mistral"), AllOf(HasSubstr("model_type"), HasSubstr("mistral")));
  EXPECT_THAT(error_with("llama2", "eos_token_id", {1, "2"}), HasSubstr("eos_token_id"));
  EXPECT_THAT(error_with("llama2", "eos_token_id", INT64_MAX), HasSubstr("eos_token_id"));
  EXPECT_THAT(error_with("llama2", "attention_bias", 1), HasSubstr("attention_bias"));
  for (const char* architecture : {"MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "SmolLM3ForCausalLM"})
    EXPECT_THAT(error_with("llama2", "architectures", {"Phi3ForCausalLM"}), HasSubstr(architecture));
}

TEST(FamilyConfig, OtherQuantisationsAreRefusedByName) {
  const auto quantised = [](const Json& value) { return error_with("llama31", "quantization_config", value); };
  EXPECT_THAT(quantised({{"quant_method", "gptq"}}), HasSubstr("'gptq'"));
  EXPECT_THAT(quantised({{"quant_method", "awq"}}), HasSubstr("'awq'"));
  EXPECT_THAT(quantised({{"quant_method", "bitsandbytes"}, {"load_in_8bit", true}}), HasSubstr("int8"));
  EXPECT_THAT(quantised({{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}}), HasSubstr("'fp4'"));
  EXPECT_THAT(
      quantised({{"load_in_4bit", true}, {"bnb_4bit_quant_type", "nf4"}, {"bnb_4bit_quant_storage", "bfloat16"}}),
      HasSubstr("'bfloat16'"));
  EXPECT_THAT(quantised(3), HasSubstr("quantization_config"));
  EXPECT_EQ(
      with("llama31", {{"quantization_config", {{"load_in_4bit", true}, {"bnb_4bit_quant_type", "nf4"}}}}).quantization,
      Quantization::nf4);
}

/// A tiny model's folder with other weights or another config.
class EditedFolder : public ::testing::Test {
 protected:
  using Tensors = std::vector<std::pair<formats::TensorPlan, std::vector<std::byte>>>;
  void write(const std::string& family, const Json& config, const std::function<void(Tensors&)>& change,
             uint64_t shard_bytes = uint64_t{1} << 32) {
    const formats::SafetensorsFile file(golden_path(cat("tiny/", family, "/model.safetensors")));
    Tensors tensors;
    for (const auto& t : file.tensors())
      tensors.push_back({{t.name, t.dtype, t.shape}, {t.bytes.begin(), t.bytes.end()}});
    change(tensors);
    std::vector<formats::TensorPlan> plans;
    for (const auto& [plan, bytes] : tensors)
      plans.push_back(plan);
    formats::ShardedSafetensors out(folder(), plans, shard_bytes, {});
    for (const auto& [plan, bytes] : tensors)
      out.write(plan.name, bytes);
    out.finish();
    write_file_atomic(folder() / "config.json", dump_json(config));
  }
  fs::path folder() const { return temp_.path(); }
  std::string load_error() const {
    return error_of([&] { load_model(folder()); });
  }
  TempFolder temp_;
};

TEST_F(EditedFolder, ShardsGiveTheModelOfTheOneFileAndAnIdentityOverAll) {
  write(
      "llama31", tiny("llama31"), [](Tensors&) {}, 60'000);
  ASSERT_TRUE(fs::exists(folder() / "model.safetensors.index.json"));
  const auto sharded = load_model(folder()), whole = load_model(golden_path("tiny/llama31"));
  TrainingModel a(sharded), b(whole);
  const auto ids = random_ids(50, 320, 1);
  EXPECT_EQ(score(a, ids, nullptr, 0).logprobs, score(b, ids, nullptr, 0).logprobs);
  EXPECT_NE(sharded->identity(), whole->identity());
  const auto stale = load_model(folder());
  std::ofstream(folder() / "config.json", std::ios::app) << "\n";
  EXPECT_THAT(error_of([&] { static_cast<void>(stale->identity()); }), HasSubstr("changed"));
}

TEST_F(EditedFolder, ValuesThatAreNotFiniteAreNamed) {
  for (const char* name : {"model.layers.1.mlp.up_proj.weight", "model.norm.weight", "lm_head.weight"})
    for (const float bad : {NAN, INFINITY}) {
      write("llama31", tiny("llama31"), [&](Tensors& tensors) {
        for (auto& [plan, bytes] : tensors)
          if (plan.name == name) std::memcpy(bytes.data() + bytes.size() - 4, &bad, 4);
      });
      EXPECT_THAT(load_error(), AllOf(HasSubstr(name), HasSubstr("NaN or infinity")));
    }
}

TEST_F(EditedFolder, MissingAndUnknownTensorsAreNamedAndMeaninglessOnesPassedOver) {
  const auto without = [](const char* name) {
    return [name](Tensors& tensors) { std::erase_if(tensors, [&](const auto& t) { return t.first.name == name; }); };
  };
  const auto plus = [](const char* name) {
    return [name](Tensors& tensors) {
      tensors.push_back({{name, formats::DType::f32, {8}}, std::vector<std::byte>(32)});
    };
  };
  write("llama31", tiny("llama31"), without("lm_head.weight"));
  EXPECT_THAT(load_error(), HasSubstr("lm_head.weight"));
  write("qwen2", tiny("qwen2"), without("model.layers.1.self_attn.v_proj.bias"));
  EXPECT_THAT(load_error(), HasSubstr("model.layers.1.self_attn.v_proj.bias"));
  write("qwen3", tiny("qwen3"), without("model.layers.0.self_attn.k_norm.weight"));
  EXPECT_THAT(load_error(), HasSubstr("model.layers.0.self_attn.k_norm.weight"));
  for (const char* name : {"model.layers.0.self_attn.q_proj.weight_scale", "model.layers.2.mlp.up_proj.weight",
                           "v_head.summary.weight", "model.layers.0.self_attn.o_proj.bias"}) {
    write("llama31", tiny("llama31"), plus(name));
    EXPECT_THAT(load_error(), HasSubstr(name));
  }
  for (const char* name : {"model.layers.0.self_attn.rotary_emb.inv_freq", "model.layers.0.attn.masked_bias"}) {
    write("llama31", tiny("llama31"), plus(name));
    EXPECT_EQ(load_error(), "no error") << name;
  }
  write("qwen2", tiny("qwen2"), plus("lm_head.weight"));
  EXPECT_EQ(load_error(), "no error");
}

TEST_F(EditedFolder, RowsLongerThanTheSlidingWindowAreRefusedWithTheReason) {
  Json config = tiny("mistral");
  config["sliding_window"] = 24;
  write("mistral", config, [](Tensors&) {});
  const auto model = load_model(folder()), open = load_model(golden_path("tiny/mistral"));
  TrainingModel windowed(model), whole(open);
  const auto ids = random_ids(24, 320, 5);
  EXPECT_EQ(score(windowed, ids, nullptr, 0).logprobs, score(whole, ids, nullptr, 0).logprobs);
  const auto longer = random_ids(25, 320, 5);
  EXPECT_THAT(error_of([&] { windowed.evaluate(whole_text(longer), nullptr); }), HasSubstr("sliding window of 24"));
  EXPECT_THAT(error_of([&] { generate(model, longer, {}); }), HasSubstr("sliding window of 24"));
  EXPECT_EQ(generate(model, random_ids(20, 320, 5), {}).ids.size(), 4U);
}

}  // namespace
}  // namespace afina::model
