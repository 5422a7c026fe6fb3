// SPDX-License-Identifier: Apache-2.0
// adapter_config.json, read and written as PEFT 0.21 does (peft/config.py, tuners/lora/config.py): missing keys take
// PEFT's defaults, unknown ones are warned of and ignored, other methods and what Afina cannot run are refused by name.
// No LibTorch, no tensors.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "lora/config/lora_config.h"

namespace afina::lora {

/// The file's content beside the numbers.
struct PeftConfig {
  LoraConfig lora;
  std::string base_model;  ///< base_model_name_or_path; empty where null
  std::string revision;
};

/// Throws ModelError naming `where` and the key for anything that is no LoRA config Afina can run: broken JSON, values
/// of a wrong kind or out of range, peft_type other than LORA, fan_in_fan_out, bias other than "none", tensors or
/// methods Afina does not know (trainable_token_indices, target_parameters, layer_replication, LoftQ, …).
PeftConfig parse_peft_config(std::string_view text, const std::string& where);
/// adapter_config.json of a folder. A folder without one that holds exactly one subfolder with one (an adapter PEFT
/// saved under its name) gives that. Throws NotFound, StorageError.
PeftConfig read_peft_config_file(const std::filesystem::path& folder);
std::filesystem::path peft_folder(const std::filesystem::path& folder);

/// The text of adapter_config.json: indent 2, sorted keys, names sorted, the keys every PEFT since 0.14 reads.
std::string peft_config_text(const PeftConfig& config);

}  // namespace afina::lora
