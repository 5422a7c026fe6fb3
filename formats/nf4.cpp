// SPDX-License-Identifier: Apache-2.0
#include "formats/nf4.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "formats/dtype.h"

namespace afina::formats {
namespace {

constexpr int64_t kNestedBlock = 256;

constexpr std::array<float, 16> kCode{-1.0F,
                                      -0.6961928009986877F,
                                      -0.5250730514526367F,
                                      -0.39491748809814453F,
                                      -0.28444138169288635F,
                                      -0.18477343022823334F,
                                      -0.09105003625154495F,
                                      0.0F,
                                      0.07958029955625534F,
                                      0.16093020141124725F,
                                      0.24611230194568634F,
                                      0.33791524171829224F,
                                      0.44070982933044434F,
                                      0.5626170039176941F,
                                      0.7229568362236023F,
                                      1.0F};

int64_t blocks_of(int64_t elements, int64_t block) {
  return (elements + block - 1) / block;
}

// Entry i of torch.linspace(0.1, 1, steps) in fp32: from the nearer end, with one rounding as its vector code has.
float linspace(int i, int steps) {
  constexpr float kStart = 0.1F, kEnd = 1.0F;
  const float step = (kEnd - kStart) / static_cast<float>(steps - 1);
  if (i < steps / 2) return std::fma(step, static_cast<float>(i), kStart);
  return std::fma(-step, static_cast<float>(steps - 1 - i), kEnd);
}

// Seven decades, each half as fine as the next larger one, mirrored, with 0 and 1.
std::array<float, 256> make_dynamic_map() {
  std::array<float, 256> map{};
  size_t n = 0;
  for (int decade = 0; decade < 7; ++decade) {
    const auto scale = static_cast<float>(std::pow(10.0, decade - 6));
    const int steps = (1 << decade) + 1;
    for (int i = 0; i + 1 < steps; ++i) {
      const float mean = (linspace(i, steps) + linspace(i + 1, steps)) / 2.0F;
      map[n++] = scale * mean;
      map[n++] = -scale * mean;
    }
  }
  map[n++] = 0;
  map[n++] = 1;
  std::sort(map.begin(), map.end());
  return map;
}

// The first of the nearest entries, by the distance rounded to fp32: what argmin(abs(value - code)) gives.
uint8_t nearest(float value) {
  const auto above = std::lower_bound(kCode.begin(), kCode.end(), value);
  size_t best = above == kCode.end() ? kCode.size() - 1 : static_cast<size_t>(above - kCode.begin());
  while (best > 0 && std::fabs(value - kCode[best - 1]) <= std::fabs(value - kCode[best]))
    --best;
  return static_cast<uint8_t>(best);
}

// bitsandbytes does not search for the code of a scale: it cuts [-1, 1] into 65,536 values and holds the code of each.
// Near the middle between two codes that choice differs from the nearest one.
constexpr int kBins = 65'536;

std::vector<uint8_t> make_scale_codes() {
  const std::array<float, 256>& map = nf4_dynamic_map();
  std::vector<uint8_t> codes(kBins);
  size_t code = 0;
  for (int i = 0; i < kBins; ++i) {
    const float value = -1.0F + 2.0F * static_cast<float>(i) / static_cast<float>(kBins - 1);
    while (code < 255 && 0.5F * (map[code] + map[code + 1]) < value)
      ++code;
    codes[static_cast<size_t>(i)] = static_cast<uint8_t>(code);
  }
  return codes;
}

uint8_t scale_code(float value) {
  static const std::vector<uint8_t> codes = make_scale_codes();
  // NOLINTNEXTLINE(bugprone-incorrect-roundings): the very arithmetic of bitsandbytes, half up
  return codes[static_cast<size_t>((value + 1.0F) * 0.5F * static_cast<float>(kBins - 1) + 0.5F)];
}

float inverse(float scale) {
  return scale > 0 ? 1.0F / scale : 0.0F;  // a block of zeros: every code is that of 0
}

float scaled(float value, float inverse_scale) {
  return std::clamp(value * inverse_scale, -1.0F, 1.0F);
}

float largest(std::span<const float> values) {
  float peak = 0;
  for (const float value : values)
    peak = std::max(peak, std::fabs(value));
  return peak;
}

float float_at(std::span<const std::byte> bytes, int64_t i) {
  float value = 0;
  std::memcpy(&value, bytes.data() + 4 * i, 4);
  return value;
}

float rounded_to(const std::string& dtype, float value) {
  if (dtype == "bfloat16") return bfloat16_to_float(float_to_bfloat16(value));
  if (dtype == "float16") return half_to_float(float_to_half(value));
  return value;
}

}  // namespace

const std::array<float, 16>& nf4_code() {
  return kCode;
}

const std::array<float, 256>& nf4_dynamic_map() {
  static const std::array<float, 256> map = make_dynamic_map();
  return map;
}

bool is_nf4_block_size(int64_t block_size) {
  return block_size >= 32 && block_size <= 4096 && std::has_single_bit(static_cast<uint64_t>(block_size));
}

int64_t Nf4View::elements() const {
  int64_t product = 1;
  for (const int64_t dimension : shape)
    product *= dimension;
  return product;
}

float Nf4View::scale(int64_t block) const {
  if (!double_quant()) return float_at(absmax, block);
  const float fine = nested_code[static_cast<uint8_t>(absmax[static_cast<size_t>(block)])];
  return fine * float_at(nested_absmax, block / nested_block_size) + nested_offset;
}

Nf4View Nf4Tensor::view() const {
  Nf4View view;
  view.packed = std::as_bytes(std::span(packed));
  view.absmax = double_quant ? std::as_bytes(std::span(absmax_codes)) : std::as_bytes(std::span(absmax));
  if (double_quant) view.nested_absmax = std::as_bytes(std::span(nested_absmax));
  view.shape = shape;
  view.block_size = block_size;
  view.nested_block_size = nested_block_size;
  view.nested_offset = nested_offset;
  view.dtype = dtype;
  view.code = nf4_code();
  view.nested_code = nf4_dynamic_map();
  return view;
}

Nf4Tensor nf4_quantize(std::span<const float> values, std::vector<int64_t> shape, int64_t block_size,
                       std::string dtype) {
  if (!is_nf4_block_size(block_size)) {
    throw UsageError(
        cat("[formats.nf4] must quantise in blocks of a power of two from 32 to 4096, but got ", block_size, "."));
  }
  if (const auto bad = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
      bad != values.end()) {
    throw DataError(
        cat("[formats.nf4] must quantise finite numbers, but value ", bad - values.begin(), " is ", *bad, "."));
  }
  Nf4Tensor tensor;
  tensor.shape = std::move(shape);
  tensor.block_size = block_size;
  tensor.dtype = std::move(dtype);
  const auto n = static_cast<int64_t>(values.size());
  int64_t product = 1;
  for (const int64_t dimension : tensor.shape)
    product *= dimension;
  AFINA_CHECK(product == n, product, " against ", n);
  tensor.packed.assign(static_cast<size_t>((n + 1) / 2), 0);
  if (n % 2 == 1) tensor.packed.back() = nearest(0);
  tensor.absmax.reserve(static_cast<size_t>(blocks_of(n, block_size)));
  for (int64_t begin = 0; begin < n; begin += block_size) {
    const auto block = values.subspan(static_cast<size_t>(begin), static_cast<size_t>(std::min(block_size, n - begin)));
    tensor.absmax.push_back(largest(block));
    const float factor = inverse(tensor.absmax.back());
    for (size_t i = 0; i < block.size(); ++i) {
      const size_t at = static_cast<size_t>(begin) + i;
      const uint8_t code = nearest(scaled(block[i], factor));
      tensor.packed[at / 2] = static_cast<uint8_t>(tensor.packed[at / 2] | (at % 2 == 0 ? code << 4 : 0));
      if (at % 2 == 1) tensor.packed[at / 2] = static_cast<uint8_t>((tensor.packed[at / 2] & 0xF0) | code);
    }
  }
  return tensor;
}

Nf4Tensor nf4_double_quantize(Nf4Tensor tensor) {
  if (tensor.double_quant) return tensor;
  double sum = 0;
  for (const float scale : tensor.absmax)
    sum += scale;
  tensor.nested_offset =
      tensor.absmax.empty() ? 0 : static_cast<float>(sum / static_cast<double>(tensor.absmax.size()));
  tensor.nested_block_size = kNestedBlock;
  for (float& scale : tensor.absmax)
    scale -= tensor.nested_offset;
  const std::span<const float> centred(tensor.absmax);
  for (size_t begin = 0; begin < centred.size(); begin += kNestedBlock) {
    const auto block = centred.subspan(begin, std::min<size_t>(kNestedBlock, centred.size() - begin));
    tensor.nested_absmax.push_back(largest(block));
    const float factor = inverse(tensor.nested_absmax.back());
    for (const float value : block)
      tensor.absmax_codes.push_back(factor > 0 ? scale_code(scaled(value, factor)) : uint8_t{0});
  }
  tensor.absmax.clear();
  tensor.double_quant = true;
  return tensor;
}

Nf4Tensor nf4_single_quantize(Nf4Tensor tensor) {
  if (!tensor.double_quant) return tensor;
  const Nf4View view = tensor.view();
  for (size_t block = 0; block < tensor.absmax_codes.size(); ++block)
    tensor.absmax.push_back(view.scale(static_cast<int64_t>(block)));
  tensor.double_quant = false;
  tensor.absmax_codes.clear();
  tensor.nested_absmax.clear();
  tensor.nested_offset = 0;
  return tensor;
}

void nf4_dequantize(const Nf4View& view, int64_t first_element, std::span<float> out) {
  const auto count = static_cast<int64_t>(out.size());
  AFINA_CHECK(first_element >= 0 && first_element + count <= view.elements(), first_element, " and ", count);
  int64_t at = first_element;
  const bool exact = view.dtype == "float32";
  while (at < first_element + count) {
    const int64_t block = at / view.block_size;
    const int64_t end = std::min((block + 1) * view.block_size, first_element + count);
    const float scale = view.scale(block);
    std::array<float, 16> table{};
    for (size_t i = 0; i < table.size(); ++i)
      table[i] = exact ? view.code[i] * scale : rounded_to(view.dtype, view.code[i] * scale);
    for (; at < end; ++at) {
      const auto byte = static_cast<uint8_t>(view.packed[static_cast<size_t>(at / 2)]);
      out[static_cast<size_t>(at - first_element)] = table[at % 2 == 0 ? byte >> 4 : byte & 15];
    }
  }
}

}  // namespace afina::formats
