// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "model/cuda/frozen_cuda.h"
#include "model/kernels/cuda/kernels.h"

namespace afina::model::cuda {
namespace {

template <typename T>
at::Tensor upload(const std::vector<T>& values, at::ScalarType type, at::Device device) {
  return at::from_blob(const_cast<T*>(values.data()), {static_cast<int64_t>(values.size())}, type).clone().to(device);
}

/// One quantised matrix on the device.
struct Part {
  int64_t rows;
  at::Tensor packed, absmax, absmax_codes, nested_absmax, code, nested_code;
  Nf4Part view;

  Part(formats::Nf4Tensor t, at::Device device) : rows(t.shape.at(0)) {
    t.packed.resize((t.packed.size() + 3) / 4 * 4);
    packed = upload(t.packed, at::kByte, device);
    const auto& codes = formats::nf4_code();
    code = upload(std::vector<float>(codes.begin(), codes.end()), at::kFloat, device);
    view.packed = packed.const_data_ptr<uint8_t>();
    view.elements = t.shape[0] * t.shape[1];
    view.block = t.block_size;
    view.code = code.const_data_ptr<float>();
    view.round = t.dtype == "float16" ? Nf4Round::half : t.dtype == "bfloat16" ? Nf4Round::bfloat16 : Nf4Round::none;
    if (!t.double_quant) {
      absmax = upload(t.absmax, at::kFloat, device);
      view.absmax = absmax.const_data_ptr<float>();
      return;
    }
    const auto& map = formats::nf4_dynamic_map();
    absmax_codes = upload(t.absmax_codes, at::kByte, device);
    nested_absmax = upload(t.nested_absmax, at::kFloat, device);
    nested_code = upload(std::vector<float>(map.begin(), map.end()), at::kFloat, device);
    view.absmax_codes = absmax_codes.const_data_ptr<uint8_t>();
    view.nested_absmax = nested_absmax.const_data_ptr<float>();
    view.nested_code = nested_code.const_data_ptr<float>();
    view.nested_block = t.nested_block_size;
    view.nested_offset = t.nested_offset;
  }

  int64_t bytes() const {
    int64_t total = 0;
    for (const at::Tensor* t : {&packed, &absmax, &absmax_codes, &nested_absmax, &code, &nested_code})
      total += t->defined() ? static_cast<int64_t>(t->nbytes()) : 0;
    return total;
  }
};

struct Matrix {
  std::vector<Part> parts;
  int64_t out = 0, in = 0;

  void dequantize(Bf16* to, Stream stream) const {
    for (const Part& part : parts) {
      nf4_dequantize(part.view, to, stream);
      to += part.view.elements;
    }
  }
};

}  // namespace

class DequantizeAhead {
 public:
  explicit DequantizeAhead(at::Device device)
      : device_(device), side_(c10::cuda::getStreamFromPool(false, device.index())) {}

  at::Device device() const { return device_; }
  /// The matrix's place in the forward pass. matrix must outlive this.
  size_t add(const Matrix* matrix) {
    largest_ = std::max(largest_, matrix->out * matrix->in);
    matrices_.push_back(matrix);
    return matrices_.size() - 1;
  }

  /// Calls use(W_OI) with the dequantised matrix while the next one in direction `step` is on its way.
  template <typename F>
  void with(size_t index, int step, F use) {
    const auto current = c10::cuda::getCurrentCUDAStream(device_.index());
    const size_t here = slots_[0].holds == index ? 0 : slots_[1].holds == index ? 1 : next_;
    Slot &slot = slots_[here], &other = slots_[1 - here];
    if (slot.holds != index) fill(slot, index);
    slot.filled.block(current);
    next_ = 1 - here;
    if (const size_t ahead = index + static_cast<size_t>(step); ahead < matrices_.size()) fill(other, ahead);
    const Matrix& m = *matrices_[index];
    use(slot.buffer.narrow(0, 0, m.out * m.in).view({m.out, m.in}));
    slot.read.record(current);
  }

 private:
  static constexpr size_t kNone = ~size_t{0};
  struct Slot {
    at::Tensor buffer;
    size_t holds = kNone;
    c10::cuda::CUDAEvent filled, read;
  };

  /// On the second stream, once the product that read the slot is through.
  void fill(Slot& slot, size_t index) {
    if (slot.holds == index) return;
    if (!slot.buffer.defined() || slot.buffer.numel() < largest_) {
      slot.buffer = at::empty({largest_}, at::TensorOptions().dtype(at::kBFloat16).device(device_));
      slot.read.record(c10::cuda::getCurrentCUDAStream(device_.index()));
    }
    slot.read.block(side_);
    matrices_[index]->dequantize(reinterpret_cast<Bf16*>(slot.buffer.data_ptr()), side_.stream());
    slot.filled.record(side_);
    slot.holds = index;
  }

  at::Device device_;
  c10::cuda::CUDAStream side_;
  std::vector<const Matrix*> matrices_;
  std::array<Slot, 2> slots_;
  size_t next_ = 0;
  int64_t largest_ = 0;
};

namespace {

class FrozenNf4Cuda final : public FrozenLinear {
 public:
  FrozenNf4Cuda(std::vector<formats::Nf4Tensor> parts, std::shared_ptr<DequantizeAhead> ahead)
      : ahead_(std::move(ahead)) {
    matrix_.in = parts.at(0).shape.at(1);
    for (auto& part : parts) {
      AFINA_CHECK(part.shape.size() == 2 && part.shape[1] == matrix_.in, "[model.cuda] parts must have one width");
      AFINA_CHECK(part.shape[0] * part.shape[1] % 8 == 0, "[model.cuda] parts must fill whole 16-byte stores");
      matrix_.out += part.shape[0];
      matrix_.parts.emplace_back(std::move(part), ahead_->device());
    }
    index_ = ahead_->add(&matrix_);
  }

  int64_t in_features() const override { return matrix_.in; }
  int64_t out_features() const override { return matrix_.out; }
  void forward(const at::Tensor& x_NI, at::Tensor& y_NO, float beta) const override {
    ahead_->with(index_, 1, [&](const at::Tensor& w_OI) { product(x_NI, w_OI.t(), y_NO, beta); });
  }
  void backward_input(const at::Tensor& dy_NO, at::Tensor& dx_NI, float beta) const override {
    ahead_->with(index_, -1, [&](const at::Tensor& w_OI) { product(dy_NO, w_OI, dx_NI, beta); });
  }
  void prepare_backward() const override {}
  void gather_rows(std::span<const int> rows, at::Tensor& out_RI) const override {
    const at::Tensor index = at::from_blob(const_cast<int*>(rows.data()), {static_cast<int64_t>(rows.size())}, at::kInt)
                                 .to(ahead_->device());
    ahead_->with(index_, 1, [&](const at::Tensor& w_OI) { out_RI.copy_(w_OI.index_select(0, index)); });
  }
  int64_t bytes() const override {
    int64_t total = 0;
    for (const Part& part : matrix_.parts)
      total += part.bytes();
    return total;
  }

 private:
  static void product(const at::Tensor& a, const at::Tensor& b, at::Tensor& c, float beta) {
    if (beta == 0.0F) {
      at::mm_out(c, a.to(at::kBFloat16), b, at::kFloat);
    } else {
      at::addmm_out(c, c, a.to(at::kBFloat16), b, at::kFloat, beta, 1);
    }
  }

  Matrix matrix_;
  std::shared_ptr<DequantizeAhead> ahead_;
  size_t index_ = 0;
};

}  // namespace

std::shared_ptr<DequantizeAhead> make_dequantize_ahead(at::Device device) {
  return std::make_shared<DequantizeAhead>(device);
}

std::unique_ptr<FrozenLinear> make_frozen_nf4(std::vector<formats::Nf4Tensor> parts,
                                              std::shared_ptr<DequantizeAhead> ahead) {
  return std::make_unique<FrozenNf4Cuda>(std::move(parts), std::move(ahead));
}

}  // namespace afina::model::cuda
