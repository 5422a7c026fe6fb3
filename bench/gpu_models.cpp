// SPDX-License-Identifier: Apache-2.0
#include "bench/gpu_models.h"

#include <ATen/ATen.h>

#include <cmath>
#include <random>

#include "formats/nf4.h"
#include "model/cuda/frozen_cuda.h"

namespace afina::bench {
namespace {

model::ModelConfig llama(int64_t hidden, int64_t ffn, int64_t layers, int64_t heads) {
  model::ModelConfig c;
  c.vocab_size = 128256;
  c.hidden = hidden;
  c.ffn = ffn;
  c.layers = layers;
  c.heads = heads;
  c.kv_heads = 8;
  c.head_dim = 128;
  c.max_positions = 131072;
  c.rms_eps = 1e-5;
  c.rope_theta = 500000.0;
  return c;
}

at::Tensor normal(int64_t out, int64_t in, at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kBFloat16).device(device);
  return at::randn({out, in}, options).mul_(1.0 / std::sqrt(static_cast<double>(in)));
}

formats::Nf4Tensor random_nf4(int64_t out, int64_t in) {
  std::mt19937_64 random(1);
  formats::Nf4Tensor t;
  t.shape = {out, in};
  t.dtype = "bfloat16";
  t.double_quant = true;
  t.packed.resize(static_cast<size_t>(out * in / 2));
  for (size_t i = 0; i + 8 <= t.packed.size(); i += 8) {
    const uint64_t bits = random();
    for (size_t k = 0; k < 8; ++k)
      t.packed[i + k] = static_cast<uint8_t>(bits >> (8 * k));
  }
  t.absmax_codes.resize(static_cast<size_t>(out * in / t.block_size));
  for (auto& code : t.absmax_codes)
    code = static_cast<uint8_t>(random());
  const float scale = 2.0F / std::sqrt(static_cast<float>(in));
  t.nested_absmax.assign((t.absmax_codes.size() + 255) / 256, 0.2F * scale);
  t.nested_offset = scale;
  return t;
}

}  // namespace

model::ModelConfig llama_8b() {
  return llama(4096, 14336, 32, 32);
}

model::ModelConfig llama_70b() {
  return llama(8192, 28672, 80, 64);
}

std::shared_ptr<const model::Model> gpu_model(const model::ModelConfig& c, model::CudaStorage storage,
                                              at::Device device) {
  using model::Site;
  const auto ahead = model::cuda::make_dequantize_ahead(device);
  std::vector<formats::Nf4Tensor> of_site;
  if (storage == model::CudaStorage::nf4)
    for (int s = 0; s < model::kSites; ++s)
      of_site.push_back(random_nf4(c.site_out(static_cast<Site>(s)), c.site_in(static_cast<Site>(s))));
  const at::Tensor ones_D = at::ones({c.hidden}, at::TensorOptions().device(device));
  std::vector<model::LayerWeights> layers(static_cast<size_t>(c.layers));
  for (auto& layer : layers) {
    layer.norm1_D = layer.norm2_D = ones_D;
    for (int s = 0; s < model::kSites; ++s) {
      const auto site = static_cast<Site>(s);
      layer.linear[s] = of_site.empty() ? model::cuda::make_frozen(normal(c.site_out(site), c.site_in(site), device),
                                                                   at::kBFloat16, device)
                                        : model::cuda::make_frozen_nf4({of_site[static_cast<size_t>(s)]}, ahead);
    }
  }
  const auto table = [&] {
    return model::cuda::make_frozen(normal(c.vocab_size, c.hidden, device), at::kBFloat16, device);
  };
  return std::make_shared<const model::Model>(c, std::move(layers), table(), table(), ones_D, model::ModelOrigin{});
}

}  // namespace afina::bench
