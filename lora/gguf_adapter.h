// SPDX-License-Identifier: Apache-2.0
// LoRA adapters as llama.cpp loads them (--lora FILE.gguf; src/llama-adapter.cpp, convert_lora_to_gguf.py): one GGUF
// file with A and B under the base tensor's name. llama.cpp's scale is alpha/r with one alpha for all, so rsLoRA and
// alpha patterns are folded into alpha and B, which its own converter forgets.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "formats/ggml_types.h"
#include "lora/adapter_set.h"

namespace afina::lora {

struct GgufAdapterInfo {
  std::string name;                                 ///< general.name; empty: left out
  std::string base_model;                           ///< general.base_model.0.name; empty: left out
  formats::GgmlType type = formats::GgmlType::f32;  ///< F32, F16, BF16 or Q8_0; rows that do not fit Q8_0 stay F16
};

/// Rows of lora_B of q and k are permuted where the base's architecture permutes them. Throws ModelError naming the
/// alternative (merge) for what llama.cpp cannot express: DoRA, lora_bias, modules_to_save, LoRA on the head of a tied
/// model. Throws Conflict where the file exists.
void write_gguf_adapter(const std::filesystem::path& path, const AdapterSet& adapter, const model::ModelConfig& model,
                        const GgufAdapterInfo& info = {});

/// The other way, for a model of this config; ranks that differ become rank_pattern. Throws NotFound, ModelError naming
/// the file and the tensor or key: another architecture, a missing half, a tensor the base does not have, a shape that
/// does not fit, values that are not finite.
std::unique_ptr<AdapterSet> read_gguf_adapter(const std::filesystem::path& path, const model::ModelConfig& model);
/// Whether the file is a GGUF file of general.type "adapter".
bool is_gguf_adapter(const std::filesystem::path& path);

/// A PEFT folder or a GGUF adapter, ready to run on this model.
std::unique_ptr<AdapterSet> load_adapter(const std::filesystem::path& path, std::shared_ptr<const model::Model> model);

}  // namespace afina::lora
