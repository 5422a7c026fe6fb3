// SPDX-License-Identifier: Apache-2.0
// Adapters as PEFT writes and reads them: a folder with adapter_config.json, adapter_model.safetensors and a README.md.
// Layout: huggingface/peft src/peft/utils/save_and_load.py (0.21).
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "lora/adapter_set.h"

namespace afina::lora {

/// What a saved adapter says of its origin, beside its numbers.
struct PeftInfo {
  std::string base_model;        ///< a public id such as "HuggingFaceTB/SmolLM2-135M-Instruct", never a local path
  std::string training_summary;  ///< Markdown for the README: data snapshot, method, evaluation
};

/// Reads adapter_config.json alone. Throws ModelError naming the file and the key for what Afina does not support
/// (DoRA, rank or alpha patterns, modules_to_save, lora_bias, chosen layers) or for values that do not fit.
LoraConfig read_peft_config(const std::filesystem::path& folder);

/// Reads a folder into an adapter for a decoder of this shape. Every tensor must be expected, present, finite and of
/// the right shape, or ModelError names it. Tensors of F16 and BF16 are widened.
std::unique_ptr<AdapterSet> load_peft(const std::filesystem::path& folder, const DecoderShape& shape);

/// Writes the folder as a whole: under a temporary name, fsynced, then renamed. Throws Conflict where it exists
/// already.
void save_peft(const std::filesystem::path& folder, const AdapterSet& adapter, const PeftInfo& info);

/// SHA-256 over the sorted tensors: the identity of an adapter's numbers, the same however often it is written.
std::string adapter_sha256(const AdapterSet& adapter);

}  // namespace afina::lora
