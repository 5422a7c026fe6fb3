// SPDX-License-Identifier: Apache-2.0
// Where weights come from, by their Hugging Face names: a GGUF file, a safetensors folder or a random generator. The
// builder asks for every shape first and for values later, so a model that cannot be built costs no memory.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "formats/nf4.h"
#include "model/config.h"

namespace afina::formats {
class GgufFile;
class SafetensorsSet;
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
  /// Throws ModelError naming a tensor of the source that is neither expected nor known to be meaningless.
  virtual void check_nothing_else(const std::set<std::string>& /*expected*/) const {}
  /// fp32 values of rows [first, first + R) (of a vector: elements) into out, R its first dimension; q and k rows in
  /// Hugging Face order. Throws ModelError naming a tensor with a value that is not finite.
  virtual void read_rows(const std::string& name, int64_t first, at::Tensor out) const = 0;
  /// The tensor as it is stored, where that is NF4.
  virtual std::optional<formats::Nf4Tensor> read_nf4(const std::string& /*name*/) const { return {}; }
};

// The sources view their arguments, which must outlive them.
std::unique_ptr<WeightSource> gguf_source(const formats::GgufFile& file, const ModelConfig& config);
std::unique_ptr<WeightSource> safetensors_source(const formats::SafetensorsSet& set, const ModelConfig& config);
std::unique_ptr<WeightSource> random_source(uint64_t seed);

}  // namespace afina::model
