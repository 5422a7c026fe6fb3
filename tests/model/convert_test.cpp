// SPDX-License-Identifier: Apache-2.0
// Any model to GGUF and back: the numbers stay, whatever the family does with rows and biases.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "formats/safetensors_set.h"
#include "model/convert/to_gguf.h"
#include "model/convert/to_hf.h"
#include "model/model.h"
#include "model/training_model.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"
#include "text/byte_alphabet.h"
#include "text/text_stack.h"

namespace afina::model {
namespace {

namespace fs = std::filesystem;
using formats::DType;
using formats::GgmlType;

/// A byte-level tokenizer of 259 tokens, enough for a GGUF.
void write_toy_tokenizer(const fs::path& folder) {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte)
    vocab[text::token_of_bytes(std::string(1, static_cast<char>(byte)))] = byte;
  vocab["ab"] = 256;
  const auto special = [](int id, const char* content) {
    return Json{{"id", id}, {"content", content}, {"special", true}, {"normalized", false}};
  };
  const Json tokenizer = {{"added_tokens", {special(257, "<s>"), special(258, "<|im_end|>")}},
                          {"normalizer", nullptr},
                          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
                          {"decoder", {{"type", "ByteLevel"}}},
                          {"post_processor", nullptr},
                          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"a b"}}}}};
  write_file_synced(folder / "tokenizer.json", dump_json(tokenizer));
  write_file_synced(folder / "tokenizer_config.json",
                    R"({"bos_token": "<s>", "eos_token": "<|im_end|>", "chat_template": "{{ messages[0].content }}"})");
}

fs::path with_tokenizer(const std::string& family, const TempFolder& temp) {
  const fs::path folder = temp.path() / family;
  fs::create_directories(folder);
  for (const char* name : {"config.json", "generation_config.json", "model.safetensors"})
    fs::copy_file(golden_path("tiny/" + family) / name, folder / name);
  write_toy_tokenizer(folder);
  return folder;
}

at::Tensor golden(const std::string& family, const std::string& name) {
  const formats::SafetensorsFile file(golden_path("tiny/" + family + "/golden.safetensors"));
  const auto& view = file.at(name);
  at::Tensor out = at::empty(view.shape);
  formats::copy_to_float(view, {out.data_ptr<float>(), static_cast<size_t>(out.numel())});
  return out;
}

std::vector<int> golden_ids(const std::string& family) {
  const formats::SafetensorsFile file(golden_path("tiny/" + family + "/golden.safetensors"));
  std::vector<int> ids(48);
  std::memcpy(ids.data(), file.at("input_ids").bytes.data(), ids.size() * sizeof(int));
  return ids;
}

at::Tensor logits_of(const fs::path& model, const std::vector<int>& ids) {
  TrainingModel engine(load_model(model));
  datasets::PackedBatch batch;
  batch.ids = ids;
  batch.positions.resize(ids.size());
  std::iota(batch.positions.begin(), batch.positions.end(), 0);
  batch.segments = {{0, static_cast<int>(ids.size()), 0, 0}};
  return engine.logits(batch, batch.positions, nullptr);
}

class EveryFamily : public testing::TestWithParam<const char*> {};

TEST_P(EveryFamily, AFolderWrittenAsGgufComputesTheGoldenLogits) {
  const std::string family = GetParam();
  const TempFolder temp;
  write_gguf(WeightReader(with_tokenizer(family, temp)), temp.path() / "m.gguf", GgmlType::f32, {"toy"}, {});
  const at::Tensor got = logits_of(temp.path() / "m.gguf", golden_ids(family)), want = golden(family, "logits");
  const double limit = 2e-4 * std::max(1.0, want.abs().max().item<double>() / 10);
  EXPECT_LE((got - want).abs().max().item<double>(), limit);
}

TEST_P(EveryFamily, AGgufWrittenAsAFolderHasTheFirstFoldersVeryWeights) {
  const std::string family = GetParam();
  const TempFolder temp;
  const fs::path first = with_tokenizer(family, temp);
  write_gguf(WeightReader(first), temp.path() / "m.gguf", GgmlType::f32, {}, {});
  HfOptions hf;
  hf.dtype = DType::f32;
  hf.max_shard_bytes = 200'000;
  write_hf_folder(WeightReader(temp.path() / "m.gguf"), temp.path() / "again", hf, {});
  const formats::SafetensorsSet before(first), after(temp.path() / "again");
  EXPECT_GT(after.files().size(), 1U);
  for (const auto* tensor : before.tensors()) {
    const auto& other = after.at(tensor->name);
    EXPECT_EQ(other.shape, tensor->shape) << tensor->name;
    EXPECT_TRUE(std::equal(tensor->bytes.begin(), tensor->bytes.end(), other.bytes.begin(), other.bytes.end()))
        << tensor->name;
  }
  const at::Tensor got = logits_of(temp.path() / "again", golden_ids(family));
  EXPECT_LE((got - golden(family, "logits")).abs().max().item<double>(), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Tiny, EveryFamily,
                         testing::Values("llama2", "llama31", "llama32", "mistral", "qwen2", "qwen3", "smollm3"),
                         [](const auto& info) { return std::string(info.param); });

TEST(ToGguf, CarriesTheTokenizerAndTheTemplate) {
  const TempFolder temp;
  const fs::path folder = with_tokenizer("llama2", temp);
  write_gguf(WeightReader(folder), temp.path() / "m.gguf", GgmlType::f16,
             {"Toy", "apache-2.0", "org/base", {"es", "pt"}}, {});
  const text::TextStack there = text::load_text_stack(temp.path() / "m.gguf"), here = text::load_text_stack(folder);
  const std::string chat = "abba ab, ¿ñandú? <|im_end|>";
  for (const bool parse : {false, true})
    EXPECT_EQ(there.tokenizer->encode(chat, {.parse_special = parse}),
              here.tokenizer->encode(chat, {.parse_special = parse}));
  // generation_config.json's further ends have no key in GGUF; llama.cpp knows end tokens by their text.
  EXPECT_THAT(there.tokenizer->end_ids(), testing::ElementsAre(258));
  EXPECT_EQ(there.chat_template->source(), here.chat_template->source());
  const formats::GgufFile file(temp.path() / "m.gguf");
  EXPECT_EQ(file.string("general.name"), "Toy");
  EXPECT_EQ(file.strings("general.languages").size(), 2U);
  EXPECT_EQ(file.strings("tokenizer.ggml.tokens")[300], "[PAD300]");
  EXPECT_EQ(file.integer("general.file_type"), 1);
}

TEST(ToGguf, RefusesATokenizerThatGgufHasNoNameFor) {
  const TempFolder temp;
  const fs::path folder = with_tokenizer("llama2", temp);
  Json tokenizer = parse_json(read_file(folder / "tokenizer.json"), "t");
  tokenizer["pre_tokenizer"] = {{"type", "Whitespace"}};
  write_file_atomic(folder / "tokenizer.json", dump_json(tokenizer));
  try {
    write_gguf(WeightReader(folder), temp.path() / "m.gguf", GgmlType::f16, {}, {});
    FAIL() << "must refuse";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("pre_tokenizer"));
  }
  EXPECT_FALSE(fs::exists(temp.path() / "m.gguf"));
}

TEST(ToGguf, KeepsTheVeryBytesOfTensorsThatHaveTheTypeAlready) {
  const TempFolder temp;
  const fs::path folder = with_tokenizer("mistral", temp);
  write_gguf(WeightReader(folder), temp.path() / "q8.gguf", GgmlType::q8_0, {}, {});
  write_gguf(WeightReader(temp.path() / "q8.gguf"), temp.path() / "again.gguf", GgmlType::q8_0, {}, {});
  EXPECT_EQ(read_file(temp.path() / "again.gguf"), read_file(temp.path() / "q8.gguf"));
}

TEST(ToHf, QuantisesProjectionsAsBitsandbytesDoes) {
  const fs::path base = golden_path("tiny/llama31");
  for (const bool twice : {false, true}) {
    const TempFolder temp;
    HfOptions hf;
    hf.nf4 = true;
    hf.nf4_double_quant = twice;
    write_hf_folder(WeightReader(base), temp.path() / "out", hf, {});
    const formats::SafetensorsSet ours(temp.path() / "out"), theirs(base / (twice ? "nf4_dq" : "nf4"));
    int matrices = 0;
    for (const auto* tensor : theirs.tensors()) {
      if (!tensor->name.ends_with("_proj.weight")) continue;
      const auto& mine = ours.at(tensor->name);
      EXPECT_EQ(mine.shape, tensor->shape);
      EXPECT_TRUE(std::equal(mine.bytes.begin(), mine.bytes.end(), tensor->bytes.begin(), tensor->bytes.end()))
          << tensor->name;
      ++matrices;
    }
    EXPECT_EQ(matrices, 14);
    const at::Tensor a = logits_of(temp.path() / "out", golden_ids("llama31")),
                     b = logits_of(base / (twice ? "nf4_dq" : "nf4"), golden_ids("llama31"));
    EXPECT_LE((a - b).abs().max().item<double>(), 1e-4);
  }
}

TEST(ToHf, RefusesAFolderThatExistsAndTypesThatAreNoFloats) {
  const TempFolder temp;
  const WeightReader from(golden_path("tiny/llama2"));
  EXPECT_THROW(write_hf_folder(from, temp.path(), {}, {}), Conflict);
  HfOptions hf;
  hf.dtype = DType::i32;
  EXPECT_THROW(write_hf_folder(from, temp.path() / "new", hf, {}), UsageError);
  EXPECT_FALSE(fs::exists(temp.path() / "new"));
}

TEST(ToHf, StopsBetweenTensorsWhenAsked) {
  const TempFolder temp;
  std::stop_source source;
  ConvertOptions options;
  options.stop = source.get_token();
  options.progress = [&](int64_t done, int64_t) {
    if (done == 3) source.request_stop();
  };
  EXPECT_THROW(write_hf_folder(WeightReader(golden_path("tiny/llama2")), temp.path() / "out", {}, options), Cancelled);
  EXPECT_FALSE(fs::exists(temp.path() / "out" / "model.safetensors"));
}

TEST(WeightReader, RefusesAFileThatIsMissing) {
  EXPECT_THROW(WeightReader("/nowhere/model.gguf"), NotFound);
}

}  // namespace
}  // namespace afina::model
