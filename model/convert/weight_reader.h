// SPDX-License-Identifier: Apache-2.0
// A model's weights tensor by tensor as fp32, in Hugging Face names and row order, whatever holds them: a Hugging Face
// folder (shards and bitsandbytes NF4 included) or a GGUF file. For converters; the engine's own loading is model.h.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "formats/dtype.h"
#include "model/config.h"

namespace afina::formats {
class GgufFile;
class SafetensorsSet;
}  // namespace afina::formats

namespace afina::model {

class WeightSource;

/// Changes one weight before it is rounded and written (a merged adapter does). Called for every weight; returns
/// whether it changed anything.
using WeightEdit =
    std::function<bool(const std::string& hf_name, const std::vector<int64_t>& shape, std::span<float> values)>;

/// What every converter takes.
struct ConvertOptions {
  WeightEdit edit;                                            ///< empty: weights as they are
  std::function<void(int64_t done, int64_t total)> progress;  ///< tensors; may be empty
  std::stop_token stop;                                       ///< Cancelled between tensors
};

struct WeightInfo {
  std::string name;  ///< Hugging Face's
  std::vector<int64_t> shape;
  formats::DType dtype = formats::DType::f32;  ///< a 16-bit or 32-bit float: its own, or the nearest that holds it
};

/// Immutable after construction. Opening maps files and copies nothing.
class WeightReader {
 public:
  /// Throws NotFound or ModelError naming the file; a tensor that no supported family has is an error that names it.
  explicit WeightReader(const std::filesystem::path& model);
  ~WeightReader();
  WeightReader(const WeightReader&) = delete;
  WeightReader& operator=(const WeightReader&) = delete;

  const std::filesystem::path& path() const { return path_; }
  const ModelConfig& config() const { return config_; }
  /// Embedding first, then layer by layer, then the rest; a tied head is not listed.
  const std::vector<WeightInfo>& weights() const { return weights_; }
  /// fp32 values of one listed weight into out, which has its size. Throws ModelError where one is NaN or infinite.
  void read(const WeightInfo& weight, std::span<float> out) const;
  /// One of the two, the other null.
  const formats::GgufFile* gguf() const { return gguf_.get(); }
  const formats::SafetensorsSet* safetensors() const { return safetensors_.get(); }

 private:
  void list_folder();
  void list_gguf();

  std::filesystem::path path_;
  ModelConfig config_;
  std::vector<WeightInfo> weights_;
  std::unique_ptr<formats::GgufFile> gguf_;
  std::unique_ptr<formats::SafetensorsSet> safetensors_;
  std::unique_ptr<WeightSource> source_;  // of one of the two, and of config_
};

}  // namespace afina::model
