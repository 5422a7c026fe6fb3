// SPDX-License-Identifier: Apache-2.0
// Where each tensor of a safetensors file lies, private to formats/: the one place that orders tensors and writes the
// header, for files in memory and for streams.
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/safetensors_stream.h"

namespace afina::formats {

struct SafetensorsLayout {
  std::string header;           ///< length, JSON and padding: the first bytes of the file
  std::vector<uint64_t> begin;  ///< of each plan's bytes, from the start of the file, in the order of the plans
  std::vector<uint64_t> bytes;  ///< of each plan
  std::vector<size_t> order;    ///< plans in the order of their bytes
  uint64_t file_bytes = 0;
};

/// Throws DataError for a bad or double name or shape.
SafetensorsLayout safetensors_layout(std::span<const TensorPlan> plans,
                                     const std::map<std::string, std::string>& metadata);

}  // namespace afina::formats
