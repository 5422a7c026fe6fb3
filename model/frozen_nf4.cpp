// SPDX-License-Identifier: Apache-2.0
#include "model/frozen_nf4.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "formats/dtype.h"
#include "model/packed_linear.h"

namespace afina::model {
namespace {

using kernels::kPanel;
using kernels::Scratch;

constexpr int64_t kFusedBlock = 64;

enum class Rounding { none, half, bfloat16 };

float to_bfloat16(float value) {
  return formats::bfloat16_to_float(formats::float_to_bfloat16(value));
}

/// One quantised matrix with plain scales.
struct Part {
  int64_t rows = 0, block = 64;
  std::vector<uint8_t> packed;
  std::vector<float> scales;
  Rounding rounding = Rounding::none;

  explicit Part(formats::Nf4Tensor tensor) : rows(tensor.shape[0]), block(tensor.block_size) {
    if (tensor.double_quant) tensor = formats::nf4_single_quantize(std::move(tensor));
    packed = std::move(tensor.packed);
    scales = std::move(tensor.absmax);
    rounding = tensor.dtype == "float16"    ? Rounding::half
               : tensor.dtype == "bfloat16" ? Rounding::bfloat16
                                            : Rounding::none;
  }

  /// Codes alone, without scales, as bfloat16 values.
  void decode_codes(int64_t first, int64_t n, float* out) const {
    for (int64_t e = first; e < first + n; ++e) {
      const unsigned byte = packed[static_cast<size_t>(e / 2)];
      *out++ = to_bfloat16(formats::nf4_code()[e % 2 == 0 ? byte >> 4U : byte & 15U]);
    }
  }

  float rounded(float value) const {
    if (rounding == Rounding::half) return formats::half_to_float(formats::float_to_half(value));
    if (rounding == Rounding::bfloat16) return to_bfloat16(value);
    return value;
  }

  /// Elements [first, first + n) of the flattened matrix.
  void decode(int64_t first, int64_t n, float* out) const {
    const auto& code = formats::nf4_code();
    const int64_t last = first + n;
    for (int64_t e = first; e < last;) {
      const int64_t end = std::min(last, (e / block + 1) * block);
      const float scale = scales[static_cast<size_t>(e / block)];
      float values[16];
      for (size_t k = 0; k < 16; ++k)
        values[k] = rounded(code[k] * scale);
      if (e % 2 != 0) *out++ = values[packed[static_cast<size_t>(e++ / 2)] & 15U];
      for (; e + 1 < end; e += 2, out += 2) {
        const unsigned byte = packed[static_cast<size_t>(e / 2)];
        out[0] = values[byte >> 4U];
        out[1] = values[byte & 15U];
      }
      if (e < end) *out++ = values[packed[static_cast<size_t>(e++ / 2)] >> 4U];
    }
  }
};

class FrozenNf4 final : public FrozenLinear {
 public:
  FrozenNf4(std::vector<formats::Nf4Tensor> tensors, Nf4Arithmetic arithmetic) : in_(tensors.at(0).shape.at(1)) {
    bool whole_blocks = true;
    for (auto& tensor : tensors) {
      AFINA_CHECK(tensor.shape.size() == 2 && tensor.shape[1] == in_, "[model.nf4] parts must have one width");
      out_ += tensor.shape[0];
      parts_.emplace_back(std::move(tensor));
      whole_blocks = whole_blocks && in_ % kFusedBlock == 0 && parts_.back().block == kFusedBlock;
    }
    fused_ = arithmetic == Nf4Arithmetic::bitsandbytes_cpu && whole_blocks;
    bf16_ = arithmetic == Nf4Arithmetic::bfloat16;
  }

  int64_t in_features() const override { return in_; }
  int64_t out_features() const override { return out_; }

  void forward(const at::Tensor& x_NI, at::Tensor& y_NO, float beta) const override {
    check_shape(x_NI, {-1, in_}, "x_NI");
    check_shape(y_NO, {x_NI.size(0), out_}, "y_NO");
    if (fused_) return forward_fused(x_NI, y_NO, beta);
    product(x_NI, y_NO, beta,
            [this](int64_t panel, int64_t k0, int64_t count, auto* to) { forward_panel(panel, k0, count, to); });
  }

  void backward_input(const at::Tensor& dy_NO, at::Tensor& dx_NI, float beta) const override {
    check_shape(dy_NO, {-1, out_}, "dy_NO");
    check_shape(dx_NI, {dy_NO.size(0), in_}, "dx_NI");
    product(dy_NO, dx_NI, beta,
            [this](int64_t panel, int64_t k0, int64_t count, auto* to) { backward_panel(panel, k0, count, to); });
  }

  void prepare_backward() const override {}

  void gather_rows(std::span<const int> rows, at::Tensor& out_RI) const override {
    check_shape(out_RI, {static_cast<int64_t>(rows.size()), in_}, "out_RI");
    for (const int row : rows)
      AFINA_CHECK(row >= 0 && row < out_, "[model] rows must be 0..", out_ - 1, ", but one is ", row);
    parallel(
        static_cast<int64_t>(rows.size()),
        [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r)
            decode_row(rows[static_cast<size_t>(r)], 0, in_, out_RI.data_ptr<float>() + r * out_RI.stride(0));
        },
        8);
  }

  int64_t bytes() const override {
    int64_t total = 0;
    for (const Part& part : parts_)
      total += static_cast<int64_t>(part.packed.size() + part.scales.size() * sizeof(float));
    return total;
  }

 private:
  /// The part that holds a row, which becomes its row in there.
  const Part& part_of(int64_t& row) const {
    size_t p = 0;
    for (; row >= parts_[p].rows; ++p)
      row -= parts_[p].rows;
    return parts_[p];
  }
  void decode_row(int64_t row, int64_t column, int64_t n, float* out) const {
    const Part& part = part_of(row);
    part.decode(row * in_ + column, n, out);
  }

  /// bitsandbytes' order of additions: within a block pairs with the odd element first (VDPBF16PS), then the block's
  /// sum times its scale. x and the codes are laid out with their pairs swapped, so that our chain of additions in the
  /// order of k is that one.
  void forward_fused(const at::Tensor& x_NI, at::Tensor& y_NO, float beta) const {
    const int64_t n = x_NI.size(0);
    Scratch scratch;
    float* x = scratch.get(n * in_);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t k = 0; k < in_; ++k)
        x[i * in_ + (k ^ 1)] = to_bfloat16(x_NI.const_data_ptr<float>()[i * x_NI.stride(0) + k]);
    parallel(kernels::panels(out_), [&](int64_t begin, int64_t end) {
      for (int64_t panel = begin; panel < end; ++panel)
        fused_panel(x, n, panel, y_NO, beta);
    });
  }

  void fused_panel(const float* x, int64_t n, int64_t panel, at::Tensor& y_NO, float beta) const {
    thread_local Scratch scratch;
    const int64_t first = panel * kPanel, columns = std::min<int64_t>(kPanel, out_ - first);
    float* codes = scratch.get(kPanel * in_ * 2 + 2 * n * kPanel);
    float *packed = codes + kPanel * in_, *sums = packed + kPanel * in_, *totals = sums + n * kPanel;
    for (int64_t o = 0; o < columns; ++o) {
      int64_t row = first + o;
      const Part& part = part_of(row);
      part.decode_codes(row * in_, in_, codes + o * in_);
      for (int64_t k = 0; k + 1 < in_; k += 2)
        std::swap(codes[o * in_ + k], codes[o * in_ + k + 1]);
    }
    std::fill_n(totals, n * kPanel, 0.0F);
    for (int64_t at = 0; at < in_; at += kFusedBlock) {
      kernels::pack_b(codes + at, 1, in_, kFusedBlock, columns, packed, 0, 1);
      kernels::gemm(
          {.m = n, .n = columns, .k = kFusedBlock, .a = x + at, .a_row = in_, .b = packed, .c = sums, .ldc = kPanel});
      for (int64_t o = 0; o < columns; ++o) {
        int64_t row = first + o;
        const Part& part = part_of(row);
        const float scale = to_bfloat16(part.scales[static_cast<size_t>((row * in_ + at) / part.block)]);
        for (int64_t i = 0; i < n; ++i)
          totals[i * kPanel + o] = std::fma(sums[i * kPanel + o], scale, totals[i * kPanel + o]);
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      float* y = y_NO.data_ptr<float>() + i * y_NO.stride(0) + first;
      for (int64_t o = 0; o < columns; ++o)
        y[o] = to_bfloat16(totals[i * kPanel + o]) + (beta != 0.0F ? y[o] : 0.0F);
    }
  }

  static void pack(const float* source, int64_t row, int64_t column, int64_t k, int64_t n, float* to) {
    kernels::pack_b(source, row, column, k, n, to, 0, 1);
  }
  static void pack(const float* source, int64_t row, int64_t column, int64_t k, int64_t n, uint16_t* to) {
    kernels::pack_b_bf16(source, row, column, k, n, to, 0, 1);
  }

  /// Outputs [panel*32, …) of inputs [k0, k0 + count).
  template <typename Element>
  void forward_panel(int64_t panel, int64_t k0, int64_t count, Element* to) const {
    thread_local Scratch scratch;
    const int64_t first = panel * kPanel, columns = std::min<int64_t>(kPanel, out_ - first);
    float* rows = scratch.get(kPanel * count);
    for (int64_t o = 0; o < columns; ++o)
      decode_row(first + o, k0, count, rows + o * count);
    pack(rows, 1, count, count, columns, to);
  }

  /// Inputs [panel*32, …) of outputs [k0, k0 + count).
  template <typename Element>
  void backward_panel(int64_t panel, int64_t k0, int64_t count, Element* to) const {
    thread_local Scratch scratch;
    const int64_t first = panel * kPanel, columns = std::min<int64_t>(kPanel, in_ - first);
    float* rows = scratch.get(kPanel * count);
    for (int64_t o = 0; o < count; ++o)
      decode_row(k0 + o, first, columns, rows + o * kPanel);
    pack(rows, kPanel, 1, count, columns, to);
  }

  /// c = a B (+ c), B made panel by panel.
  template <typename Fill>
  void product(const at::Tensor& a, at::Tensor& c, float beta, Fill fill) const {
    if (bf16_) return product_of_made<Bf16Panels>(a, c, beta, fill);
    product_of_made<Fp32Panels>(a, c, beta, fill);
  }

  int64_t in_, out_ = 0;
  bool fused_ = false, bf16_ = false;
  std::vector<Part> parts_;
};

template <typename T>
std::vector<T> copied(std::span<const std::byte> bytes) {
  std::vector<T> out(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
  return out;
}

}  // namespace

formats::Nf4Tensor own(const formats::Nf4View& view) {
  formats::Nf4Tensor out;
  out.packed = copied<uint8_t>(view.packed);
  out.shape = view.shape;
  out.block_size = view.block_size;
  out.dtype = view.dtype;
  // The scales are widened here, with the file's own 8-bit table.
  const int64_t blocks = (view.elements() + view.block_size - 1) / view.block_size;
  out.absmax.resize(static_cast<size_t>(blocks));
  for (int64_t b = 0; b < blocks; ++b)
    out.absmax[static_cast<size_t>(b)] = view.scale(b);
  return out;
}

std::unique_ptr<FrozenLinear> make_frozen_nf4(std::vector<formats::Nf4Tensor> parts, Nf4Arithmetic arithmetic) {
  return std::make_unique<FrozenNf4>(std::move(parts), arithmetic);
}

}  // namespace afina::model
