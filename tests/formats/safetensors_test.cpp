// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::formats {
namespace {

template <typename T>
TensorView view(std::string name, DType dtype, std::vector<int64_t> shape, const std::vector<T>& values) {
  return {std::move(name), dtype, std::move(shape), std::as_bytes(std::span(values))};
}

// A header of 640 bytes begins as a pickle does.
TEST(Safetensors, AHeaderOfAnyLengthIsRead) {
  const TempFolder folder;
  const auto path = folder.path() / "a.safetensors";
  const std::vector<float> values{1};
  for (size_t length = 4; length <= 504; length += 4) {
    write_safetensors(path, std::vector{view(std::string(length, 'a'), DType::f32, {1}, values),
                                        view(std::string(length, 'b'), DType::f32, {1}, values)});
    EXPECT_EQ(SafetensorsFile(path).tensors().size(), 2U) << length;
  }
}

TEST(Safetensors, WritesWhatItReads) {
  const std::vector<float> weights{1, 2, 3, 4, 5, 6};
  const std::vector<uint16_t> halves{0x3F80, 0xC000};
  const std::vector<int64_t> steps{-9};
  const std::vector<uint8_t> flags{1, 0, 1};
  const TempFolder folder;
  const auto path = folder.path() / "a.safetensors";
  write_safetensors(path,
                    std::vector{view("b.flags", DType::boolean, {3}, flags), view("z", DType::f32, {2, 3}, weights),
                                view("a", DType::bf16, {2, 1}, halves), view("scalar", DType::i64, {}, steps),
                                view("empty", DType::f32, {0, 7}, std::vector<float>{})},
                    {{"note", "niño"}});
  const SafetensorsFile file(path);
  std::vector<std::string> names;
  for (const TensorView& tensor : file.tensors())
    names.push_back(tensor.name);
  EXPECT_EQ(names, (std::vector<std::string>{"scalar", "empty", "z", "a", "b.flags"}))
      << "widest alignment first, then by name";
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}, {"note", "niño"}}));
  EXPECT_TRUE(file.at("scalar").shape.empty());
  EXPECT_EQ(file.at("scalar").elements(), 1);
  EXPECT_EQ(file.at("empty").elements(), 0);
  std::vector<float> values(6);
  copy_to_float(file.at("z"), values);
  EXPECT_EQ(values, weights);
  values.resize(2);
  copy_to_float(file.at("a"), values);
  EXPECT_EQ(values, (std::vector<float>{1, -2}));
  EXPECT_THROW(copy_to_float(file.at("scalar"), std::span(values).first(1)), ModelError);
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_THROW(file.at("zz"), ModelError);
}

TEST(Safetensors, WritesTheLayoutOfTheReferenceWriter) {
  const std::vector<float> weights{0.5F};
  const std::string bytes = safetensors_bytes(std::vector{view("w", DType::f32, {1}, weights)});
  const std::string header = R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const size_t padded = (header.size() + 7) / 8 * 8;
  EXPECT_EQ(static_cast<uint8_t>(bytes[0]), padded);
  EXPECT_EQ(bytes.substr(8, padded), header + std::string(padded - header.size(), ' '));
  EXPECT_EQ(bytes.size(), 8 + padded + 4);
}

TEST(Safetensors, RewritesAPeersAdapterByteForByte) {
  const auto path = golden_path("smollm2/adapter/adapter_model.safetensors");
  const SafetensorsFile file(path);
  EXPECT_EQ(file.tensors().size(), 420U);
  EXPECT_EQ(safetensors_bytes(file.tensors(), file.metadata()), read_file(path));
}

TEST(Safetensors, RefusesToWriteNonsense) {
  const std::vector<float> one{1};
  const auto good = view("w", DType::f32, {1}, one);
  EXPECT_THROW(safetensors_bytes(std::vector{good, good}), DataError);
  EXPECT_THROW(safetensors_bytes(std::vector{view("w", DType::f32, {2}, one)}), DataError);
  EXPECT_THROW(safetensors_bytes(std::vector{view("__metadata__", DType::f32, {1}, one)}), DataError);
  EXPECT_THROW(safetensors_bytes(std::vector{view("\xff", DType::f32, {1}, one)}), DataError);
  EXPECT_THROW(safetensors_bytes(std::vector{view("", DType::f32, {1}, one)}), DataError);
  const std::vector<float> two{1, 2};
  EXPECT_THROW(safetensors_bytes(std::vector{view("w", DType::f32, {1}, one), view("w", DType::f32, {2}, two)}),
               DataError);
  const std::vector<uint8_t> byte{1};
  EXPECT_THROW(safetensors_bytes(std::vector{view("w", DType::f32, {1}, one), view("v", DType::u8, {1}, byte),
                                             view("w", DType::u8, {1}, byte)}),
               DataError)
      << "also where the dtype sorts the twins apart";
}

TEST(Safetensors, AFailedWriteLeavesTheOldFile) {
  const std::vector<float> one{1};
  const TempFolder folder;
  const auto path = folder.path() / "a.safetensors";
  write_safetensors(path, std::vector{view("old", DType::f32, {1}, one)});
  EXPECT_THROW(write_safetensors(path, std::vector{view("new", DType::f32, {2}, one)}), DataError);
  EXPECT_NE(SafetensorsFile(path).find("old"), nullptr);
}

}  // namespace
}  // namespace afina::formats
