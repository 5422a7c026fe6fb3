// SPDX-License-Identifier: Apache-2.0
#include "formats/nf4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "formats/gguf.h"
#include "formats/safetensors_set.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::formats {
namespace {

std::vector<float> floats(const TensorView& view) {
  std::vector<float> values(static_cast<size_t>(view.elements()));
  copy_to_float(view, values);
  return values;
}

std::vector<uint8_t> bytes_of(const TensorView& view) {
  const auto* begin = reinterpret_cast<const uint8_t*>(view.bytes.data());
  return {begin, begin + view.bytes.size()};
}

std::vector<float> dequantized(const Nf4View& view) {
  std::vector<float> values(static_cast<size_t>(view.elements()));
  nf4_dequantize(view, 0, values);
  return values;
}

float worst(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  float distance = 0;
  for (size_t i = 0; i < a.size(); ++i)
    distance = std::max(distance, std::fabs(a[i] - b[i]));
  return distance;
}

TEST(Nf4, EqualsTheWorkedExample) {
  std::vector<float> values(128);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 64.0F;
  const Nf4Tensor tensor = nf4_quantize(values, {2, 64});
  EXPECT_EQ(tensor.absmax, (std::vector<float>{0.78125F, 0.78125F}));
  EXPECT_EQ(std::vector<uint8_t>(tensor.packed.begin(), tensor.packed.begin() + 4),
            (std::vector<uint8_t>{0x04, 0xc1, 0x6e, 0x29}));
  EXPECT_EQ(crc32(0, tensor.packed.data(), 64), 0xe4850f0bU);
}

class Nf4Golden : public testing::Test {
 protected:
  const SafetensorsFile file_{golden_path("smollm2/nf4.safetensors")};
};

TEST_F(Nf4Golden, CodeBooksEqualTheStoredOnes) {
  const auto nf4 = floats(file_.at("nf4_code"));
  EXPECT_TRUE(std::equal(nf4.begin(), nf4.end(), nf4_code().begin(), nf4_code().end()));
  const auto dynamic = floats(file_.at("nested_code"));
  for (size_t i = 0; i < 256; ++i)
    ASSERT_EQ(dynamic[i], nf4_dynamic_map()[i]) << i;
}

TEST_F(Nf4Golden, QuantisesExactly) {
  for (const std::string name : {"m64x128", "m96x192"}) {
    const TensorView& matrix = file_.at(name);
    const Nf4Tensor tensor = nf4_quantize(floats(matrix), matrix.shape);
    EXPECT_EQ(tensor.packed, bytes_of(file_.at(name + ".single.packed")));
    EXPECT_EQ(tensor.absmax, floats(file_.at(name + ".single.absmax")));
    EXPECT_EQ(dequantized(tensor.view()), floats(file_.at(name + ".single.dequant")));
  }
}

TEST_F(Nf4Golden, QuantisesTheScalesToo) {
  const Json notes = parse_json(read_file(golden_path("smollm2/nf4.json")), "nf4.json");
  for (const std::string name : {"m64x128", "m96x192"}) {
    const TensorView& matrix = file_.at(name);
    const Nf4Tensor tensor = nf4_double_quantize(nf4_quantize(floats(matrix), matrix.shape));
    EXPECT_EQ(tensor.packed, bytes_of(file_.at(name + ".dq.packed")));
    EXPECT_EQ(tensor.absmax_codes, bytes_of(file_.at(name + ".dq.absmax")));
    EXPECT_LE(worst(tensor.nested_absmax, floats(file_.at(name + ".dq.nested_absmax"))), 2e-7F);
    EXPECT_NEAR(tensor.nested_offset, notes["tensors"][name + ".dq"]["offset"].get<double>(), 1e-7);
    EXPECT_LE(worst(dequantized(tensor.view()), floats(file_.at(name + ".dq.dequant"))), 2e-7F);
  }
}

// A layer of the real model, as its peers quantise it: rows in Hugging Face order, so the file's are put back.
TEST(Nf4, ARealLayerEqualsItsGoldenChecksums) {
  const GgufFile file(smollm2_gguf());
  const GgufTensor& stored = file.at("blk.0.attn_k.weight");
  constexpr int64_t kHead = 64, kColumns = 576;
  std::vector<float> values(static_cast<size_t>(stored.elements()));
  for (int64_t row = 0; row < stored.rows(); ++row) {
    const int64_t in_head = row % kHead, source = row - in_head + 2 * (in_head % (kHead / 2)) + in_head / (kHead / 2);
    dequantize_rows(stored, source, 1, std::span(values).subspan(static_cast<size_t>(row * kColumns), kColumns));
  }
  const auto crc = [](const void* data, size_t size) {
    return crc32(0, static_cast<const Bytef*>(data), static_cast<uInt>(size));
  };
  const Json golden = parse_json(read_file(golden_path("smollm2/nf4.json")),
                                 "nf4.json")["tensors"]["model"]["layers.0.self_attn.k_proj dq=False"];
  const Nf4Tensor tensor = nf4_quantize(values, stored.shape);
  EXPECT_EQ(crc(tensor.packed.data(), tensor.packed.size()), golden["packed_crc32"].get<uint32_t>());
  const auto back = dequantized(tensor.view());
  EXPECT_EQ(crc(back.data(), back.size() * 4), golden["dequant_crc32"].get<uint32_t>());
}

TEST(Nf4, AnyRangeIsDequantisedAlike) {
  std::vector<float> values(3 * 67);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(static_cast<float>(i));
  const Nf4Tensor tensor = nf4_double_quantize(nf4_quantize(values, {3, 67}, 32));
  EXPECT_EQ(tensor.packed.size(), 101U) << "an odd count is padded";
  EXPECT_EQ(tensor.absmax_codes.size(), 7U) << "the last block is short";
  const auto whole = dequantized(tensor.view());
  for (int64_t first = 0; first < 201; first += 13) {
    std::vector<float> part(static_cast<size_t>(std::min<int64_t>(40, 201 - first)));
    nf4_dequantize(tensor.view(), first, part);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + first)) << first;
  }
  std::vector<float> beyond(2);
  EXPECT_THROW(nf4_dequantize(tensor.view(), 200, beyond), InternalError);
}

TEST(Nf4, DoubleQuantisationIsUndone) {
  std::vector<float> values(64 * 300);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(static_cast<float>(i) * 0.37F) * (1 + static_cast<float>(i % 640) / 100);
  const Nf4Tensor twice = nf4_double_quantize(nf4_quantize(values, {300, 64}));
  EXPECT_EQ(twice.nested_absmax.size(), 2U);
  const Nf4Tensor once = nf4_single_quantize(twice);
  EXPECT_EQ(once.absmax.size(), 300U);
  EXPECT_FALSE(once.double_quant);
  EXPECT_EQ(dequantized(once.view()), dequantized(twice.view()));
}

TEST(Nf4, ValuesReturnInTheTypeTheyHad) {
  const std::vector<float> values{1.0F, 0.33F, -0.7F, 0.1F};
  const auto exact = dequantized(nf4_quantize(values, {2, 2}).view());
  const auto bfloat = dequantized(nf4_quantize(values, {2, 2}, 64, "bfloat16").view());
  EXPECT_NE(exact, bfloat);
  for (size_t i = 0; i < 4; ++i)
    EXPECT_EQ(bfloat[i], bfloat16_to_float(float_to_bfloat16(exact[i])));
}

TEST(Nf4, ZerosAndOneValueSurvive) {
  const Nf4Tensor zeros = nf4_double_quantize(nf4_quantize(std::vector<float>(128), {128}));
  EXPECT_EQ(zeros.packed, std::vector<uint8_t>(64, 0x77));
  EXPECT_EQ(dequantized(zeros.view()), std::vector<float>(128));
  const std::vector<float> quarter(64, -0.25F);
  EXPECT_EQ(dequantized(nf4_quantize(quarter, {64}).view()), quarter);
}

TEST(Nf4, RefusesWhatHasNoCode) {
  EXPECT_THROW(nf4_quantize(std::vector<float>(96), {96}, 48), UsageError);
  EXPECT_THROW(nf4_quantize(std::vector<float>(64), {64}, 16), UsageError);
  EXPECT_THROW(nf4_quantize(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}, {2}), DataError);
  EXPECT_THROW(nf4_quantize(std::vector<float>{1, std::numeric_limits<float>::infinity()}, {2}), DataError);
}

class Nf4Folder : public testing::TestWithParam<const char*> {};

TEST_P(Nf4Folder, OfBitsandbytesIsReadAndComesFromItsModel) {
  const SafetensorsSet set(golden_path("tiny/llama31") / GetParam());
  const SafetensorsSet original(golden_path("tiny/llama31/model.safetensors"));
  int quantised = 0;
  for (const TensorView* view : set.tensors()) {
    const auto found = find_nf4(set, view->name);
    EXPECT_EQ(found.has_value(), view->name.ends_with("_proj.weight")) << view->name;
    if (!found) continue;
    ++quantised;
    const TensorView& source = original.at(view->name);
    EXPECT_EQ(found->shape, source.shape);
    EXPECT_EQ(found->double_quant(), std::string(GetParam()) == "nf4_dq");
    Nf4Tensor ours = nf4_quantize(floats(source), source.shape, found->block_size, found->dtype);
    if (found->double_quant()) ours = nf4_double_quantize(std::move(ours));
    EXPECT_EQ(ours.packed, bytes_of(*view)) << view->name;
    EXPECT_LE(worst(dequantized(ours.view()), dequantized(*found)), 2e-7F) << view->name;
  }
  EXPECT_EQ(quantised, 14);
}

TEST_P(Nf4Folder, IsWrittenUnderTheSameKeys) {
  const SafetensorsSet set(golden_path("tiny/llama31") / GetParam());
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  const SafetensorsSet original(golden_path("tiny/llama31/model.safetensors"));
  const bool nested = std::string(GetParam()) == "nf4_dq";
  Nf4Tensor ours = nf4_quantize(floats(original.at(name)), original.at(name).shape);
  if (nested) ours = nf4_double_quantize(std::move(ours));
  const auto plans = nf4_plans(name, ours.shape, 64, nested, "float32");
  const auto tensors = nf4_tensors(name, ours);
  ASSERT_EQ(tensors.size(), plans.size());
  EXPECT_EQ(tensors.size(), nested ? 6U : 4U);
  for (size_t i = 0; i < plans.size(); ++i) {
    const TensorPlan& plan = tensors[i].plan;
    EXPECT_EQ(plan.name, plans[i].name);
    EXPECT_EQ(plan.dtype, plans[i].dtype);
    EXPECT_EQ(plan.shape, plans[i].shape) << plan.name;
    EXPECT_EQ(is_nf4_companion(plan.name), i > 0);
    const TensorView& theirs = set.at(plan.name);
    EXPECT_EQ(plan.dtype, theirs.dtype);
    if (plan.name.ends_with("nf4")) {
      const auto text = [](std::span<const std::byte> bytes) {
        return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      };
      const std::string state = text(tensors[i].bytes), expected = text(theirs.bytes);
      if (nested) {  // the mean may differ in its last bit
        EXPECT_EQ(state.substr(0, state.find("nested_offset")), expected.substr(0, expected.find("nested_offset")));
      } else {
        EXPECT_EQ(state, expected);
      }
    } else {
      EXPECT_EQ(plan.shape, theirs.shape) << plan.name;
    }
  }
}

TEST_P(Nf4Folder, ConfigEqualsTheirs) {
  const Json config = parse_json(read_file(golden_path("tiny/llama31") / GetParam() / "config.json"), "config.json");
  EXPECT_EQ(nf4_quantization_config(std::string(GetParam()) == "nf4_dq", "float32"), config["quantization_config"]);
}

INSTANTIATE_TEST_SUITE_P(Golden, Nf4Folder, testing::Values("nf4", "nf4_dq"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace afina::formats
