// SPDX-License-Identifier: Apache-2.0
// Writes any model that can be read as a Hugging Face folder that transformers, PEFT and vLLM load: config, tokenizer
// files, weights in shards; or with projections as bitsandbytes NF4. Of a folder, its own files are copied; of a GGUF,
// they are made.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>

#include "formats/dtype.h"
#include "formats/safetensors_stream.h"
#include "model/convert/weight_reader.h"

namespace afina::model {

struct HfOptions {
  /// F32, F16 or BF16; unset: each weight as it is stored (of quantised sources: F16, NF4 its own dtype).
  std::optional<formats::DType> dtype;
  bool nf4 = false;              ///< projections as NF4, block 64; everything else in dtype
  bool nf4_double_quant = true;  ///< their scales in 8 bits
  uint64_t max_shard_bytes = formats::kDefaultShardBytes;
};

/// Fills a folder that does not exist yet; callers that must publish whole or not at all give a temporary name and
/// rename. Streams tensor by tensor; values are rounded once, to nearest even. Throws Conflict where the folder exists,
/// UsageError for another dtype, ModelError, Cancelled, StorageError.
void write_hf_folder(const WeightReader& from, const std::filesystem::path& to, const HfOptions& hf,
                     const ConvertOptions& options);

}  // namespace afina::model
