// SPDX-License-Identifier: Apache-2.0
#include "model/model.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "formats/gguf.h"
#include "formats/safetensors_set.h"
#include "model/cuda/place.h"
#include "model/model_builder.h"

namespace afina::model {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxConfigBytes = 1 << 20;

std::shared_ptr<const Model> load_gguf(const fs::path& path, const LoadOptions& options) {
  const formats::GgufFile file(path);
  const ModelConfig config = config_from_gguf(file, path.string());
  return build_model(config, *gguf_source(file, config), options, {path, file.files()});
}

std::shared_ptr<const Model> load_folder(const fs::path& folder, const LoadOptions& options) {
  const fs::path config_path = folder / "config.json";
  const Json json = [&] {
    try {
      return parse_json(read_file(config_path, kMaxConfigBytes), config_path.string());
    } catch (const DataError& error) {
      throw ModelError(error.what());
    }
  }();
  const ModelConfig config = config_from_hf(json, config_path.string());
  const formats::SafetensorsSet set(folder);
  std::vector<fs::path> files = {config_path};
  for (const auto& file : set.files())
    files.push_back(file.path());
  return build_model(config, *safetensors_source(set, config), options, {folder, std::move(files)});
}

/// Tells a file that was replaced after it was loaded, without reading it.
std::string stamp_of(const std::vector<fs::path>& files) {
  std::string out;
  for (const auto& file : files) {
    std::error_code code;
    const auto size = fs::file_size(file, code);
    out += code ? "gone;" : cat(size, "/", fs::last_write_time(file, code).time_since_epoch().count(), ";");
  }
  return out;
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
             std::unique_ptr<FrozenLinear> head, at::Tensor final_norm_D, ModelOrigin origin)
    : config_(std::move(config)),
      layers_(std::move(layers)),
      embedding_(std::move(embedding)),
      head_(std::move(head)),
      final_norm_D_(std::move(final_norm_D)),
      origin_(std::move(origin)),
      stamp_(stamp_of(origin_.files)) {
  AFINA_CHECK(static_cast<int64_t>(layers_.size()) == config_.layers, "[model] must have every layer of its config");
}

const std::string& Model::identity() const {
  const std::lock_guard lock(identity_mutex_);
  if (!identity_.empty()) return identity_;
  if (stamp_of(origin_.files) != stamp_)
    throw ModelError(
        cat("[model] file must be the one that was loaded, but '", origin_.path.string(), "' has changed since."),
        "load the model again");
  if (origin_.path.empty()) {
    Sha256 hash;
    hash_linear(hash, *embedding_);
    for (const auto& layer : layers_) {
      hash_tensor(hash, layer.norm1_D);
      hash_tensor(hash, layer.norm2_D);
      for (const auto& linear : layer.linear)
        hash_linear(hash, *linear);
      for (const auto* extra :
           {&layer.bias_O[0], &layer.bias_O[1], &layer.bias_O[2], &layer.bias_O[3], &layer.q_norm_K, &layer.k_norm_K})
        if (extra->defined()) hash_tensor(hash, *extra);
    }
    hash_tensor(hash, final_norm_D_);
    if (head_) hash_linear(hash, *head_);
    return identity_ = hash.finish_hex();
  }
  std::string digests;
  for (const auto& file : origin_.files)
    digests += sha256_file_hex(file.string());
  if (origin_.storage == BaseStorage::nf4) digests += "nf4";
  if (origin_.storage == BaseStorage::nf4_double) digests += "nf4_double";
  identity_ = digests.size() == 64 ? digests : sha256_hex(digests);  // one file is its own identity
  return identity_;
}

void Model::prepare_backward(int64_t first) const {
  for (int64_t l = first; l < config_.layers; ++l)
    for (const auto& linear : layers_[static_cast<size_t>(l)].linear)
      linear->prepare_backward();
}

int64_t Model::weight_bytes() const {
  int64_t total = embedding_->bytes() + (head_ ? head_->bytes() : 0) + final_norm_D_.numel() * 4;
  for (const auto& layer : layers_) {
    total += (layer.norm1_D.numel() + layer.norm2_D.numel()) * 4;
    for (const auto& linear : layer.linear)
      total += linear->bytes();
    for (const auto& bias : layer.bias_O)
      total += bias.defined() ? bias.numel() * 4 : 0;
  }
  return total;
}

namespace {

std::shared_ptr<const Model> placed(std::shared_ptr<const Model> model, const LoadOptions& options) {
  if (options.device.is_cpu()) return model;
  const FrozenLinear& first = model->linear(0, Site::qkv);
  const bool nf4 = first.bytes() < first.in_features() * first.out_features();  // less than a byte a weight
  const CudaStorage dense = options.arithmetic == Arithmetic::bfloat16 ? CudaStorage::bf16 : CudaStorage::f32;
  return to_cuda(*model, options.device, nf4 ? CudaStorage::nf4 : dense);
}

}  // namespace

std::shared_ptr<const Model> load_model(const fs::path& path, const LoadOptions& options) {
  std::error_code code;
  if (fs::is_directory(path, code)) return placed(load_folder(path, options), options);
  if (!fs::exists(path, code))
    throw NotFound(
        cat("[model] path must name a GGUF file or a Hugging Face folder, but '", path.string(), "' is not there."));
  return placed(load_gguf(path, options), options);
}

std::shared_ptr<const Model> random_model(const ModelConfig& config, uint64_t seed, const LoadOptions& options) {
  validate(config, "model.random");
  return placed(build_model(config, *random_source(seed), options, {}), options);
}

}  // namespace afina::model
