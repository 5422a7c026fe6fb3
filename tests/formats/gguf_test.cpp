// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "tests/formats/gguf_builder.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::formats {
namespace {

using B = GgufBuilder;

TEST(Gguf, ReadsTheSpecsExampleFile) {
  const std::string bytes = spec_file();
  ASSERT_EQ(bytes.size(), 224U);
  ASSERT_EQ(crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), 224), 0x691bbcebU)
      << "the builder must write the golden file";
  const TempFolder folder;
  write_file_atomic(folder.path() / "a.gguf", bytes);
  const GgufFile file(folder.path() / "a.gguf");
  EXPECT_EQ(file.string("general.architecture"), "llama");
  EXPECT_EQ(file.integers("a.b"), (std::vector<int64_t>{-1, 7}));
  EXPECT_EQ(file.numbers("a.b"), (std::vector<float>{-1, 7}));
  EXPECT_EQ(file.keys().size(), 3U);
  const GgufTensor& w = file.at("w");
  EXPECT_EQ(w.shape, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(w.file_offset, 192U);
  std::vector<float> values(6), row(2);
  dequantize(w, values);
  EXPECT_EQ(values, (std::vector<float>{0, 1, 2, 3, 4, 5}));
  dequantize_rows(w, 2, 1, row);
  EXPECT_EQ(row, (std::vector<float>{4, 5}));
  EXPECT_THROW(dequantize_rows(w, 2, 2, values), InternalError);
}

TEST(Gguf, ReadsVersionTwoAndAnotherAlignment) {
  B builder;
  builder.version = 2;
  builder.alignment = 64;
  builder.kv("general.alignment", 4, B::raw<uint32_t>(64)).tensor("w", {1}, 0, 0).tensor("v", {1}, 0, 64);
  builder.data(B::raw(2.5F) + std::string(60, '\0') + B::raw(-1.0F));
  const TempFolder folder;
  write_file_atomic(folder.path() / "a.gguf", builder.bytes());
  std::vector<float> value(1);
  const GgufFile file(folder.path() / "a.gguf");
  dequantize(file.at("v"), value);
  EXPECT_EQ(value[0], -1.0F);
}

TEST(Gguf, TypedAccessNamesTheKeyInItsErrors) {
  B builder;
  builder.kv("n.u8", 0, B::raw<uint8_t>(200))
      .kv("n.i64", 11, B::raw<int64_t>(-5))
      .kv("n.u64", 10, B::raw(~uint64_t{0}));
  builder.kv("n.f32", 6, B::raw(0.5F)).kv("n.bool", 7, B::raw<uint8_t>(1)).kv("t", 8, B::text("hola"));
  builder.kv("ts", 9, B::raw<uint32_t>(8) + B::raw<uint64_t>(2) + B::text("a") + B::text(""));
  const TempFolder folder;
  write_file_atomic(folder.path() / "a.gguf", builder.bytes());
  const GgufFile file(folder.path() / "a.gguf");
  EXPECT_EQ(file.integer("n.u8"), 200);
  EXPECT_EQ(file.integer("n.i64"), -5);
  EXPECT_EQ(file.number("n.f32"), 0.5);
  EXPECT_EQ(file.number("n.i64"), -5.0);
  EXPECT_TRUE(file.boolean("n.bool"));
  EXPECT_EQ(file.strings("ts"), (std::vector<std::string_view>{"a", ""}));
  EXPECT_FALSE(file.find_string("missing"));
  const auto message = [](auto&& act) -> std::string {
    try {
      act();
    } catch (const ModelError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message([&] { file.integer("n.u64"); }), testing::HasSubstr("n.u64"));
  EXPECT_THAT(message([&] { file.integer("t"); }), testing::HasSubstr("an integer under \"t\", but has string"));
  EXPECT_THAT(message([&] { file.string("ts"); }), testing::HasSubstr("array of string"));
  EXPECT_THAT(message([&] { file.integer("n.u9"); }), testing::HasSubstr("nearest is \"n.u8\""));
  EXPECT_THAT(message([&] { file.at("w"); }), testing::HasSubstr("\"w\""));
}

TEST(Gguf, ARealModelEqualsItsGoldenValues) {
  const Json golden = parse_json(read_file(golden_path("smollm2/gguf_dequant.json")), "gguf_dequant.json");
  const GgufFile file(smollm2_gguf());
  EXPECT_EQ(file.tensors().size(), 272U);
  for (const Json& entry : golden["tensors"]) {
    const GgufTensor& tensor = file.at(entry["name"].get<std::string>());
    EXPECT_EQ(static_cast<uint32_t>(tensor.type), entry["ggml_type"].get<uint32_t>());
    EXPECT_EQ(tensor.file_offset, entry["file_offset"].get<uint64_t>());
    EXPECT_EQ(tensor.bytes.size(), entry["n_bytes"].get<size_t>());
    EXPECT_EQ(std::vector<int64_t>(tensor.shape.rbegin(), tensor.shape.rend()),
              entry["ne"].get<std::vector<int64_t>>());
    std::vector<float> values(static_cast<size_t>(tensor.elements()));
    dequantize(tensor, values);
    EXPECT_EQ(std::vector<float>(values.begin(), values.begin() + 64), entry["first64"].get<std::vector<float>>());
    EXPECT_EQ(std::vector<float>(values.end() - 64, values.end()), entry["last64"].get<std::vector<float>>());
    const auto crc = crc32(0, reinterpret_cast<const Bytef*>(values.data()), static_cast<uInt>(values.size() * 4));
    const Json& expected = entry["crc32_f32le"];
    const auto wanted =
        expected.is_string() ? std::stoul(expected.get<std::string>(), nullptr, 16) : expected.get<unsigned long>();
    EXPECT_EQ(crc, wanted) << tensor.name;
  }
}

TEST(Gguf, ARealModelIsDequantisedQuickly) {
  const GgufFile file(smollm2_gguf());
  size_t largest = 0;
  for (const GgufTensor& tensor : file.tensors())
    largest = std::max(largest, static_cast<size_t>(tensor.elements()));
  std::vector<float> values(largest);
  const Stopwatch watch;
  int64_t elements = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    dequantize(tensor, std::span(values).first(static_cast<size_t>(tensor.elements())));
    elements += tensor.elements();
  }
  EXPECT_EQ(elements, 134'515'008);
  RecordProperty("milliseconds", static_cast<int>(watch.seconds() * 1000));
  // A gross bound: a sanitizer build on a busy machine must pass, a quadratic or per-value parser must not.
  EXPECT_LT(watch.seconds(), 20.0);
}

TEST(Gguf, VocabularyFilesWithoutTensorsAreRead) {
  const auto path =
      smollm2_gguf().parent_path().parent_path().parent_path() / "llama.cpp" / "models" / "ggml-vocab-llama-bpe.gguf";
  const GgufFile file(path);
  EXPECT_TRUE(file.tensors().empty());
  EXPECT_EQ(file.strings("tokenizer.ggml.tokens").size(), 128256U);
}

}  // namespace
}  // namespace afina::formats
