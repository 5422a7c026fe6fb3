// SPDX-License-Identifier: Apache-2.0
// Dequantised weights equal formats::nf4_dequantize, whose values equal bitsandbytes', bit for bit.
#include <gtest/gtest.h>

#include "formats/nf4.h"
#include "tests/cuda/device_array.h"

namespace afina::model::cuda {
namespace {

struct Case {
  int64_t rows, columns, block;
  bool double_quant;
  const char* dtype;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.rows << "x" << c.columns << " block " << c.block << (c.double_quant ? " double " : " ") << c.dtype;
}

class Nf4Kernel : public ::testing::TestWithParam<Case> {
 protected:
  formats::Nf4Tensor quantised() const {
    const Case& c = GetParam();
    auto tensor = formats::nf4_quantize(noise(c.rows * c.columns, 3, 0.02F), {c.rows, c.columns}, c.block, c.dtype);
    return c.double_quant ? formats::nf4_double_quantize(std::move(tensor)) : tensor;
  }

  template <typename T>
  std::vector<float> on_device(const formats::Nf4Tensor& t) const {
    std::vector<uint8_t> padded = t.packed;
    padded.resize((padded.size() + 3) / 4 * 4, 0xFF);
    DeviceArray<uint8_t> packed(padded), codes(t.absmax_codes);
    const auto& code_values = formats::nf4_code();
    const auto& map_values = formats::nf4_dynamic_map();
    DeviceArray<float> code(code_values), map(map_values), absmax(t.absmax), nested(t.nested_absmax);
    Nf4Part part;
    part.packed = packed.data();
    part.elements = t.shape[0] * t.shape[1];
    part.block = t.block_size;
    part.code = code.data();
    part.round = t.dtype == "float16" ? Nf4Round::half : t.dtype == "bfloat16" ? Nf4Round::bfloat16 : Nf4Round::none;
    if (t.double_quant) {
      part.absmax_codes = codes.data();
      part.nested_code = map.data();
      part.nested_absmax = nested.data();
      part.nested_block = t.nested_block_size;
      part.nested_offset = t.nested_offset;
    } else {
      part.absmax = absmax.data();
    }
    DeviceArray<T> out(static_cast<size_t>(part.elements));
    nf4_dequantize(part, out.data(), nullptr);
    return out.values();
  }
};

TEST_P(Nf4Kernel, EqualsTheFormatBitForBit) {
  const auto tensor = quantised();
  std::vector<float> want(static_cast<size_t>(tensor.shape[0] * tensor.shape[1]));
  formats::nf4_dequantize(tensor.view(), 0, want);
  EXPECT_EQ(in_every_order([&] { return on_device<float>(tensor); }), want);
  EXPECT_EQ(in_every_order([&] { return on_device<Bf16>(tensor); }), rounded<Bf16>(want));
}

// 3x5 elements end inside a byte, a word and a block; 40x576 needs several scales of scales and several thread blocks.
INSTANTIATE_TEST_SUITE_P(Shapes, Nf4Kernel,
                         ::testing::Values(Case{40, 576, 64, true, "bfloat16"}, Case{40, 576, 64, false, "float32"},
                                           Case{3, 5, 64, false, "float32"}, Case{3, 5, 64, true, "float16"},
                                           Case{7, 333, 128, true, "float32"}, Case{5, 1023, 32, true, "bfloat16"},
                                           Case{1, 1, 4096, false, "float16"}));

}  // namespace
}  // namespace afina::model::cuda
