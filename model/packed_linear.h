// SPDX-License-Identifier: Apache-2.0
// What fp32 and bf16 storage share: the weight as panels of 32 outputs (forward, look-ups, decoding); for backward
// either panels of 32 inputs as a second copy, or squares of 32 x 32 transposed while they are used. For
// frozen_linear.cpp and frozen_bf16.cpp only.
#pragma once
#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/error.h"
#include "model/frozen_linear.h"
#include "model/kernels/cpu/gemm.h"
#include "model/kernels/cpu/scratch.h"
#include "model/parallel.h"
#include "model/shapes.h"
#include "model/threads.h"

namespace afina::model {

struct Fp32Panels {
  using Element = float;
  static int64_t elements(int64_t k, int64_t n) { return kernels::packed_floats(k, n); }
  static constexpr auto pack = kernels::pack_b;
  static constexpr auto unpack = kernels::unpack_column;
  static constexpr auto units = kernels::gemm_units;
  static void transpose(const float* packed, int64_t k, int64_t n, int64_t panel, int64_t k0, int64_t count,
                        float* to) {
    kernels::transpose_panel(packed, k, n, panel, k0, count, to);
  }
  static void product(const kernels::Gemm& g, int64_t begin, int64_t end) { kernels::gemm(g, begin, end); }
  static void made(const kernels::Gemm& g, const kernels::MakePanel<float>& make, int64_t first, int64_t last) {
    kernels::gemm_made(g, make, first, last);
  }
};

struct Bf16Panels {
  using Element = uint16_t;
  static int64_t elements(int64_t k, int64_t n) { return kernels::packed_bf16(k, n); }
  static constexpr auto pack = kernels::pack_b_bf16;
  static constexpr auto unpack = kernels::unpack_column_bf16;
  static constexpr auto units = kernels::gemm_units_bf16;
  static void transpose(const uint16_t* packed, int64_t k, int64_t n, int64_t panel, int64_t k0, int64_t count,
                        uint16_t* to) {
    kernels::transpose_panel_bf16(packed, k, n, panel, k0, count, to);
  }
  static void product(const kernels::GemmBf16& g, int64_t begin, int64_t end) { kernels::gemm_bf16(g, begin, end); }
  static void made(const kernels::GemmBf16& g, const kernels::MakePanel<uint16_t>& make, int64_t first, int64_t last) {
    kernels::gemm_made_bf16(g, make, first, last);
  }
};

/// c_MN = a_MK B (+ c_MN) over B [k, n] made by blocks. Where there are fewer panels than threads the rows are split
/// too, and each part makes its own.
template <typename Panels>
void product_of_made(const at::Tensor& a_MK, at::Tensor& c_MN, float beta,
                     const kernels::MakePanel<typename Panels::Element>& make) {
  constexpr int64_t kLeastRows = 256;
  const int64_t m = a_MK.size(0), n = c_MN.size(1), panels = kernels::panels(n);
  if (m == 0 || n == 0) return;
  const int64_t wanted = (2 * threads() + panels - 1) / panels;
  const int64_t parts = std::clamp<int64_t>(m / kLeastRows, 1, wanted);
  parallel(
      parts * panels,
      [&](int64_t begin, int64_t end) {
        while (begin < end) {
          const int64_t part = begin / panels, first = begin % panels, last = std::min(panels, first + end - begin);
          const int64_t row = m * part / parts;
          Panels::made({.m = m * (part + 1) / parts - row,
                        .n = n,
                        .k = a_MK.size(1),
                        .a = a_MK.const_data_ptr<float>() + row * a_MK.stride(0),
                        .a_row = a_MK.stride(0),
                        .c = c_MN.data_ptr<float>() + row * c_MN.stride(0),
                        .ldc = c_MN.stride(0),
                        .accumulate = beta != 0.0F},
                       make, first, last);
          begin += last - first;
        }
      },
      worth_a_thread(m / parts * a_MK.size(1) * kernels::kPanel));
}

template <typename Panels>
class PackedLinear final : public FrozenLinear {
 public:
  PackedLinear(int64_t out, int64_t in, const RowReader& read, Transposed transposed)
      : out_(out), in_(in), transposed_(transposed) {
    constexpr int64_t kPieceFloats = 4 << 20, kPanel = kernels::kPanel;
    Element* packed = allocate(forward_, in_, out_);
    const int64_t piece = std::max<int64_t>(1, kPieceFloats / (in_ * kPanel)) * kPanel;
    at::Tensor rows_RI = at::empty({std::min(piece, out_), in_}, at::kFloat);
    for (int64_t first = 0; first < out_; first += piece) {
      at::Tensor part_RI = rows_RI.narrow(0, 0, std::min(piece, out_ - first));
      read(first, part_RI);
      const float* w = part_RI.const_data_ptr<float>();
      Element* to = packed + first / kPanel * Panels::elements(in_, kPanel);
      parallel(kernels::panels(part_RI.size(0)),
               [&](int64_t begin, int64_t end) { Panels::pack(w, 1, in_, in_, part_RI.size(0), to, begin, end); });
    }
    forward_data_ = packed;
  }

  int64_t in_features() const override { return in_; }
  int64_t out_features() const override { return out_; }

  void forward(const at::Tensor& x_NI, at::Tensor& y_NO, float beta) const override {
    check_shape(x_NI, {-1, in_}, "x_NI");
    check_shape(y_NO, {x_NI.size(0), out_}, "y_NO");
    product(x_NI, forward_data_, y_NO, beta);
  }

  void backward_input(const at::Tensor& dy_NO, at::Tensor& dx_NI, float beta) const override {
    check_shape(dy_NO, {-1, out_}, "dy_NO");
    check_shape(dx_NI, {dy_NO.size(0), in_}, "dx_NI");
    if (const Element* packed = backward_data_.load(std::memory_order_acquire); packed != nullptr)
      return product(dy_NO, packed, dx_NI, beta);
    AFINA_CHECK(transposed_ == Transposed::on_the_fly, "[model] prepare_backward must come before backward_input");
    product_of_made<Panels>(dy_NO, dx_NI, beta, [this](int64_t panel, int64_t k0, int64_t count, Element* to) {
      Panels::transpose(forward_data_, in_, out_, panel, k0, count, to);
    });
  }

  void prepare_backward() const override {
    const std::lock_guard lock(mutex_);
    if (transposed_ == Transposed::on_the_fly || backward_data_.load() != nullptr) return;
    Element* packed = allocate(backward_, out_, in_);
    const int64_t size = Panels::elements(out_, kernels::kPanel);
    parallel(kernels::panels(in_), [&](int64_t begin, int64_t end) {
      for (int64_t panel = begin; panel < end; ++panel)
        Panels::transpose(forward_data_, in_, out_, panel, 0, out_, packed + panel * size);
    });
    backward_data_.store(packed, std::memory_order_release);
  }

  void gather_rows(std::span<const int> rows, at::Tensor& out_RI) const override {
    check_shape(out_RI, {static_cast<int64_t>(rows.size()), in_}, "out_RI");
    for (const int row : rows)
      AFINA_CHECK(row >= 0 && row < out_, "[model] rows must be 0..", out_ - 1, ", but one is ", row);
    parallel(
        static_cast<int64_t>(rows.size()),
        [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r)
            Panels::unpack(forward_data_, in_, rows[static_cast<size_t>(r)],
                           out_RI.data_ptr<float>() + r * out_RI.stride(0));
        },
        8);
  }

  int64_t bytes() const override {
    const int64_t backward = backward_data_.load() != nullptr ? Panels::elements(out_, in_) : 0;
    return static_cast<int64_t>(sizeof(Element)) * (Panels::elements(in_, out_) + backward);
  }

 private:
  using Element = typename Panels::Element;

  static Element* allocate(kernels::Scratch& memory, int64_t k, int64_t n) {
    const int64_t bytes = Panels::elements(k, n) * static_cast<int64_t>(sizeof(Element));
    return reinterpret_cast<Element*>(memory.get((bytes + 3) / 4, true));
  }

  static void product(const at::Tensor& a, const Element* packed, at::Tensor& c, float beta) {
    const kernels::GemmOf<Element> g{.m = a.size(0),
                                     .n = c.size(1),
                                     .k = a.size(1),
                                     .a = a.const_data_ptr<float>(),
                                     .a_row = a.stride(0),
                                     .b = packed,
                                     .c = c.data_ptr<float>(),
                                     .ldc = c.stride(0),
                                     .accumulate = beta != 0.0F};
    const int64_t units = Panels::units(g);
    if (units == 0) return;
    parallel(
        units, [&g](int64_t begin, int64_t end) { Panels::product(g, begin, end); },
        worth_a_thread(g.m * g.n / units * g.k));
  }

  int64_t out_, in_;
  Transposed transposed_;
  kernels::Scratch forward_;
  const Element* forward_data_ = nullptr;
  mutable std::mutex mutex_;
  mutable kernels::Scratch backward_;
  mutable std::atomic<const Element*> backward_data_ = nullptr;
};

}  // namespace afina::model
