// SPDX-License-Identifier: Apache-2.0
#include "lora/peft.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::lora {
namespace {

namespace fs = std::filesystem;

const DecoderShape kSmolLm2{.layers = 30, .hidden = 576, .q_size = 576, .kv_size = 192, .ffn = 1536};

std::string message_of(const auto& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

class PeftFolder : public ::testing::Test {
 protected:
  PeftFolder() { fs::copy(golden_path("smollm2/adapter"), copy(), fs::copy_options::recursive); }
  fs::path copy() const { return temp_.path() / "adapter"; }
  void edit(const std::string& key, const Json& value) {
    Json config = Json::parse(read_file(copy() / "adapter_config.json"));
    config[key] = value;
    fs::permissions(copy() / "adapter_config.json", fs::perms::owner_all);
    std::ofstream(copy() / "adapter_config.json") << config.dump();
  }
  TempFolder temp_;
};

TEST_F(PeftFolder, ReadsAnAdapterWrittenByPeft) {
  const auto adapter = load_peft(copy(), kSmolLm2);
  EXPECT_EQ(adapter->config().r, 4);
  EXPECT_EQ(adapter->config().lora_alpha, 8);
  EXPECT_EQ(adapter->slots().size(), 210U);
  const formats::SafetensorsFile file(copy() / "adapter_model.safetensors");
  const auto& golden = file.at("base_model.model.model.layers.7.self_attn.k_proj.lora_B.weight");
  for (const auto& slot : adapter->slots()) {
    if (slot.layer != 7 || slot.module != Module::k_proj) continue;
    std::vector<float> values(static_cast<size_t>(golden.elements()));
    formats::copy_to_float(golden, values);
    const auto b = adapter->b_view(slot);
    EXPECT_TRUE(std::equal(values.begin(), values.end(), b.const_data_ptr<float>()));
  }
}

TEST_F(PeftFolder, WritesWhatItReadsBackAndPeftsOwnTensorBytes) {
  const auto adapter = load_peft(copy(), kSmolLm2);
  save_peft(temp_.path() / "again", *adapter, {"HuggingFaceTB/SmolLM2-135M-Instruct", "Summary."});
  const auto again = load_peft(temp_.path() / "again", kSmolLm2);
  EXPECT_TRUE(at::equal(adapter->flat_parameters(), again->flat_parameters()));
  EXPECT_EQ(adapter_sha256(*adapter), adapter_sha256(*again));
  const formats::SafetensorsFile theirs(copy() / "adapter_model.safetensors"),
      ours(temp_.path() / "again" / "adapter_model.safetensors");
  ASSERT_EQ(ours.tensors().size(), theirs.tensors().size());
  for (const auto& tensor : theirs.tensors()) {
    const auto& mine = ours.at(tensor.name);
    EXPECT_TRUE(std::equal(tensor.bytes.begin(), tensor.bytes.end(), mine.bytes.begin(), mine.bytes.end()))
        << tensor.name;
  }
  EXPECT_EQ(ours.metadata().at("format"), "pt");
  EXPECT_EQ(std::distance(fs::directory_iterator(temp_.path()), {}), 2) << "a temporary folder was left behind";
}

TEST_F(PeftFolder, NeverOverwritesAFolder) {
  const auto adapter = load_peft(copy(), kSmolLm2);
  EXPECT_THROW(save_peft(copy(), *adapter, {"x", ""}), Conflict);
}

TEST_F(PeftFolder, RefusesWhatItWouldGetWrong) {
  for (const auto& [key, value] : std::vector<std::pair<std::string, Json>>{{"fan_in_fan_out", true},
                                                                            {"target_parameters", {"experts"}},
                                                                            {"bias", "all"},
                                                                            {"peft_type", "IA3"},
                                                                            {"r", "four"}}) {
    fs::remove_all(copy());
    fs::copy(golden_path("smollm2/adapter"), copy(), fs::copy_options::recursive);
    edit(key, value);
    const std::string message = message_of([&] { load_peft(copy(), kSmolLm2); });
    EXPECT_NE(message.find(key), std::string::npos) << key << ": " << message;
  }
}

TEST_F(PeftFolder, NamesTheTensorThatDoesNotFitTheModel) {
  DecoderShape other = kSmolLm2;
  other.ffn = 1024;
  EXPECT_NE(message_of([&] { load_peft(copy(), other); }).find("must have the shape"), std::string::npos);
  other = kSmolLm2;
  other.layers = 28;
  EXPECT_NE(message_of([&] { load_peft(copy(), other); }).find("must hold the tensors"), std::string::npos);
  edit("r", 8);
  EXPECT_NE(message_of([&] { load_peft(copy(), kSmolLm2); }).find("must have the shape"), std::string::npos);
}

TEST_F(PeftFolder, SaysWhichFileIsMissingOrTruncated) {
  const fs::path weights = copy() / "adapter_model.safetensors";
  fs::permissions(weights, fs::perms::owner_all);
  fs::resize_file(weights, 1000);
  EXPECT_THROW(load_peft(copy(), kSmolLm2), ModelError);
  fs::remove(weights);
  EXPECT_THROW(load_peft(copy(), kSmolLm2), NotFound);
  EXPECT_THROW(load_peft(temp_.path() / "none", kSmolLm2), NotFound);
}

TEST(PeftTiny, ReadsTheSmallModelsAdapters) {
  const auto adapter = load_peft(golden_path("tiny/llama31/adapter"),
                                 {.layers = 2, .hidden = 64, .q_size = 64, .kv_size = 32, .ffn = 192});
  EXPECT_EQ(adapter->config().r, 4);
}

}  // namespace
}  // namespace afina::lora
