// SPDX-License-Identifier: Apache-2.0
// Merging into folders and GGUF files: logits of the result equal base + adapter, and nothing is left half done.
#include "lora/merge.h"

#include <ATen/ATen.h>

#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "formats/safetensors_set.h"
#include "lora/gguf_adapter.h"
#include "model/gguf_names.h"
#include "tests/lora/tiny_adapters.h"

namespace afina::lora {
namespace {

namespace fs = std::filesystem;
using formats::DType;
using formats::GgmlType;

int64_t entries(const fs::path& folder) {
  return std::distance(fs::directory_iterator(folder), {});
}

class MergedVariant : public ::testing::TestWithParam<const char*> {};

TEST_P(MergedVariant, LogitsOfTheMergedFolderEqualPefts) {
  const fs::path folder = llama31() / "variants" / GetParam();
  const TinyGolden golden(folder);
  const auto adapter = load_peft(folder, shape_of(model::load_model(llama31())->config()));
  TempFolder temp;
  const MergeReport report = merge_adapter(llama31(), *adapter, temp.path() / "merged");
  EXPECT_GT(report.changed, 0);
  EXPECT_TRUE(report.retyped.empty());
  const auto merged = model::load_model(temp.path() / "merged");
  expect_logits(logits_of(merged, tiny_ids()), golden.tensor("logits_merged"));
  expect_logits(logits_of(merged, tiny_ids()), golden.tensor("logits"));
  EXPECT_EQ(entries(temp.path()), 1) << "a temporary folder was left behind";
}

INSTANTIATE_TEST_SUITE_P(Llama31, MergedVariant,
                         ::testing::Values("rslora", "dora", "patterns", "regex", "all_linear", "layers", "save_head"),
                         [](const auto& info) { return std::string(info.param); });

class MergedFamily : public ::testing::TestWithParam<const char*> {};

TEST_P(MergedFamily, FolderInShardsGivesTheAdaptersLogits) {
  const fs::path folder = golden_path(cat("tiny/", GetParam()));
  const TinyGolden golden(folder);
  const auto base = model::load_model(folder);
  const auto adapter = load_peft(folder / "adapter", base);
  TempFolder temp;
  MergeOptions options;
  options.max_shard_bytes = 60'000;
  merge_adapter(folder, *adapter, temp.path() / "m", options);
  EXPECT_GT(formats::SafetensorsSet(temp.path() / "m").files().size(), 3U);
  EXPECT_TRUE(fs::exists(temp.path() / "m" / "generation_config.json"));
  expect_logits(logits_of(model::load_model(temp.path() / "m"), golden.ids()), golden.tensor("logits_adapter"));
}

INSTANTIATE_TEST_SUITE_P(Tiny, MergedFamily,
                         ::testing::Values("llama2", "llama32", "mistral", "qwen2", "qwen3", "smollm3"),
                         [](const auto& info) { return std::string(info.param); });

class MergedFolder : public ::testing::Test {
 protected:
  MergedFolder() : base_(model::load_model(llama31())), adapter_(load_peft(llama31() / "adapter", base_)) {}
  fs::path out() const { return temp_.path() / "out"; }
  std::shared_ptr<const model::Model> base_;
  std::unique_ptr<AdapterSet> adapter_;
  TempFolder temp_;
};

TEST_F(MergedFolder, SixteenBitsRoundOnceAndTheConfigSaysSo) {
  for (const auto& [dtype, name, limit] :
       {std::tuple{DType::bf16, "bfloat16", 0.2}, std::tuple{DType::f16, "float16", 0.02}}) {
    const fs::path path = temp_.path() / name;
    MergeOptions options;
    options.dtype = dtype;
    merge_adapter(llama31(), *adapter_, path, options);
    const formats::SafetensorsSet set(path);
    for (const auto* tensor : set.tensors())
      EXPECT_EQ(tensor->dtype, dtype) << tensor->name;
    const Json config = Json::parse(read_file(path / "config.json"));
    EXPECT_EQ(config["dtype"], name);
    const double error = (logits_of(model::load_model(path), tiny_ids()) - logits_of(base_, tiny_ids(), adapter_.get()))
                             .abs()
                             .max()
                             .item<double>();
    EXPECT_LT(error, limit);
    EXPECT_GT(error, 0);
  }
}

TEST_F(MergedFolder, ANf4BaseIsDequantisedMergedAndWrittenInFull) {
  for (const char* name : {"nf4", "nf4_dq"}) {
    const fs::path folder = llama31() / name, path = temp_.path() / name;
    const auto base = model::load_model(folder);
    const auto adapter = load_peft(llama31() / "adapter", base);
    MergeOptions options;
    options.dtype = DType::f32;
    const MergeReport report = merge_adapter(folder, *adapter, path, options);
    ASSERT_EQ(report.notes.size(), 1U);
    EXPECT_FALSE(Json::parse(read_file(path / "config.json")).contains("quantization_config"));
    expect_logits(logits_of(model::load_model(path), tiny_ids()), logits_of(base, tiny_ids(), adapter.get()), 1e-3);
  }
}

TEST_F(MergedFolder, BiasWithoutAPlaceIsRefusedAndTakenWhereThereIsOne) {
  const auto bias = load_peft(llama31() / "variants" / "bias", base_);
  const std::string message = message_of([&] { merge_adapter(llama31(), *bias, out()); });
  EXPECT_NE(message.find("no bias there"), std::string::npos) << message;
  EXPECT_EQ(entries(temp_.path()), 0);
  const fs::path qwen = golden_path("tiny/qwen2");
  const auto base = model::load_model(qwen);
  AdapterSet adapter(shape_of(base->config()), {.r = 2, .target_modules = {"q_proj", "v_proj"}, .lora_bias = true});
  at::manual_seed(1);
  adapter.flat_parameters().copy_(at::randn({adapter.parameter_count()}) * 0.2);
  merge_adapter(qwen, adapter, out());
  expect_logits(logits_of(model::load_model(out()), tiny_ids()), logits_of(base, tiny_ids(), &adapter));
}

TEST_F(MergedFolder, ATiedModelComesApartWhereOneEndChanges) {
  const fs::path folder = golden_path("tiny/llama32");
  const auto base = model::load_model(folder);
  const int64_t vocab = base->config().vocab_size, hidden = base->config().hidden;
  at::manual_seed(2);
  for (const bool embedding : {false, true}) {
    LoraConfig config{.r = 2, .target_modules = {"q_proj", embedding ? "embed_tokens" : "lm_head"}};
    AdapterSet made(shape_of(base->config()), config);
    if (embedding) {
      made.set_embedding_part(
          {.is_embedding = true, .a = at::randn({2, vocab}) * 0.1, .b = at::randn({hidden, 2}) * 0.1, .scale = 4});
    } else {
      made.set_head_part({.a = at::randn({2, hidden}) * 0.1, .b = at::randn({vocab, 2}) * 0.1, .scale = 4});
    }
    made.bind(base);
    const fs::path path = temp_.path() / (embedding ? "e" : "h");
    const MergeReport report = merge_adapter(folder, made, path);
    EXPECT_EQ(report.notes.size(), 1U);
    EXPECT_EQ(Json::parse(read_file(path / "config.json"))["tie_word_embeddings"], false);
    const at::Tensor want = logits_of(base, tiny_ids(), &made);
    expect_logits(logits_of(model::load_model(path), tiny_ids()), want);
    EXPECT_GT((want - logits_of(base, tiny_ids())).abs().max().item<double>(), 1e-2);
  }
}

TEST_F(MergedFolder, AnInterruptedMergeLeavesNothing) {
  std::stop_source source;
  MergeOptions options;
  options.stop = source.get_token();
  options.progress = [&](int64_t done, int64_t) {
    if (done == 3) source.request_stop();
  };
  EXPECT_THROW(merge_adapter(llama31(), *adapter_, out(), options), Cancelled);
  EXPECT_EQ(entries(temp_.path()), 0);
}

TEST_F(MergedFolder, NeverOverwritesAndNamesWhatDoesNotFit) {
  fs::create_directory(out());
  EXPECT_THROW(merge_adapter(llama31(), *adapter_, out()), Conflict);
  EXPECT_THROW(merge_adapter(llama31() / "none", *adapter_, temp_.path() / "x"), NotFound);
  EXPECT_THROW(merge_adapter(golden_path("tiny/mistral"), *adapter_, temp_.path() / "x"), ModelError);
  adapter_->flat_parameters().fill_(1e30F);
  EXPECT_NE(message_of([&] { merge_adapter(llama31(), *adapter_, temp_.path() / "x"); }).find("finite"),
            std::string::npos);
  EXPECT_EQ(entries(temp_.path()), 1);
}

// The real small model: a Q4_1 GGUF file with Q8_0 embedding and permuted q and k.
class MergedGguf : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    const auto config = model::config_from_gguf(formats::GgufFile(smollm2_gguf()), "base");
    const auto adapter = load_peft(golden_path("smollm2/adapter"), shape_of(config));
    MergeOptions options;
    options.gguf_type = GgmlType::f32;
    merge_adapter(smollm2_gguf(), *adapter, folder_->path() / "f32.gguf", options);
    report_ = merge_adapter(smollm2_gguf(), *adapter, folder_->path() / "own.gguf");
  }
  static void TearDownTestSuite() { folder_.reset(); }
  static const formats::GgufTensor& file_tensor(const std::string& hf_name) {
    static const formats::GgufFile file(folder_->path() / "f32.gguf");
    return file.at(model::gguf_name(hf_name));
  }
  static std::unique_ptr<TempFolder> folder_;
  static MergeReport report_;
};
std::unique_ptr<TempFolder> MergedGguf::folder_;
MergeReport MergedGguf::report_;

TEST_F(MergedGguf, LogitsAndWeightsEqualPeftsMergeAndUnload) {
  const Json golden = parse_json(read_file(golden_path("smollm2/merge.json")), "merge.json");
  const auto merged = model::load_model(folder_->path() / "f32.gguf");
  model::TrainingModel training(merged);
  for (const auto& prompt : golden["prompts"]) {
    const auto ids = prompt["ids"].get<std::vector<int>>();
    const std::vector<int> last = {static_cast<int>(ids.size()) - 1};
    const at::Tensor logits = training.logits(model::whole_text(ids), last, nullptr)[0];
    const auto top = prompt["merged_top64_ids"].get<std::vector<int>>();
    const auto values = prompt["merged_top64"].get<std::vector<double>>();
    for (size_t i = 0; i < top.size(); ++i)
      EXPECT_NEAR(logits[top[i]].item<double>(), values[i], 2e-4);
  }
  for (const auto& [name, l2] : golden["merged_weight_l2"].items()) {
    const auto& tensor = file_tensor(name);
    at::Tensor w = at::empty(tensor.shape, at::kFloat);
    formats::dequantize(tensor, {w.data_ptr<float>(), static_cast<size_t>(w.numel())});
    EXPECT_NEAR(w.to(at::kDouble).norm().item<double>() / l2.get<double>(), 1, 1e-6) << name;
  }
}

TEST_F(MergedGguf, UntouchedTensorsAndKeysAreTheSameBytes) {
  const formats::GgufFile before(smollm2_gguf()), after(folder_->path() / "own.gguf");
  ASSERT_EQ(after.tensors().size(), before.tensors().size());
  int64_t same = 0;
  for (size_t i = 0; i < before.tensors().size(); ++i) {
    const auto &from = before.tensors()[i], &to = after.tensors()[i];
    EXPECT_EQ(to.name, from.name);
    EXPECT_EQ(to.type, from.type) << "Q4_1 can be written";
    same += std::ranges::equal(from.bytes, to.bytes) ? 1 : 0;
  }
  EXPECT_EQ(same, report_.copied);
  EXPECT_EQ(report_.changed, 210);
  EXPECT_TRUE(report_.retyped.empty());
  EXPECT_EQ(after.keys(), before.keys());
  for (const auto& key : before.keys())
    EXPECT_TRUE(std::ranges::equal(before.find_raw(key)->bytes, after.find_raw(key)->bytes)) << key;
}

TEST_F(MergedGguf, AnInterruptedMergeLeavesNothing) {
  TempFolder temp;
  std::stop_source source;
  MergeOptions options;
  options.stop = source.get_token();
  options.progress = [&](int64_t done, int64_t) {
    if (done == 3) source.request_stop();
  };
  const auto config = model::config_from_gguf(formats::GgufFile(smollm2_gguf()), "base");
  const auto adapter = load_peft(golden_path("smollm2/adapter"), shape_of(config));
  EXPECT_THROW(merge_adapter(smollm2_gguf(), *adapter, temp.path() / "x.gguf", options), Cancelled);
  EXPECT_EQ(entries(temp.path()), 0);
}

}  // namespace
}  // namespace afina::lora
