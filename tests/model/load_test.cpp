// SPDX-License-Identifier: Apache-2.0
// Loading: both formats give one model, and everything wrong with a file or a config is a typed error that names it.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "base/cat.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "model/config.h"
#include "model/model.h"
#include "model/training_model.h"
#include "tests/formats/gguf_builder.h"
#include "tests/model/batches.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::model {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

Json tiny_config() {
  return parse_json(read_file(golden_path("tiny/llama31/config.json")), "config.json");
}

std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const ModelError& error) {
    return error.what();
  } catch (const std::exception& error) {
    return cat("not a ModelError: ", error.what());
  }
  return "no error";
}

std::string config_error(const Json& json) {
  return error_of([&] { config_from_hf(json, "config.json"); });
}

/// A copy of a tiny model's folder, to be broken.
class BrokenFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"config.json", "model.safetensors"})
      fs::copy_file(golden_path(cat("tiny/llama31/", name)), folder() / name);
  }
  fs::path folder() const { return temp_.path(); }
  std::string load_error() const {
    return error_of([&] { load_model(folder()); });
  }
  void write_config(const Json& json) { write_file_atomic(folder() / "config.json", dump_json(json)); }
  /// Rewrites the weights through `change`, which may edit the list of tensors.
  void edit_tensors(const std::function<void(std::vector<formats::TensorView>&)>& change) {
    const std::string bytes = [&] {
      const formats::SafetensorsFile file(folder() / "model.safetensors");
      auto tensors = file.tensors();
      change(tensors);
      return formats::safetensors_bytes(tensors);
    }();
    write_file_atomic(folder() / "model.safetensors", bytes);
  }

 private:
  TempFolder temp_;
};

TEST(HfConfig, OldAndNewSpellingsGiveOneConfig) {
  const ModelConfig now = config_from_hf(tiny_config(), "config.json");
  Json old = tiny_config();
  old["rope_theta"] = old["rope_parameters"]["rope_theta"];
  old["rope_scaling"] = old["rope_parameters"];
  old["rope_scaling"].erase("rope_theta");
  old["rope_scaling"].erase("rope_type");
  old["rope_scaling"]["type"] = "llama3";
  old.erase("rope_parameters");
  old["torch_dtype"] = "float32";
  const ModelConfig then = config_from_hf(old, "config.json");
  EXPECT_EQ(rope_inverse_frequencies(now), rope_inverse_frequencies(then));
  EXPECT_EQ(then.rope_scaling.type, "llama3");
  EXPECT_EQ(then.rope_theta, 500000.0);
}

TEST(HfConfig, DefaultsAreThePeers) {
  Json json = tiny_config();
  for (const char* key : {"num_key_value_heads", "head_dim", "rms_norm_eps", "rope_parameters", "tie_word_embeddings",
                          "max_position_embeddings"})
    json.erase(key);
  const ModelConfig c = config_from_hf(json, "config.json");
  EXPECT_EQ(c.kv_heads, 4);
  EXPECT_EQ(c.head_dim, 16);
  EXPECT_EQ(c.rms_eps, 1e-6);
  EXPECT_EQ(c.rope_theta, 10000.0);
  EXPECT_FALSE(c.tied_head);
}

TEST(HfConfig, Llama3FrequenciesEqualThePublishedOnes) {
  ModelConfig c;
  c.head_dim = 128;
  c.rope_theta = 5e5;
  c.rope_scaling = {"llama3", 8, 1, 4, 8192};
  const auto got = rope_inverse_frequencies(c);
  const std::pair<size_t, double> want[] = {{0, 1.0},
                                            {28, 0.00321144611},
                                            {29, 0.00216657063},
                                            {31, 0.00085675146},
                                            {33, 0.00031269365},
                                            {34, 0.000178507791},
                                            {35, 9.5562129e-05},
                                            {63, 3.06892588e-07}};
  for (const auto& [j, value] : want)
    EXPECT_NEAR(got[j] / value, 1.0, 2e-7) << j;
}

TEST(HfConfig, UnknownArchitecturesAreRefusedWithTheListOfKnownOnes) {
  Json json = tiny_config();
  json["architectures"] = {"MambaForCausalLM"};
  EXPECT_THAT(config_error(json), AllOf(HasSubstr("'MambaForCausalLM'"), HasSubstr("LlamaForCausalLM")));
}

TEST(HfConfig, HostileValuesAreRefusedByName) {
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                          "num_key_value_heads", "vocab_size", "head_dim", "max_position_embeddings"}) {
    for (const Json& value :
         {Json(0), Json(-1), Json(INT64_MAX), Json(UINT64_MAX), Json(1.5), Json("64"), Json::array()}) {
      Json json = tiny_config();
      json[key] = value;
      EXPECT_THAT(config_error(json), AllOf(HasSubstr("[config.json]"), HasSubstr(key))) << dump_json(value);
    }
  }
  for (const char* key : {"vocab_size", "hidden_size"}) {
    Json json = tiny_config();
    json.erase(key);
    EXPECT_THAT(config_error(json), HasSubstr(key));
  }
}

TEST(HfConfig, WhatIsNotSupportedYetIsRefusedPlainly) {
  const auto with = [](const char* key, const Json& value) {
    Json json = tiny_config();
    json[key] = value;
    return config_error(json);
  };
  EXPECT_THAT(with("hidden_act", "gelu"), HasSubstr("hidden_act"));
  EXPECT_THAT(with("quantization_config", Json::object()), HasSubstr("quantization_config"));
  EXPECT_THAT(with("rope_parameters", {{"rope_type", "yarn"}, {"factor", 2.0}}), HasSubstr("yarn"));
  EXPECT_THAT(with("rms_norm_eps", 0), HasSubstr("rms_norm_eps"));
  EXPECT_THAT(with("head_dim", 15), HasSubstr("even"));
  EXPECT_THAT(with("num_key_value_heads", 3), HasSubstr("multiple"));
  EXPECT_THAT(config_error(Json::array()), HasSubstr("object"));
}

TEST_F(BrokenFolder, AWholeCopyLoads) {
  EXPECT_EQ(load_error(), "no error");
}

TEST_F(BrokenFolder, AConfigThatDisagreesNamesTheTensorAndBothShapes) {
  Json json = tiny_config();
  json["intermediate_size"] = 200;
  write_config(json);
  EXPECT_THAT(load_error(), AllOf(HasSubstr("_proj.weight"), HasSubstr("200"), HasSubstr("192")));
  json = tiny_config();
  json["num_key_value_heads"] = 4;
  write_config(json);
  EXPECT_THAT(load_error(), AllOf(HasSubstr("k_proj.weight"), HasSubstr("[64, 64]"), HasSubstr("[32, 64]")));
  json = tiny_config();
  json["num_hidden_layers"] = 3;
  write_config(json);
  EXPECT_THAT(load_error(), HasSubstr("model.layers.2."));
}

TEST_F(BrokenFolder, AMissingTensorIsNamed) {
  edit_tensors([](auto& tensors) {
    std::erase_if(tensors, [](const auto& t) { return t.name == "model.layers.1.mlp.up_proj.weight"; });
  });
  EXPECT_THAT(load_error(), HasSubstr("model.layers.1.mlp.up_proj.weight"));
}

TEST_F(BrokenFolder, ABiasThatTheConfigDoesNotTellIsRefused) {
  const std::vector<float> zeros(64);
  edit_tensors([&](auto& tensors) {
    tensors.push_back(
        {"model.layers.0.self_attn.q_proj.bias", formats::DType::f32, {64}, std::as_bytes(std::span(zeros))});
  });
  EXPECT_THAT(load_error(), HasSubstr("q_proj.bias"));
}

TEST_F(BrokenFolder, ATensorOfAnotherTypeIsRefused) {
  const std::vector<int32_t> zeros(64);
  edit_tensors([&](auto& tensors) {
    for (auto& t : tensors)
      if (t.name == "model.norm.weight") t = {t.name, formats::DType::i32, {64}, std::as_bytes(std::span(zeros))};
  });
  EXPECT_THAT(load_error(), AllOf(HasSubstr("model.norm.weight"), HasSubstr("I32")));
}

TEST_F(BrokenFolder, TruncatedAndMissingFilesAreNamed) {
  fs::resize_file(folder() / "model.safetensors", 300000);
  EXPECT_THAT(load_error(), HasSubstr("model.safetensors"));
  fs::remove(folder() / "model.safetensors");
  EXPECT_THAT(load_error(), HasSubstr("model.safetensors"));
  write_file_atomic(folder() / "model.safetensors.index.json", "{}");
  EXPECT_THAT(load_error(), HasSubstr("weight_map"));
  write_file_atomic(folder() / "config.json", "{ not json");
  EXPECT_THAT(load_error(), HasSubstr("config.json"));
  fs::remove(folder() / "config.json");
  EXPECT_THROW(load_model(folder()), NotFound);
  EXPECT_THROW(load_model(folder() / "nothing"), NotFound);
}

TEST_F(BrokenFolder, HalfPrecisionWeightsAreReadAsFloats) {
  const auto full = load_model(folder());
  const std::string full_identity = full->identity();
  std::vector<std::vector<uint16_t>> halves;
  edit_tensors([&](auto& tensors) {
    for (auto& t : tensors) {
      std::vector<float> values(static_cast<size_t>(t.elements()));
      formats::copy_to_float(t, values);
      auto& out = halves.emplace_back(values.size());
      for (size_t i = 0; i < values.size(); ++i)
        out[i] = formats::float_to_bfloat16(values[i]);
    }
    for (size_t i = 0; i < tensors.size(); ++i)
      tensors[i] = {tensors[i].name, formats::DType::bf16, tensors[i].shape, std::as_bytes(std::span(halves[i]))};
  });
  const auto half = load_model(folder());
  at::Tensor a = at::empty({320, 64}), b = at::empty({320, 64});
  full->embedding().dequantize_rows(0, a);
  half->embedding().dequantize_rows(0, b);
  EXPECT_TRUE(at::equal(a.to(at::kBFloat16).to(at::kFloat), b));
  EXPECT_NE(full_identity, half->identity());
}

TEST_F(BrokenFolder, AFileReplacedAfterLoadingHasNoIdentity) {
  const auto model = load_model(folder());
  edit_tensors([](auto& tensors) { tensors.pop_back(); });
  EXPECT_THAT(error_of([&] { static_cast<void>(model->identity()); }), HasSubstr("changed"));
}

/// The tiny Llama 3.1 as llama.cpp's converter writes it: q and k rows permuted, frequency divisors as a tensor.
std::string tiny_gguf(const std::string& architecture = "llama", uint32_t ffn = 192) {
  const formats::SafetensorsFile file(golden_path("tiny/llama31/model.safetensors"));
  GgufBuilder out;
  const auto u32 = [&](const char* key, uint32_t value) { out.kv(key, 4, GgufBuilder::raw(value)); };
  const auto f32 = [&](const char* key, float value) { out.kv(key, 6, GgufBuilder::raw(value)); };
  out.kv("general.architecture", 8, GgufBuilder::text(architecture));
  u32("llama.embedding_length", 64);
  u32("llama.feed_forward_length", ffn);
  u32("llama.block_count", 2);
  u32("llama.attention.head_count", 4);
  u32("llama.attention.head_count_kv", 2);
  u32("llama.context_length", 512);
  f32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  f32("llama.rope.freq_base", 500000.0F);
  uint64_t offset = 0;
  const auto add = [&](const std::string& name, std::vector<uint64_t> ne, const std::vector<float>& values) {
    out.tensor(name, ne, 0, offset);
    std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * 4);
    bytes.resize((bytes.size() + 31) / 32 * 32);
    offset += bytes.size();
    out.data(bytes);
  };
  ModelConfig config = config_from_hf(tiny_config(), "config.json");
  const auto scaled = rope_inverse_frequencies(config);
  config.rope_scaling = {};
  auto divisors = rope_inverse_frequencies(config);
  for (size_t j = 0; j < divisors.size(); ++j)
    divisors[j] /= scaled[j];
  add("rope_freqs.weight", {divisors.size()}, divisors);
  const std::vector<std::pair<std::string, std::string>> names = {{"model.embed_tokens", "token_embd"},
                                                                  {"model.norm", "output_norm"},
                                                                  {"lm_head", "output"},
                                                                  {"model.layers.", "blk."},
                                                                  {"input_layernorm", "attn_norm"},
                                                                  {"post_attention_layernorm", "ffn_norm"},
                                                                  {"self_attn.o_proj", "attn_output"},
                                                                  {"self_attn.", "attn_"},
                                                                  {"mlp.", "ffn_"},
                                                                  {"_proj", ""}};
  for (const auto& t : file.tensors()) {
    std::string name = t.name;
    for (const auto& [from, to] : names)
      if (const size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
    std::vector<float> values(static_cast<size_t>(t.elements()));
    formats::copy_to_float(t, values);
    if (name.find("attn_q") != std::string::npos || name.find("attn_k") != std::string::npos) {
      const auto source = values;
      for (int64_t row = 0; row < t.shape[0]; ++row) {  // row h*hd + 2j + p takes row h*hd + p*hd/2 + j
        const int64_t in_head = row % 16, from = row - in_head + in_head % 2 * 8 + in_head / 2;
        std::copy_n(source.begin() + from * 64, 64, values.begin() + row * 64);
      }
    }
    add(name, std::vector<uint64_t>(t.shape.rbegin(), t.shape.rend()), values);
  }
  return out.bytes();
}

TEST(GgufFile, EqualsTheFolderItWasConvertedFrom) {
  TempFolder temp;
  write_file_atomic(temp.path() / "tiny.gguf", tiny_gguf());
  TrainingModel gguf(load_model(temp.path() / "tiny.gguf")), folder(load_model(golden_path("tiny/llama31")));
  const auto batch = whole_text(random_ids(100, 320, 1));
  const auto a = gguf.evaluate(batch, nullptr).logp, b = folder.evaluate(batch, nullptr).logp;
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_NEAR(a[i], b[i], 2e-5);
}

TEST(GgufFile, AForeignArchitectureOrShapeIsNamed) {
  TempFolder temp;
  const auto path = temp.path() / "tiny.gguf";
  write_file_atomic(path, tiny_gguf("gemma3"));
  EXPECT_THAT(error_of([&] { load_model(path); }), AllOf(HasSubstr("'gemma3'"), HasSubstr("llama")));
  write_file_atomic(path, tiny_gguf("llama", 100));
  EXPECT_THAT(error_of([&] { load_model(path); }),
              AllOf(HasSubstr("blk.0.ffn_gate.weight"), HasSubstr("[100, 64]"), HasSubstr("[192, 64]")));
  write_file_atomic(path, tiny_gguf("llama", 0));
  EXPECT_THAT(error_of([&] { load_model(path); }), HasSubstr("intermediate_size"));
}

TEST(GgufFile, TruncatedAnywhereIsAModelErrorNamingTheFile) {
  TempFolder temp;
  const auto path = temp.path() / "cut.gguf";
  std::ifstream in(smollm2_gguf(), std::ios::binary);
  std::string head(4 << 20, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  for (const size_t size : {size_t{0}, size_t{3}, size_t{20}, size_t{1000}, size_t{500000}, head.size()}) {
    write_file_atomic(path, head.substr(0, size));
    EXPECT_THAT(error_of([&] { load_model(path); }), HasSubstr("cut.gguf")) << size;
  }
}

TEST(FrozenLinear, BothStoragesAgreeForwardBackwardAndInLookUps) {
  at::manual_seed(1);
  const at::Tensor w = at::randn({75, 50}), x = at::randn({33, 50}), dy = at::randn({33, 75});
  const auto packed = make_frozen_f32(w, GemmBackend::packed), plain = make_frozen_f32(w, GemmBackend::aten);
  packed->prepare_backward();
  for (const float beta : {0.0F, 1.0F}) {
    at::Tensor y1 = at::ones({33, 75}), y2 = at::ones({33, 75}), dx1 = at::ones({33, 50}), dx2 = at::ones({33, 50});
    packed->forward(x, y1, beta);
    plain->forward(x, y2, beta);
    EXPECT_TRUE(at::allclose(y1, y2, 1e-5, 1e-5));
    packed->backward_input(dy, dx1, beta);
    plain->backward_input(dy, dx2, beta);
    EXPECT_TRUE(at::allclose(dx1, dx2, 1e-5, 1e-5));
  }
  at::Tensor rows = at::empty({3, 50});
  const std::vector<int> wanted = {74, 0, 33};
  packed->gather_rows(wanted, rows);
  EXPECT_TRUE(at::equal(rows, at::stack({w[74], w[0], w[33]})));
  EXPECT_THROW(packed->gather_rows(std::vector<int>{75, 0, 1}, rows), InternalError);
}

TEST(FrozenLinear, BackwardNeedsItsLayoutFirst) {
  const auto packed = make_frozen_f32(at::ones({4, 4}), GemmBackend::packed, Transposed::kept);
  const at::Tensor dy = at::ones({2, 4});
  at::Tensor dx = at::ones({2, 4});
  EXPECT_THROW(packed->backward_input(dy, dx, 0), InternalError);
}

}  // namespace
}  // namespace afina::model
