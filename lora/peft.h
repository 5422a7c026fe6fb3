// SPDX-License-Identifier: Apache-2.0
// Adapters as PEFT writes and reads them: a folder with adapter_config.json, adapter_model.safetensors and a README.md.
// Layout: huggingface/peft src/peft/utils/save_and_load.py (0.21). The config alone is lora/config/peft_config.h.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "formats/dtype.h"
#include "lora/adapter_set.h"

namespace afina::lora {

/// What a saved adapter says of its origin, beside its numbers.
struct PeftInfo {
  std::string base_model;        ///< a public id such as "HuggingFaceTB/SmolLM2-135M-Instruct", never a local path
  std::string training_summary;  ///< Markdown for the README: data snapshot, method, evaluation
  formats::DType dtype = formats::DType::f32;  ///< of the tensors: F32, F16 or BF16, rounded to nearest even
  std::string license;                         ///< README front matter; empty: left out
  std::vector<std::string> languages, datasets;
  std::string readme;  ///< the whole README.md instead of the one made from the above; empty: made
};

/// Reads adapter_config.json alone. Throws ModelError naming the file and the key.
LoraConfig read_peft_config(const std::filesystem::path& folder);

/// Reads a folder for a decoder of this shape: for merging, composing, converting, and for running adapters that need
/// no weights of the model (AdapterSet::needs_model() is false). Every tensor must be expected, present, finite and of
/// the right shape, or ModelError names it. F16, BF16 and F64 tensors are taken as fp32.
std::unique_ptr<AdapterSet> load_peft(const std::filesystem::path& folder, const DecoderShape& shape);
/// The same, ready to run on this model, whatever it needs of it.
std::unique_ptr<AdapterSet> load_peft(const std::filesystem::path& folder, std::shared_ptr<const model::Model> model);

/// Writes the folder as a whole: under a temporary name, fsynced, then renamed. An adapter trained from PiSSA is
/// written as plain LoRA of twice the rank (AdapterSet::plain()). Throws Conflict where it exists already.
void save_peft(const std::filesystem::path& folder, const AdapterSet& adapter, const PeftInfo& info);

/// SHA-256 over the sorted tensors as save_peft writes them in fp32: the identity of an adapter's numbers, the same
/// however often it is written.
std::string adapter_sha256(const AdapterSet& adapter);

}  // namespace afina::lora
