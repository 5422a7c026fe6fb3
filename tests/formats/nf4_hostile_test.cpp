// SPDX-License-Identifier: Apache-2.0
// NF4 weights whose companions do not fit: each a ModelError that names the tensor.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "base/error.h"
#include "formats/nf4.h"
#include "formats/safetensors_set.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::formats {
namespace {

constexpr const char* kName = "m.weight";

using Tensors = std::map<std::string, NamedBytes>;

Tensors honest() {
  std::vector<float> values(64 * 300);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i % 37) - 11.0F;
  Tensors tensors;
  for (NamedBytes& tensor : nf4_tensors(kName, nf4_double_quantize(nf4_quantize(values, {300, 64}))))
    tensors[tensor.plan.name] = std::move(tensor);
  return tensors;
}

std::string key(const std::string& suffix) {
  return kName + suffix;
}

class Nf4Hostile : public testing::Test {
 protected:
  std::string error_of(const Tensors& tensors) {
    std::vector<TensorView> views;
    for (const auto& [name, tensor] : tensors)
      views.push_back({name, tensor.plan.dtype, tensor.plan.shape, tensor.bytes});
    const auto path = folder_.path() / "model.safetensors";
    std::ofstream(path, std::ios::binary) << safetensors_bytes(views);
    const SafetensorsSet set(path);
    try {
      const auto view = find_nf4(set, kName);
      if (!view) return "not quantised";
      std::vector<float> values(static_cast<size_t>(std::min<int64_t>(view->elements(), 1 << 20)));
      nf4_dequantize(*view, 0, values);
    } catch (const ModelError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(kName));
      return error.what();
    }
    return "accepted";
  }

 private:
  TempFolder folder_;
};

void set_state(Tensors& tensors, const std::string& text) {
  NamedBytes& state = tensors.at(key(".quant_state.bitsandbytes__nf4"));
  state.bytes.resize(text.size());
  std::memcpy(state.bytes.data(), text.data(), text.size());
  state.plan.shape = {static_cast<int64_t>(text.size())};
}

// Of an honest state, with one member exchanged.
std::function<void(Tensors&)> with(const char* member, const Json& value) {
  return [member, value](Tensors& tensors) {
    const NamedBytes& state = tensors.at(key(".quant_state.bitsandbytes__nf4"));
    Json json = Json::parse(std::string(reinterpret_cast<const char*>(state.bytes.data()), state.bytes.size()));
    json[member] = value;
    set_state(tensors, dump_json(json));
  };
}

std::function<void(Tensors&)> resized(const std::string& suffix, int64_t elements) {
  return [suffix, elements](Tensors& tensors) {
    NamedBytes& tensor = tensors.at(key(suffix));
    tensor.plan.shape = {elements};
    tensor.bytes.resize(tensor.plan.bytes());
  };
}

std::function<void(Tensors&)> entry(const std::string& suffix, size_t i, float value) {
  return [suffix, i, value](Tensors& tensors) { std::memcpy(tensors.at(key(suffix)).bytes.data() + 4 * i, &value, 4); };
}

struct Case {
  const char* name;
  std::function<void(Tensors&)> change;
  const char* says;
};

TEST_F(Nf4Hostile, EveryLieIsNamed) {
  const std::vector<Case> cases{
      {"honest", [](Tensors&) {}, "accepted"},
      {"no state", [](Tensors& t) { t.erase(key(".quant_state.bitsandbytes__nf4")); }, "is missing"},
      {"no absmax", [](Tensors& t) { t.erase(key(".absmax")); }, ".absmax\"] must stand"},
      {"no code book", [](Tensors& t) { t.erase(key(".quant_map")); }, ".quant_map\"] must stand"},
      {"no nested absmax", [](Tensors& t) { t.erase(key(".nested_absmax")); }, ".nested_absmax\"] must stand"},
      {"no nested code", [](Tensors& t) { t.erase(key(".nested_quant_map")); }, ".nested_quant_map\"] must stand"},
      {"short weight", resized("", 9599), "hold 9600 bytes"},
      {"long weight", resized("", 9601), "hold 9600 bytes"},
      {"short absmax", resized(".absmax", 299), "with 300 entries"},
      {"absmax of another type", [](Tensors& t) { t.at(key(".absmax")).plan.dtype = DType::i8; }, "be U8"},
      {"short nested absmax", resized(".nested_absmax", 1), "with 2 entries"},
      {"short code book", resized(".quant_map", 15), "with 16 entries"},
      {"long nested code", resized(".nested_quant_map", 257), "with 256 entries"},
      {"another code book", entry(".quant_map", 3, 0.5F), "entry 3 is 0.5"},
      {"NaN in the code book", entry(".quant_map", 0, std::numeric_limits<float>::quiet_NaN()), "entry 0 is"},
      {"nested code beyond 1", entry(".nested_quant_map", 255, 2.0F), "entry 255 is 2"},
      {"nested code descends", entry(".nested_quant_map", 5, 1.0F), "ascend"},
      {"nested code NaN", entry(".nested_quant_map", 5, std::numeric_limits<float>::quiet_NaN()), "ascend"},
      {"state is no JSON", [](Tensors& t) { set_state(t, "{"); }, "JSON"},
      {"state is a list", [](Tensors& t) { set_state(t, "[]"); }, "JSON object"},
      {"state is empty", [](Tensors& t) { set_state(t, ""); }, "JSON"},
      {"state is deep", [](Tensors& t) { set_state(t, std::string(5000, '[')); }, "levels"},
      {"giant state", [](Tensors& t) { set_state(t, std::string(70'000, ' ')); }, "65536"},
      {"state of another type", [](Tensors& t) { t.at(key(".quant_state.bitsandbytes__nf4")).plan.dtype = DType::i8; },
       "be U8"},
      {"fp4", with("quant_type", "fp4"), "quant_type"},
      {"type is a number", with("quant_type", 4), "quant_type"},
      {"block 48", with("blocksize", 48), "blocksize"},
      {"block 16", with("blocksize", 16), "blocksize"},
      {"block 0", with("blocksize", 0), "blocksize"},
      {"negative block", with("blocksize", -64), "blocksize"},
      {"half block", with("blocksize", 64.5), "blocksize"},
      {"giant block", with("blocksize", uint64_t{1} << 63), "blocksize"},
      {"another block", with("blocksize", 128), "with 150 entries"},
      {"int8", with("dtype", "int8"), "float32, float16 or bfloat16"},
      {"no shape", with("shape", nullptr), "shape"},
      {"empty shape", with("shape", Json::array()), "shape"},
      {"negative shape", with("shape", {-300, 64}), "positive numbers"},
      {"zero shape", with("shape", {0, 64}), "positive numbers"},
      {"another shape", with("shape", {300, 65}), "hold 9750 bytes"},
      {"overflowing shape", with("shape", {uint64_t{1} << 40, uint64_t{1} << 40}), "fit memory"},
      {"wrapping shape", with("shape", {4194305, 4194305, 211106198978564}), "fit memory"},
      {"giant shape", with("shape", {uint64_t{1} << 40}), "bytes for"},
      {"nested block 100", with("nested_blocksize", 100), "nested_blocksize"},
      {"nested block 0", with("nested_blocksize", 0), "nested_blocksize"},
      {"nested half", with("nested_dtype", "float16"), "nested_dtype"},
      {"nested offset is text", with("nested_offset", "0.5"), "nested_offset"},
      {"nested offset overflows", with("nested_offset", 1e300), "finite"},
  };
  for (const Case& one : cases) {
    Tensors tensors = honest();
    one.change(tensors);
    EXPECT_THAT(error_of(tensors), testing::HasSubstr(one.says)) << one.name;
  }
}

TEST_F(Nf4Hostile, Fp4IsNamed) {
  Tensors tensors = honest();
  auto node = tensors.extract(key(".quant_state.bitsandbytes__nf4"));
  node.key() = key(".quant_state.bitsandbytes__fp4");
  tensors.insert(std::move(node));
  EXPECT_THAT(error_of(tensors), testing::HasSubstr("but is FP4"));
}

TEST_F(Nf4Hostile, APlainWeightIsNotQuantised) {
  Tensors tensors;
  tensors[kName] = {{kName, DType::f32, {2}}, std::vector<std::byte>(8)};
  EXPECT_EQ(error_of(tensors), "not quantised");
}

TEST_F(Nf4Hostile, FlippedBytesOfTheStateAreRefusedOrHarmless) {
  const Tensors good = honest();
  std::mt19937 random(3);
  const size_t size = good.at(key(".quant_state.bitsandbytes__nf4")).bytes.size();
  for (size_t i = 0; i < size; ++i) {
    Tensors bad = good;
    std::byte& byte = bad.at(key(".quant_state.bitsandbytes__nf4")).bytes[i];
    byte ^= static_cast<std::byte>(1U << (random() % 8));
    error_of(bad);  // a ModelError, or a matrix that dequantises within its bounds
  }
}

}  // namespace
}  // namespace afina::formats
