// SPDX-License-Identifier: Apache-2.0
#include "model/model.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "model/weight_source.h"

namespace afina::model {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxConfigBytes = 1 << 20;

std::shared_ptr<const Model> load_gguf(const fs::path& path, const LoadOptions& options) {
  const formats::GgufFile file(path);
  const ModelConfig config = config_from_gguf(file, path.string());
  return build_model(config, *gguf_source(file, config), options, path);
}

std::shared_ptr<const Model> load_folder(const fs::path& folder, const LoadOptions& options) {
  const fs::path config_path = folder / "config.json", weights_path = folder / "model.safetensors";
  const Json json = [&] {
    try {
      return parse_json(read_file(config_path, kMaxConfigBytes), config_path.string());
    } catch (const DataError& error) {
      throw ModelError(error.what());
    }
  }();
  const ModelConfig config = config_from_hf(json, config_path.string());
  if (!fs::exists(weights_path) && fs::exists(folder / "model.safetensors.index.json"))
    throw ModelError(
        cat("[", folder.string(), "] weights must be one file, model.safetensors, but are split into shards."),
        "save the model with a larger max_shard_size");
  const formats::SafetensorsFile file(weights_path);
  for (const auto& tensor : file.tensors()) {
    const bool foreign = tensor.name.ends_with(".bias") || tensor.name.find("self_attn.q_norm") != std::string::npos;
    if (foreign)
      throw ModelError(cat("[", weights_path.string(), "] tensors must be those of a Llama decoder, but there is '",
                           tensor.name, "'."));
  }
  return build_model(config, *safetensors_source(file), options, folder);
}

/// Tells a file that was replaced after it was loaded, without reading it.
std::string stamp_of(const fs::path& path) {
  std::error_code code;
  const fs::path file = fs::is_directory(path, code) ? path / "model.safetensors" : path;
  const auto size = fs::file_size(file, code);
  return code ? "" : cat(size, "/", fs::last_write_time(file, code).time_since_epoch().count());
}

void hash_tensor(Sha256& hash, const at::Tensor& tensor) {
  hash.update(tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel()) * 4);
}

void hash_linear(Sha256& hash, const FrozenLinear& linear) {
  at::Tensor rows = at::empty({linear.out_features(), linear.in_features()}, at::kFloat);
  linear.dequantize_rows(0, rows);
  hash_tensor(hash, rows);
}

}  // namespace

Model::Model(ModelConfig config, std::vector<LayerWeights> layers, std::unique_ptr<FrozenLinear> embedding,
             std::unique_ptr<FrozenLinear> head, at::Tensor final_norm_D, std::filesystem::path path)
    : config_(std::move(config)),
      layers_(std::move(layers)),
      embedding_(std::move(embedding)),
      head_(std::move(head)),
      final_norm_D_(std::move(final_norm_D)),
      path_(std::move(path)) {
  if (!path_.empty()) stamp_ = stamp_of(path_);
  AFINA_CHECK(static_cast<int64_t>(layers_.size()) == config_.layers, "[model] must have every layer of its config");
}

const std::string& Model::identity() const {
  const std::lock_guard lock(identity_mutex_);
  if (!identity_.empty()) return identity_;
  if (!path_.empty() && stamp_of(path_) != stamp_)
    throw ModelError(cat("[model] file must be the one that was loaded, but '", path_.string(), "' has changed since."),
                     "load the model again");
  if (path_.empty()) {
    Sha256 hash;
    hash_linear(hash, *embedding_);
    for (const auto& layer : layers_) {
      hash_tensor(hash, layer.norm1_D);
      hash_tensor(hash, layer.norm2_D);
      for (const auto& linear : layer.linear)
        hash_linear(hash, *linear);
    }
    hash_tensor(hash, final_norm_D_);
    if (head_) hash_linear(hash, *head_);
    identity_ = hash.finish_hex();
  } else if (fs::is_directory(path_)) {
    identity_ = sha256_hex(sha256_file_hex((path_ / "config.json").string()) +
                           sha256_file_hex((path_ / "model.safetensors").string()));
  } else {
    identity_ = sha256_file_hex(path_.string());
  }
  return identity_;
}

void Model::prepare_backward(int64_t first) const {
  for (int64_t l = first; l < config_.layers; ++l)
    for (const auto& linear : layers_[static_cast<size_t>(l)].linear)
      linear->prepare_backward();
  head().prepare_backward();
}

int64_t Model::weight_bytes() const {
  int64_t total = embedding_->bytes() + (head_ ? head_->bytes() : 0) + final_norm_D_.numel() * 4;
  for (const auto& layer : layers_) {
    total += (layer.norm1_D.numel() + layer.norm2_D.numel()) * 4;
    for (const auto& linear : layer.linear)
      total += linear->bytes();
  }
  return total;
}

std::shared_ptr<const Model> load_model(const fs::path& path, const LoadOptions& options) {
  std::error_code code;
  if (fs::is_directory(path, code)) return load_folder(path, options);
  if (!fs::exists(path, code))
    throw NotFound(
        cat("[model] path must name a GGUF file or a Hugging Face folder, but '", path.string(), "' is not there."));
  return load_gguf(path, options);
}

std::shared_ptr<const Model> random_model(const ModelConfig& config, uint64_t seed, const LoadOptions& options) {
  validate(config, "model.random");
  return build_model(config, *random_source(seed), options, {});
}

}  // namespace afina::model
