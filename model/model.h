// SPDX-License-Identifier: Apache-2.0
// The frozen weights of one decoder and their config: loaded once, shared by trainers, generators and servers, never
// changed. Read from a GGUF file (F32, F16, BF16, Q4_0, Q4_1, Q8_0; q/k rows put back in Hugging Face order) or from a
// Hugging Face folder (config.json and one safetensors file; F32, F16, BF16). Compute is fp32.
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

struct LoadOptions {
  GemmBackend gemm = GemmBackend::packed;
};

struct LayerWeights {
  std::unique_ptr<FrozenLinear>
      linear[kSites];           ///< by Site: q|k|v rows concatenated, o, gate|up rows concatenated, down
  at::Tensor norm1_D, norm2_D;  ///< RMSNorm before attention and before the MLP
};

/// Immutable and safe to share between threads.
class Model {
 public:
  /// layers.size() == config.layers; head null = tied to the embedding, which then is that one FrozenLinear [V, D].
  Model(ModelConfig config, std::vector<LayerWeights> layers, std::unique_ptr<FrozenLinear> embedding,
        std::unique_ptr<FrozenLinear> head, at::Tensor final_norm_D, std::filesystem::path path);

  const ModelConfig& config() const { return config_; }
  const LayerWeights& layer(int64_t index) const { return layers_[index]; }
  const FrozenLinear& linear(int64_t layer, Site site) const { return *layers_[layer].linear[static_cast<int>(site)]; }
  const FrozenLinear& embedding() const { return *embedding_; }
  const FrozenLinear& head() const { return head_ ? *head_ : *embedding_; }
  const at::Tensor& final_norm() const { return final_norm_D_; }
  /// Where it was loaded from; empty for weights made in code.
  const std::filesystem::path& path() const { return path_; }
  /// SHA-256 (hex) of the weights file (GGUF) or of config.json's and the safetensors file's digests; of all weights
  /// for a model made in code. Computed on first use and kept: lineage of runs, key of cached reference values. Throws
  /// StorageError.
  const std::string& identity() const;
  /// Makes the layouts that gradients of inputs need, from layer `first` up and in the head. Called by TrainingModel.
  void prepare_backward(int64_t first) const;
  /// Bytes of all weights as they lie in memory now.
  int64_t weight_bytes() const;

 private:
  ModelConfig config_;
  std::vector<LayerWeights> layers_;
  std::unique_ptr<FrozenLinear> embedding_, head_;
  at::Tensor final_norm_D_;
  std::filesystem::path path_;
  std::string stamp_;
  mutable std::mutex identity_mutex_;
  mutable std::string identity_;
};

/// path: a .gguf file or a folder. Throws NotFound, or ModelError naming the file, tensor and both shapes for a
/// truncated or hostile file, a missing tensor, a shape that disagrees with the config, or an architecture that is not
/// supported.
std::shared_ptr<const Model> load_model(const std::filesystem::path& path, const LoadOptions& options = {});

/// Normal(0, 0.02)-like weights from a seed (norms near 1): tests and benchmarks.
std::shared_ptr<const Model> random_model(const ModelConfig& config, uint64_t seed, const LoadOptions& options = {});

}  // namespace afina::model
