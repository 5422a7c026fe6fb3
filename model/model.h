// SPDX-License-Identifier: Apache-2.0
// The frozen weights of one decoder and their config: loaded once, shared by trainers, generators and servers, never
// changed. Read from a GGUF file (every type that formats/ dequantises; q/k rows put back in Hugging Face order) or
// from a Hugging Face folder (config.json and safetensors, in shards or not; float types or bitsandbytes NF4). Compute
// is fp32.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "model/adapter.h"
#include "model/config.h"
#include "model/frozen_linear.h"

namespace afina::model {

/// How projections lie in memory. as_stored: NF4 where the files hold NF4, else fp32. nf4, nf4_double: quantised while
/// loading (block 64; nf4_double: the scales in 8 bits), for QLoRA on any model. Embedding, head and norms stay fp32.
enum class BaseStorage { as_stored, nf4, nf4_double };

/// Arithmetic of the frozen products (layers and head). bfloat16: weights are held in bf16 (NF4 stays NF4), the inputs
/// of each product are rounded to bf16, sums and results are fp32; everything else is fp32 in both.
enum class Arithmetic { float32, bfloat16 };

struct LoadOptions {
  GemmBackend gemm = GemmBackend::packed;
  BaseStorage base_storage = BaseStorage::as_stored;
  Nf4Arithmetic nf4_arithmetic = Nf4Arithmetic::fp32;
  Arithmetic arithmetic = Arithmetic::float32;
  Transposed transposed = Transposed::kept;  ///< for backward: kept, twice the memory; on_the_fly, 3-4 % of a step
  /// Where the weights lie and the work is done. A GPU (builds with AFINA_CUDA, else ModelError) holds projections as
  /// NF4 where they are NF4 on the host, else in the type of `arithmetic`; see cuda/place.h. Loading passes through the
  /// host's memory.
  at::Device device = at::kCPU;
};

struct LayerWeights {
  std::unique_ptr<FrozenLinear>
      linear[kSites];             ///< by Site: q|k|v rows concatenated, o, gate|up rows concatenated, down
  at::Tensor bias_O[kSites];      ///< by Site, whole; undefined where the site has none
  at::Tensor norm1_D, norm2_D;    ///< RMSNorm before attention and before the MLP
  at::Tensor q_norm_K, k_norm_K;  ///< over each head; undefined where the family has none
};

/// Where a model came from: what load_model was given, the files that hold it, and what was done to it on the way.
struct ModelOrigin {
  std::filesystem::path path;                ///< empty for weights made in code
  std::vector<std::filesystem::path> files;  ///< config.json first, for a folder
  BaseStorage storage = BaseStorage::as_stored;
};

/// Immutable and safe to share between threads.
class Model {
 public:
  /// layers.size() == config.layers; head null = tied to the embedding, which then is that one FrozenLinear [V, D].
  Model(ModelConfig config, std::vector<LayerWeights> layers, std::unique_ptr<FrozenLinear> embedding,
        std::unique_ptr<FrozenLinear> head, at::Tensor final_norm_D, ModelOrigin origin);

  const ModelConfig& config() const { return config_; }
  const LayerWeights& layer(int64_t index) const { return layers_[index]; }
  const FrozenLinear& linear(int64_t layer, Site site) const { return *layers_[layer].linear[static_cast<int>(site)]; }
  const FrozenLinear& embedding() const { return *embedding_; }
  const FrozenLinear& head() const { return head_ ? *head_ : *embedding_; }
  const at::Tensor& final_norm() const { return final_norm_D_; }
  /// Where it was loaded from; empty for weights made in code.
  const std::filesystem::path& path() const { return origin_.path; }
  /// SHA-256 (hex) of the weights file (GGUF) or of config.json's and every safetensors file's digests; of all weights
  /// for a model made in code; of that and the storage for a model quantised while loading. Computed on first use and
  /// kept: lineage of runs, key of cached reference values. Throws StorageError.
  const std::string& identity() const;
  /// Makes the layouts that gradients of inputs need, from layer `first` up. Called by TrainingModel, which also
  /// prepares the head.
  void prepare_backward(int64_t first) const;
  /// Bytes of all weights as they lie in memory now.
  int64_t weight_bytes() const;

 private:
  ModelConfig config_;
  std::vector<LayerWeights> layers_;
  std::unique_ptr<FrozenLinear> embedding_, head_;
  at::Tensor final_norm_D_;
  ModelOrigin origin_;
  std::string stamp_;
  mutable std::mutex identity_mutex_;
  mutable std::string identity_;
};

/// path: a .gguf file or a folder. Memory: the result and a few megabytes; files are mapped. Throws NotFound, or
/// ModelError naming the file, tensor and both shapes for a truncated or hostile file, a missing or unknown tensor
/// (rotary_emb.inv_freq, masked_bias and a tied lm_head are passed over), a shape that disagrees with the config, a
/// value that is not finite, or an architecture that is not supported.
std::shared_ptr<const Model> load_model(const std::filesystem::path& path, const LoadOptions& options = {});

/// Normal(0, 0.02)-like weights from a seed (norms near 1): tests and benchmarks.
std::shared_ptr<const Model> random_model(const ModelConfig& config, uint64_t seed, const LoadOptions& options = {});

}  // namespace afina::model
