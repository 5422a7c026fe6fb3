// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/formats/gguf_builder.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::formats {
namespace {

using B = GgufBuilder;

void copy(const GgufFile& from, const std::filesystem::path& to) {
  GgufWriter writer(to);
  writer.copy_metadata(from);
  for (const GgufTensor& tensor : from.tensors())
    writer.add_tensor({tensor.name, tensor.type, tensor.shape});
  writer.begin_data();
  for (const GgufTensor& tensor : from.tensors())
    writer.write(tensor.name, tensor.bytes);
  writer.finish();
}

void expect_equal(const GgufFile& a, const GgufFile& b) {
  EXPECT_EQ(a.keys(), b.keys());
  for (const std::string& key : a.keys()) {
    const GgufValue &left = *a.find_raw(key), &right = *b.find_raw(key);
    EXPECT_EQ(left.type, right.type) << key;
    EXPECT_EQ(left.is_array, right.is_array) << key;
    EXPECT_EQ(left.count, right.count) << key;
    EXPECT_TRUE(std::equal(left.bytes.begin(), left.bytes.end(), right.bytes.begin(), right.bytes.end())) << key;
  }
  ASSERT_EQ(a.tensors().size(), b.tensors().size());
  for (size_t i = 0; i < a.tensors().size(); ++i) {
    const GgufTensor &left = a.tensors()[i], &right = b.tensors()[i];
    EXPECT_EQ(left.name, right.name);
    EXPECT_EQ(left.type, right.type);
    EXPECT_EQ(left.shape, right.shape);
    EXPECT_TRUE(std::equal(left.bytes.begin(), left.bytes.end(), right.bytes.begin(), right.bytes.end())) << left.name;
  }
}

class GgufWriting : public testing::Test {
 protected:
  std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_.path()), {}));
  }

 private:
  TempFolder folder_;
};

TEST_F(GgufWriting, ACopyOfTheSpecsExampleIsTheSameBytes) {
  write_file_atomic(path("a.gguf"), spec_file());
  copy(GgufFile(path("a.gguf")), path("b.gguf"));
  EXPECT_EQ(read_file(path("b.gguf")), spec_file());
  EXPECT_EQ(files(), 2U) << "no temporary file is left";
}

TEST_F(GgufWriting, AVocabularyOnlyFileKeepsEveryKey) {
  const GgufFile vocabulary(std::filesystem::path(AFINA_SOURCE_DIR) /
                            ".deps/llama.cpp/models/ggml-vocab-llama-spm.gguf");
  EXPECT_TRUE(vocabulary.tensors().empty());
  EXPECT_EQ(vocabulary.strings("tokenizer.ggml.tokens").size(), 32000U);
  copy(vocabulary, path("b.gguf"));
  expect_equal(vocabulary, GgufFile(path("b.gguf")));
}

TEST_F(GgufWriting, ARealModelIsCopiedTensorByTensor) {
  const GgufFile model(smollm2_gguf());
  copy(model, path("b.gguf"));
  expect_equal(model, GgufFile(path("b.gguf")));
  EXPECT_EQ(std::filesystem::file_size(path("b.gguf")), std::filesystem::file_size(smollm2_gguf()));
}

TEST_F(GgufWriting, EveryValueTypeIsCopiedByteForByte) {
  const std::string elements = B::raw<uint64_t>(0x7FF0000000000001ULL);  // a signalling NaN must not be touched
  const std::vector<int> bytes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  B builder;
  for (uint32_t type = 0; type < 13; ++type) {
    if (bytes[type] == 0) continue;
    const std::string value = elements.substr(0, static_cast<size_t>(bytes[type]));
    builder.kv("scalar." + std::to_string(type), type, value);
    builder.kv("array." + std::to_string(type), 9, B::raw(type) + B::raw<uint64_t>(2) + value + value);
  }
  builder.kv("text", 8, B::text("ni\xc3\xb1o")).kv("empty", 9, B::raw<uint32_t>(8) + B::raw<uint64_t>(0));
  builder.kv("texts", 9, B::raw<uint32_t>(8) + B::raw<uint64_t>(2) + B::text("") + B::text(std::string("a\0b", 3)));
  write_file_atomic(path("a.gguf"), builder.bytes());
  copy(GgufFile(path("a.gguf")), path("b.gguf"));
  EXPECT_EQ(read_file(path("b.gguf")), builder.bytes());
}

TEST_F(GgufWriting, KeysAreSetInPlaceOrAtTheEnd) {
  write_file_atomic(path("a.gguf"), spec_file());
  GgufWriter writer(path("b.gguf"));
  writer.copy_metadata(GgufFile(path("a.gguf")), [](std::string_view key) { return key != "a.b"; });
  writer.set_string("general.architecture", "qwen2");
  writer.set_u32("u", 7);
  writer.set_u64("big", uint64_t{1} << 40);
  writer.set_i32("i", -3);
  writer.set_f32("f", 0.5F);
  writer.set_bool("b", true);
  writer.set_strings("s", {"one", "", "three"});
  writer.set_i32s("is", std::vector<int32_t>{-1, 2});
  writer.set_u32s("us", std::vector<uint32_t>{1, 2});
  writer.set_f32s("fs", std::vector<float>{0.25F});
  writer.set_u32("gone", 1);
  writer.remove("gone");
  writer.begin_data();
  writer.finish();
  const GgufFile file(path("b.gguf"));
  EXPECT_EQ(file.keys(), (std::vector<std::string>{"general.architecture", "general.alignment", "u", "big", "i", "f",
                                                   "b", "s", "is", "us", "fs"}));
  EXPECT_EQ(file.string("general.architecture"), "qwen2");
  EXPECT_EQ(file.integer("u"), 7);
  EXPECT_EQ(file.integer("big"), int64_t{1} << 40);
  EXPECT_EQ(file.integer("i"), -3);
  EXPECT_EQ(file.number("f"), 0.5);
  EXPECT_TRUE(file.boolean("b"));
  EXPECT_EQ(file.strings("s"), (std::vector<std::string_view>{"one", "", "three"}));
  EXPECT_EQ(file.integers("is"), (std::vector<int64_t>{-1, 2}));
  EXPECT_EQ(file.integers("us"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(file.numbers("fs"), std::vector<float>{0.25F});
}

TEST_F(GgufWriting, TensorsMayComeInAnyOrderAndTheLastIsPaddedToo) {
  GgufWriter writer(path("b.gguf"));
  writer.set_u32("general.alignment", 64);
  writer.add_tensor({"first", GgmlType::f32, {3}});
  writer.add_tensor({"second", GgmlType::q8_0, {2, 32}});
  writer.begin_data();
  const std::vector<float> three{1, 2, 3};
  std::vector<std::byte> blocks(68, std::byte{7});
  writer.write("second", blocks);
  writer.write("first", std::as_bytes(std::span(three)));
  writer.finish();
  EXPECT_EQ(std::filesystem::file_size(path("b.gguf")) % 64, 0U);
  EXPECT_EQ(std::filesystem::file_size(path("b.gguf")), writer.file_bytes());
  const GgufFile file(path("b.gguf"));
  EXPECT_EQ(file.at("second").shape, (std::vector<int64_t>{2, 32}));
  std::vector<float> values(3);
  dequantize(file.at("first"), values);
  EXPECT_EQ(values, three);
}

TEST_F(GgufWriting, WithoutFinishTheOldFileStandsAndNothingIsLeft) {
  write_file_atomic(path("b.gguf"), "old");
  {
    GgufWriter writer(path("b.gguf"));
    writer.add_tensor({"w", GgmlType::f32, {1}});
    writer.begin_data();
    EXPECT_THROW(writer.finish(), InternalError) << "w was not written";
    EXPECT_THROW(writer.write("v", {}), InternalError);
    EXPECT_THROW(writer.write("w", {}), DataError);
    writer.write("w", std::vector<std::byte>(4));
    EXPECT_THROW(writer.write("w", std::vector<std::byte>(4)), InternalError);
  }
  EXPECT_EQ(read_file(path("b.gguf")), "old");
  EXPECT_EQ(files(), 1U);
}

TEST_F(GgufWriting, WhatNoReaderWouldTakeIsRefused) {
  const auto error_of = [&](const std::vector<GgufTensorPlan>& plans, uint32_t alignment = 32) -> std::string {
    GgufWriter writer(path("bad.gguf"));
    writer.set_u32("general.alignment", alignment);
    for (const GgufTensorPlan& plan : plans)
      writer.add_tensor(plan);
    try {
      writer.begin_data();
    } catch (const DataError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(error_of({{"w", GgmlType::q8_0, {2, 32}}}), "accepted");
  EXPECT_THAT(error_of({{"", GgmlType::f32, {1}}}), testing::HasSubstr("1 to 63 bytes"));
  EXPECT_THAT(error_of({{std::string(64, 'n'), GgmlType::f32, {1}}}), testing::HasSubstr("1 to 63 bytes"));
  EXPECT_THAT(error_of({{"\xff", GgmlType::f32, {1}}}), testing::HasSubstr("UTF-8"));
  EXPECT_THAT(error_of({{"w", GgmlType::f32, {}}}), testing::HasSubstr("1 to 4 dimensions"));
  EXPECT_THAT(error_of({{"w", GgmlType::f32, {1, 1, 1, 1, 1}}}), testing::HasSubstr("1 to 4 dimensions"));
  EXPECT_THAT(error_of({{"w", GgmlType::f32, {0}}}), testing::HasSubstr("fits memory"));
  EXPECT_THAT(error_of({{"w", GgmlType::f32, {-1}}}), testing::HasSubstr("fits memory"));
  EXPECT_THAT(error_of({{"w", GgmlType::f32, {int64_t{1} << 40, int64_t{1} << 40}}}),
              testing::HasSubstr("fits memory"));
  EXPECT_THAT(error_of({{"w", GgmlType::q8_0, {33}}}), testing::HasSubstr("whole blocks"));
  EXPECT_THAT(error_of({{"w", static_cast<GgmlType>(4), {32}}}), testing::HasSubstr("removed"));
  EXPECT_THAT(error_of({{"w", GgmlType::f32, {1}}, {"w", GgmlType::f32, {1}}}), testing::HasSubstr("twice"));
  EXPECT_THAT(error_of({}, 48), testing::HasSubstr("alignment"));
  EXPECT_EQ(files(), 0U);
  GgufWriter writer(path("bad.gguf"));
  EXPECT_THROW(writer.set_u32("", 1), DataError);
  EXPECT_THROW(GgufWriter(path("no folder") / "b.gguf").begin_data(), StorageError);
}

class GgufParts : public GgufWriting {
 protected:
  // Part `number` of `count`; the model's keys are in the first.
  void write_part(const std::string& name, uint16_t number, uint16_t count, const std::string& tensor) {
    B builder;
    if (number == 0) builder.kv("general.architecture", 8, B::text("llama"));
    builder.kv("split.no", 2, B::raw(number)).kv("split.count", 2, B::raw(count));
    builder.kv("split.tensors.count", 5, B::raw<int32_t>(count));
    builder.tensor(tensor, {8}, 0, 0).data(std::string(32, static_cast<char>(number)));
    write_file_atomic(path(name), builder.bytes());
  }
  std::string error_of(const std::string& name) {
    try {
      const GgufFile file(path(name));
    } catch (const ModelError& error) {
      return error.what();
    }
    return "accepted";
  }
};

TEST_F(GgufParts, TheFirstOpensAllAndACopyIsWhole) {
  write_part("m-00001-of-00002.gguf", 0, 2, "a");
  write_part("m-00002-of-00002.gguf", 1, 2, "b");
  const GgufFile file(path("m-00001-of-00002.gguf"));
  EXPECT_EQ(file.files().size(), 2U);
  ASSERT_EQ(file.tensors().size(), 2U);
  EXPECT_EQ(file.at("b").part, 1);
  EXPECT_EQ(file.at("b").bytes.front(), std::byte{1});
  copy(file, path("whole.gguf"));
  const GgufFile whole(path("whole.gguf"));
  EXPECT_EQ(whole.keys(), std::vector<std::string>{"general.architecture"});
  EXPECT_EQ(whole.tensors().size(), 2U);
  EXPECT_EQ(whole.at("b").bytes.front(), std::byte{1});
}

TEST_F(GgufParts, APartAloneSaysWhichFileToOpen) {
  write_part("m-00001-of-00002.gguf", 0, 2, "a");
  EXPECT_THAT(error_of("m-00001-of-00002.gguf"), testing::HasSubstr("m-00002-of-00002.gguf"));
  write_part("m-00002-of-00002.gguf", 1, 2, "b");
  EXPECT_THAT(error_of("m-00002-of-00002.gguf"), testing::HasSubstr("first part, m-00001-of-00002.gguf"));
  EXPECT_EQ(error_of("m-00001-of-00002.gguf"), "accepted");
  std::filesystem::rename(path("m-00001-of-00002.gguf"), path("renamed.gguf"));
  EXPECT_THAT(error_of("renamed.gguf"), testing::HasSubstr("llama-gguf-split --merge"));
}

TEST_F(GgufParts, PartsThatDoNotBelongTogetherAreRefused) {
  write_part("m-00001-of-00002.gguf", 0, 2, "a");
  write_part("m-00002-of-00002.gguf", 1, 2, "a");
  EXPECT_THAT(error_of("m-00001-of-00002.gguf"), testing::HasSubstr("another part too"));
  write_part("m-00002-of-00002.gguf", 1, 3, "b");
  EXPECT_THAT(error_of("m-00001-of-00002.gguf"), testing::HasSubstr("part 1 of 2 by its own keys"));
  write_part("m-00001-of-00002.gguf", 0, 0, "a");
  EXPECT_THAT(error_of("m-00001-of-00002.gguf"), testing::HasSubstr("at most 1000"));
  write_part("m-00001-of-00002.gguf", 0, 60'000, "a");
  EXPECT_THAT(error_of("m-00001-of-00002.gguf"), testing::HasSubstr("at most 1000"));
}

TEST_F(GgufWriting, ATypeWithoutValuesOpensButIsNotDequantised) {
  write_file_atomic(path("a.gguf"), [] {
    B builder;
    builder.tensor("w", {256}, 16, 0).data(std::string(96, 'x'));
    return builder.bytes();
  }());
  const GgufFile file(path("a.gguf"));
  std::vector<float> values(256);
  try {
    dequantize(file.at("w"), values);
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(),
                testing::AllOf(testing::HasSubstr("IQ2_XXS"), testing::HasSubstr("\"w\""), testing::HasSubstr("Q4_K")));
  }
  copy(file, path("b.gguf"));
  expect_equal(file, GgufFile(path("b.gguf")));
}

}  // namespace
}  // namespace afina::formats
