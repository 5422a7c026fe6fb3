// SPDX-License-Identifier: Apache-2.0
// Where weights come from, by their Hugging Face names: a GGUF file, a safetensors file or a random generator. The
// builder asks for every shape first and for values later, so a model that cannot be built costs no memory.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "model/model.h"

namespace afina::formats {
class GgufFile;
class SafetensorsFile;
}  // namespace afina::formats

namespace afina::model {

class WeightSource {
 public:
  WeightSource() = default;
  WeightSource(const WeightSource&) = delete;
  WeightSource& operator=(const WeightSource&) = delete;
  virtual ~WeightSource() = default;
  /// Throws ModelError naming the tensor and both shapes where it is missing, of another shape or of a type that cannot
  /// be read.
  virtual void check(const std::string& name, const std::vector<int64_t>& shape) const = 0;
  /// fp32 values into out, which has the checked shape; q and k rows in Hugging Face order.
  virtual void read(const std::string& name, at::Tensor out) const = 0;
};

std::unique_ptr<WeightSource> gguf_source(const formats::GgufFile& file, const ModelConfig& config);
std::unique_ptr<WeightSource> safetensors_source(const formats::SafetensorsFile& file);
std::unique_ptr<WeightSource> random_source(uint64_t seed);

std::shared_ptr<const Model> build_model(const ModelConfig& config, const WeightSource& source,
                                         const LoadOptions& options, const std::filesystem::path& path);

}  // namespace afina::model
