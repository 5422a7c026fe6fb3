// SPDX-License-Identifier: Apache-2.0
#include "lora/peft.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "formats/safetensors.h"

namespace afina::lora {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "base_model.model.model.layers.";

std::string tensor_name(const ModuleSlot& slot, char side) {
  return cat(kPrefix, slot.layer, ".", module_path(slot.module), ".lora_", side, ".weight");
}

bool is_set(const Json& value) {
  return !value.is_null() && value != Json(false) && value != Json::object() && value != Json::array();
}

void refuse_unsupported(const Json& config, const std::string& where) {
  for (const char* key : {"use_dora", "lora_bias", "fan_in_fan_out", "modules_to_save", "layers_to_transform",
                          "rank_pattern", "alpha_pattern", "trainable_token_indices", "layer_replication", "use_qalora",
                          "target_parameters", "exclude_modules"}) {
    if (config.contains(key) && is_set(config[key])) {
      throw ModelError(
          cat("[lora.peft] ", where, " must describe plain LoRA, but sets ", key, " to ", dump_json(config[key]), "."),
          "merge this adapter with PEFT first, or train one without it");
    }
  }
  if (config.value("peft_type", "") != "LORA") {
    throw ModelError(cat("[lora.peft] ", where, " must have peft_type LORA, but got ",
                         dump_json(config.value("peft_type", Json())), "."));
  }
  if (config.value("bias", "none") != "none") {
    throw ModelError(cat("[lora.peft] ", where, " must have bias none, but got ", config.value("bias", ""), "."));
  }
}

template <typename T>
T number(const Json& config, const char* key, T fallback, const std::string& where) {
  if (!config.contains(key) || config[key].is_null()) return fallback;
  if (!config[key].is_number() || (std::is_integral_v<T> && !config[key].is_number_integer())) {
    throw ModelError(
        cat("[lora.peft] ", where, " must have a number as ", key, ", but got ", dump_json(config[key]), "."));
  }
  return config[key].get<T>();
}

// PEFT accepts a list, a regular expression or "all-linear"; the tensors in the file say what was meant.
std::vector<std::string> modules_in(const formats::SafetensorsFile& file, const std::string& where) {
  std::set<std::string> names;
  for (const auto& tensor : file.tensors()) {
    const size_t end = tensor.name.find(".lora_");
    const size_t dot = end == std::string::npos ? end : tensor.name.rfind('.', end - 1);
    if (tensor.name.rfind(kPrefix, 0) != 0 || dot == std::string::npos) {
      throw ModelError(
          cat("[lora.peft] ", where, " must hold LoRA tensors of decoder layers, but got '", tensor.name, "'."));
    }
    names.insert(tensor.name.substr(dot + 1, end - dot - 1));
  }
  return {names.begin(), names.end()};
}

void copy_tensor(const formats::SafetensorsFile& file, const std::string& name, at::Tensor out) {
  const auto& view = file.at(name);
  const std::vector<int64_t> expected(out.sizes().begin(), out.sizes().end());
  if (view.shape != expected) {
    throw ModelError(cat("[lora.peft] ", file.path().string(), ": '", name, "' must have the shape ", out.sizes(),
                         ", but got ", at::IntArrayRef(view.shape), "."),
                     "was this adapter trained on another base model?");
  }
  formats::copy_to_float(view, {out.data_ptr<float>(), static_cast<size_t>(out.numel())});
  if (!at::isfinite(out).all().item<bool>()) {
    throw ModelError(
        cat("[lora.peft] ", file.path().string(), ": '", name, "' must be finite, but holds NaN or infinity."));
  }
}

std::vector<formats::TensorView> views_of(const AdapterSet& adapter) {
  std::vector<formats::TensorView> views;
  for (const auto& slot : adapter.slots()) {
    for (const char side : {'A', 'B'}) {
      const at::Tensor tensor = side == 'A' ? adapter.a_view(slot) : adapter.b_view(slot);
      views.push_back({tensor_name(slot, side), formats::DType::f32, tensor.sizes().vec(),
                       std::as_bytes(std::span(tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel())))});
    }
  }
  return views;
}

std::string config_text(const AdapterSet& adapter, const PeftInfo& info) {
  const auto& config = adapter.config();
  Json modules = Json::array();
  for (const Module module : resolve_targets(config))
    modules.push_back(std::string(to_string(module)));
  const Json json = {{"peft_type", "LORA"},
                     {"task_type", "CAUSAL_LM"},
                     {"base_model_name_or_path", info.base_model},
                     {"revision", nullptr},
                     {"inference_mode", true},
                     {"auto_mapping", nullptr},
                     {"r", config.r},
                     {"lora_alpha", config.lora_alpha},
                     {"lora_dropout", config.lora_dropout},
                     {"target_modules", modules},
                     {"exclude_modules", nullptr},
                     {"bias", "none"},
                     {"fan_in_fan_out", false},
                     {"use_rslora", config.use_rslora},
                     {"use_dora", false},
                     {"modules_to_save", nullptr},
                     {"init_lora_weights", true},
                     {"layers_to_transform", nullptr},
                     {"layers_pattern", nullptr},
                     {"rank_pattern", Json::object()},
                     {"alpha_pattern", Json::object()},
                     {"lora_bias", false}};
  return dump_json(json, 2) + "\n";
}

std::string readme_text(const PeftInfo& info) {
  return cat("---\nbase_model: ", info.base_model,
             "\nlibrary_name: peft\npipeline_tag: text-generation\ntags:\n- base_model:adapter:", info.base_model,
             "\n- lora\n- transformers\n---\n\n# LoRA adapter\n\nMade with Afina on ", info.base_model, ".\n\n",
             info.training_summary, "\n");
}

}  // namespace

LoraConfig read_peft_config(const fs::path& folder) {
  const std::string where = (folder / "adapter_config.json").string();
  const Json config = parse_json(read_file(where, 1 << 20), where);
  if (!config.is_object())
    throw ModelError(cat("[lora.peft] ", where, " must be a JSON object, but got ", config.type_name(), "."));
  refuse_unsupported(config, where);
  LoraConfig out;
  out.r = number<int>(config, "r", 8, where);
  out.lora_alpha = number<double>(config, "lora_alpha", 8, where);
  out.lora_dropout = number<double>(config, "lora_dropout", 0, where);
  out.use_rslora = config.contains("use_rslora") && config["use_rslora"] == Json(true);
  const Json targets = config.value("target_modules", Json());
  if (targets.is_array()) {
    for (const auto& item : targets) {
      if (!item.is_string())
        throw ModelError(
            cat("[lora.peft] ", where, " must have names as target_modules, but got ", dump_json(item), "."));
      const auto name = item.get<std::string>();
      out.target_modules.push_back(name.substr(name.rfind('.') == std::string::npos ? 0 : name.rfind('.') + 1));
    }
  }
  return out;
}

std::unique_ptr<AdapterSet> load_peft(const fs::path& folder, const DecoderShape& shape) {
  LoraConfig config = read_peft_config(folder);
  const formats::SafetensorsFile file(folder / "adapter_model.safetensors");
  config.target_modules = modules_in(file, file.path().string());
  std::unique_ptr<AdapterSet> adapter;
  try {
    adapter = std::make_unique<AdapterSet>(shape, config);
  } catch (const UsageError& error) {
    throw ModelError(
        cat("[lora.peft] ", folder.string(), " must be an adapter this engine knows, but: ", error.what()));
  }
  if (file.tensors().size() != adapter->slots().size() * 2) {
    throw ModelError(cat("[lora.peft] ", file.path().string(), " must hold ", adapter->slots().size() * 2,
                         " tensors (one A and one B for each of its modules in ", shape.layers, " layers), but holds ",
                         file.tensors().size(), "."),
                     "was this adapter trained on another base model?");
  }
  for (const auto& slot : adapter->slots()) {
    copy_tensor(file, tensor_name(slot, 'A'), adapter->a_view(slot));
    copy_tensor(file, tensor_name(slot, 'B'), adapter->b_view(slot));
  }
  return adapter;
}

void save_peft(const fs::path& folder, const AdapterSet& adapter, const PeftInfo& info) {
  if (fs::exists(folder)) {
    throw Conflict(cat("[lora.peft] must write a new folder, but ", folder.string(), " exists."),
                   "choose another name or remove it");
  }
  const fs::path parent = folder.has_parent_path() ? folder.parent_path() : fs::path(".");
  fs::create_directories(parent);
  const fs::path temporary = parent / (folder.filename().string() + ".tmp-" + random_hex(6));
  fs::create_directory(temporary);
  try {
    write_file_synced(temporary / "adapter_config.json", config_text(adapter, info));
    write_file_synced(temporary / "adapter_model.safetensors",
                      formats::safetensors_bytes(views_of(adapter), {{"format", "pt"}}));
    write_file_synced(temporary / "README.md", readme_text(info));
    sync_path(temporary);
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
  Sha256 hash;
  std::map<std::string, formats::TensorView> sorted;
  for (auto& view : views_of(adapter))
    sorted.emplace(view.name, view);
  for (const auto& [name, view] : sorted) {
    hash.update(name);
    hash.update(view.bytes.data(), view.bytes.size());
  }
  return hash.finish_hex();
}

}  // namespace afina::lora
