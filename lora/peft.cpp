// SPDX-License-Identifier: Apache-2.0
#include "lora/peft.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "lora/config/peft_config.h"
#include "lora/peft_tensors.h"

namespace afina::lora {
namespace {

namespace fs = std::filesystem;

formats::SafetensorsFile open_weights(const fs::path& folder) {
  const fs::path file = folder / "adapter_model.safetensors";
  std::error_code code;
  if (!fs::exists(file, code) && fs::exists(folder / "adapter_model.bin", code))
    throw ModelError(
        cat("[lora.peft] ", folder.string(),
            " must hold adapter_model.safetensors, but has adapter_model.bin, a pickle file that could run "
            "code."),
        "save it again with PEFT's safe_serialization=True");
  return formats::SafetensorsFile(file);
}

/// The targets as PEFT lists them: names instead of our all-linear.
LoraConfig written_config(const AdapterSet& adapter) {
  LoraConfig config = adapter.config();
  const bool all_linear =
      config.target_regex == "all-linear" || config.target_modules == std::vector<std::string>{"all-linear"};
  if (!all_linear) return config;
  config.target_regex.clear();
  config.target_modules.clear();
  for (const Module module : adapter.modules())
    config.target_modules.emplace_back(to_string(module));
  return config;
}

std::string yaml_list(std::string_view key, const std::vector<std::string>& values) {
  if (values.empty()) return "";
  std::string out = cat(key, ":\n");
  for (const auto& value : values)
    out += cat("- ", value, "\n");
  return out;
}

std::string readme_text(const PeftInfo& info) {
  if (!info.readme.empty()) return info.readme;
  return cat("---\nbase_model: ", info.base_model, "\n", yaml_list("datasets", info.datasets),
             yaml_list("language", info.languages), "library_name: peft\n",
             info.license.empty() ? "" : cat("license: ", info.license, "\n"),
             "pipeline_tag: text-generation\ntags:\n- base_model:adapter:", info.base_model,
             "\n- lora\n- transformers\n---\n\n# LoRA adapter\n\nMade with Afina on ", info.base_model, ".\n\n",
             info.training_summary, "\n");
}

/// Tensors as bytes of the wanted type; `storage` keeps what had to be rounded.
std::vector<formats::TensorView> views_of(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                                          formats::DType dtype, std::vector<std::vector<std::byte>>& storage) {
  std::vector<formats::TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    const std::span values(tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel()));
    std::span<const std::byte> bytes = std::as_bytes(values);
    if (dtype != formats::DType::f32) {
      auto& rounded = storage.emplace_back(values.size() * 2);
      formats::from_float(dtype, values, rounded);
      bytes = rounded;
    }
    views.push_back({name, dtype, tensor.sizes().vec(), bytes});
  }
  return views;
}

void write_folder(const fs::path& folder, const AdapterSet& adapter, const PeftInfo& info) {
  const auto tensors = peft_tensors(adapter);
  std::vector<std::vector<std::byte>> storage;
  const auto views = views_of(tensors, info.dtype, storage);
  write_file_synced(folder / "adapter_config.json", peft_config_text({written_config(adapter), info.base_model, ""}));
  write_file_synced(folder / "adapter_model.safetensors", formats::safetensors_bytes(views, {{"format", "pt"}}));
  write_file_synced(folder / "README.md", readme_text(info));
  sync_path(folder);
}

}  // namespace

LoraConfig read_peft_config(const fs::path& folder) {
  return read_peft_config_file(folder).lora;
}

std::unique_ptr<AdapterSet> load_peft(const fs::path& given, const DecoderShape& shape) {
  const fs::path folder = peft_folder(given);
  const LoraConfig config = read_peft_config(folder);
  return adapter_of(open_weights(folder), config, shape, folder.string());
}

std::unique_ptr<AdapterSet> load_peft(const fs::path& folder, std::shared_ptr<const model::Model> model) {
  auto adapter = load_peft(folder, shape_of(model->config()));
  if (adapter->needs_model()) adapter->bind(std::move(model));
  return adapter;
}

void save_peft(const fs::path& folder, const AdapterSet& adapter, const PeftInfo& info) {
  if (const auto plain = adapter.plain()) return save_peft(folder, *plain, info);
  if (fs::exists(folder)) {
    throw Conflict(cat("[lora.peft] must write a new folder, but ", folder.string(), " exists."),
                   "choose another name or remove it");
  }
  const fs::path parent = folder.has_parent_path() ? folder.parent_path() : fs::path(".");
  fs::create_directories(parent);
  const fs::path temporary = parent / (folder.filename().string() + ".tmp-" + random_hex(6));
  fs::create_directory(temporary);
  try {
    write_folder(temporary, adapter, info);
    fs::rename(temporary, folder);
  } catch (const fs::filesystem_error& error) {
    fs::remove_all(temporary);
    throw StorageError(cat("[lora.peft] must write ", folder.string(), ", but got: ", error.what()));
  } catch (...) {
    fs::remove_all(temporary);
    throw;
  }
  sync_path(parent);
}

std::string adapter_sha256(const AdapterSet& adapter) {
  if (const auto plain = adapter.plain()) return adapter_sha256(*plain);
  Sha256 hash;
  std::map<std::string, at::Tensor> sorted;
  for (auto& [name, tensor] : peft_tensors(adapter))
    sorted.emplace(name, tensor);
  for (const auto& [name, tensor] : sorted) {
    hash.update(name);
    hash.update(tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel()) * sizeof(float));
  }
  return hash.finish_hex();
}

}  // namespace afina::lora
