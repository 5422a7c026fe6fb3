// SPDX-License-Identifier: Apache-2.0
#include "model/cuda/place.h"

#include <ATen/ATen.h>

#include <cstring>

#include "base/error.h"
#include "formats/nf4.h"
#include "model/cuda/frozen_cuda.h"

namespace afina::model {
namespace {

at::Tensor values_of(const FrozenLinear& linear) {
  at::Tensor w_OI = at::empty({linear.out_features(), linear.in_features()}, at::kFloat);
  linear.dequantize_rows(0, w_OI);
  return w_OI;
}

at::Tensor moved(const at::Tensor& t, at::Device device) {
  return t.defined() ? t.to(device) : t;
}

/// w in NF4. exactly: w holds NF4 values already, which quantising again must not change.
formats::Nf4Tensor quantised(const at::Tensor& w_OI, bool exactly, const std::string& where) {
  const std::span<const float> values(w_OI.const_data_ptr<float>(), static_cast<size_t>(w_OI.numel()));
  auto tensor = formats::nf4_quantize(values, {w_OI.size(0), w_OI.size(1)});
  if (!exactly) return formats::nf4_double_quantize(std::move(tensor));
  std::vector<float> again(values.size());
  formats::nf4_dequantize(tensor.view(), 0, again);
  if (std::memcmp(again.data(), values.data(), again.size() * sizeof(float)) != 0)
    throw ModelError(cat("[model.device] NF4 weights of ", where,
                         " must keep their values on the GPU, but rounding to 16 bits was part of them."),
                     "place them as bf16, which holds these values exactly");
  return tensor;
}

class Mover {
 public:
  Mover(const Model& model, at::Device device, CudaStorage storage)
      : model_(model), device_(device), storage_(storage) {
    if (storage == CudaStorage::nf4) ahead_ = cuda::make_dequantize_ahead(device);
  }

  std::unique_ptr<FrozenLinear> projection(const FrozenLinear& linear, const std::string& where) const {
    if (storage_ != CudaStorage::nf4) return dense(linear);
    const bool quantised_already =
        linear.bytes() < linear.in_features() * linear.out_features();  // less than a byte a weight
    std::vector<formats::Nf4Tensor> parts;
    parts.push_back(quantised(values_of(linear), quantised_already, where));
    return cuda::make_frozen_nf4(std::move(parts), ahead_);
  }
  std::unique_ptr<FrozenLinear> dense(const FrozenLinear& linear) const {
    return cuda::make_frozen(values_of(linear), storage_ == CudaStorage::f32 ? at::kFloat : at::kBFloat16, device_);
  }
  LayerWeights layer(int64_t index) const {
    const LayerWeights& from = model_.layer(index);
    LayerWeights to;
    for (int s = 0; s < kSites; ++s) {
      to.linear[s] = projection(*from.linear[s], cat("layer ", index, ", site ", s));
      to.bias_O[s] = moved(from.bias_O[s], device_);
    }
    to.norm1_D = moved(from.norm1_D, device_);
    to.norm2_D = moved(from.norm2_D, device_);
    to.q_norm_K = moved(from.q_norm_K, device_);
    to.k_norm_K = moved(from.k_norm_K, device_);
    return to;
  }

 private:
  const Model& model_;
  at::Device device_;
  CudaStorage storage_;
  std::shared_ptr<cuda::DequantizeAhead> ahead_;
};

}  // namespace

std::shared_ptr<const Model> to_cuda(const Model& model, at::Device device, CudaStorage storage) {
  if (!device.is_cuda()) throw ModelError(cat("[model.device] must be a CUDA device, but is ", device.str(), "."));
  const Mover mover(model, device, storage);
  std::vector<LayerWeights> layers;
  for (int64_t l = 0; l < model.config().layers; ++l)
    layers.push_back(mover.layer(l));
  const bool tied = &model.head() == &model.embedding();
  return std::make_shared<const Model>(model.config(), std::move(layers), mover.dense(model.embedding()),
                                       tied ? nullptr : mover.dense(model.head()), moved(model.final_norm(), device),
                                       ModelOrigin{model.path(), {}, BaseStorage::as_stored});
}

}  // namespace afina::model
