// SPDX-License-Identifier: Apache-2.0
// Merging an adapter into its base: a Hugging Face folder gives a folder, a GGUF file gives a GGUF file. Streamed
// tensor by tensor. Rounding: W and delta = scale·B·A in fp32, added in fp32, rounded once to the written type (DoRA:
// the sum is scaled to its magnitudes before that). Not the publish gate, which proves the result (evaluation/).
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "formats/dtype.h"
#include "formats/ggml_types.h"
#include "formats/safetensors_stream.h"
#include "lora/adapter_set.h"

namespace afina::lora {

struct MergeOptions {
  /// Folders: F32, F16 or BF16 for every floating-point tensor. Empty: each tensor as its source; NF4 weights as the
  /// type they were quantised from.
  std::optional<formats::DType> dtype;
  /// GGUF: the type of the changed tensors. Empty: their own where it can be written (F32, F16, BF16, Q8_0, Q4_0, …),
  /// else Q8_0; a row that is no whole number of blocks falls back to F16.
  std::optional<formats::GgmlType> gguf_type;
  uint64_t max_shard_bytes = formats::kDefaultShardBytes;
  std::function<void(int64_t done, int64_t total)> progress;  ///< tensors; may be empty
  std::stop_token stop;                                       ///< Cancelled; nothing is left behind
};

struct MergeReport {
  int64_t changed = 0, copied = 0;   ///< tensors
  std::vector<std::string> retyped;  ///< "blk.0.attn_q.weight: Q4_K -> Q8_0"
  std::vector<std::string> notes;    ///< what the reader of the result should know (quantised base, untied head)
};

/// base: a folder with config.json and safetensors (NF4 included), or a .gguf file; out must not exist (Conflict) and
/// appears whole or not at all. A folder also gets config.json (without quantization_config), generation_config.json,
/// the tokenizer's files and the chat template. Tensors that no change touches are copied byte for byte unless dtype
/// says otherwise. Throws ModelError where the adapter does not fit the base, a result is not finite, or the
/// architecture has no place for it (lora_bias without a bias).
MergeReport merge_adapter(const std::filesystem::path& base, const AdapterSet& adapter,
                          const std::filesystem::path& out, const MergeOptions& options = {});

}  // namespace afina::lora
