// SPDX-License-Identifier: Apache-2.0
// `afina inspect`: what is in a file or folder of weights, without loading it.
#include <algorithm>
#include <filesystem>

#include "app/afina/report.h"
#include "app/afina/verbs.h"
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "formats/gguf.h"
#include "formats/nf4.h"
#include "formats/safetensors_set.h"
#include "lora/config/peft_config.h"

namespace afina::app {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string path;
  bool json = false, all = false;
};

// Arrays of a vocabulary's size are shown by their first values unless --all.
constexpr size_t kShownValues = 8;
constexpr size_t kMaxConfigBytes = size_t{16} << 20;

OrderedJson tensor_json(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape,
                        uint64_t bytes) {
  return {{"name", name}, {"dtype", dtype}, {"shape", shape}, {"bytes", bytes}};
}

OrderedJson values_json(const OrderedJson& all, bool show_all) {
  if (show_all || all.size() <= kShownValues) return all;
  OrderedJson first = OrderedJson::array();
  for (size_t i = 0; i < kShownValues; ++i)
    first.push_back(all[i]);
  return {{"count", all.size()}, {"first", first}};
}

OrderedJson gguf_value(const formats::GgufFile& file, const std::string& key, bool show_all) {
  using formats::GgufValueType;
  const formats::GgufValue& raw = *file.find_raw(key);
  const bool is_real = raw.type == GgufValueType::f32 || raw.type == GgufValueType::f64;
  if (!raw.is_array) {
    if (raw.type == GgufValueType::string) return repair_utf8(*file.find_string(key));
    if (raw.type == GgufValueType::boolean) return *file.find_boolean(key);
    if (is_real) return *file.find_number(key);
    return *file.find_integer(key);
  }
  OrderedJson values = OrderedJson::array();
  if (raw.type == GgufValueType::string) {
    for (const auto text : file.strings(key))
      values.push_back(repair_utf8(text));
  } else if (is_real) {
    values = *file.find_numbers(key);
  } else {
    values = *file.find_integers(key);
  }
  return values_json(values, show_all);
}

OrderedJson inspect_gguf(const fs::path& path, bool show_all) {
  const formats::GgufFile file(path);
  const bool adapter = file.find_string("general.type").value_or("") == "adapter";
  OrderedJson out = {{"kind", adapter ? "gguf adapter" : "gguf"}, {"path", path.string()}};
  uint64_t bytes = 0;
  OrderedJson tensors = OrderedJson::array(), ranks = OrderedJson::array();
  std::vector<std::string> targets;
  for (const auto& tensor : file.tensors()) {
    bytes += tensor.bytes.size();
    tensors.push_back(
        tensor_json(tensor.name, formats::ggml_type_name(tensor.type), tensor.shape, tensor.bytes.size()));
    if (adapter && tensor.name.ends_with(".lora_a")) {
      targets.push_back(tensor.name.substr(0, tensor.name.size() - 7));
      ranks.push_back(tensor.shape.front());
    }
  }
  if (adapter) {
    const double alpha = file.find_number("adapter.lora.alpha").value_or(0);
    OrderedJson scales = OrderedJson::array();
    for (const auto& rank : ranks)
      scales.push_back(alpha == 0 ? 1.0 : alpha / rank.get<double>());
    out["adapter"] = {{"alpha", alpha}, {"targets", targets}, {"ranks", ranks}, {"scales", scales}};
  }
  OrderedJson metadata = OrderedJson::object();
  for (const std::string& key : file.keys())
    metadata[key] = gguf_value(file, key, show_all);
  out["files"] = file.files().size();
  out["tensor_count"] = file.tensors().size();
  out["tensor_bytes"] = bytes;
  out["metadata"] = std::move(metadata);
  out["tensors"] = std::move(tensors);
  return out;
}

OrderedJson adapter_json(const fs::path& folder) {
  const lora::PeftConfig peft = lora::read_peft_config_file(folder);
  const lora::LoraConfig& c = peft.lora;
  OrderedJson out = {{"base_model", peft.base_model}, {"r", c.r},
                     {"lora_alpha", c.lora_alpha},    {"scale", c.scale()},
                     {"use_rslora", c.use_rslora},    {"use_dora", c.use_dora},
                     {"lora_bias", c.lora_bias}};
  if (c.target_regex.empty()) {
    out["target_modules"] = c.target_modules;
  } else {
    out["target_modules"] = c.target_regex;
  }
  OrderedJson ranks = OrderedJson::object(), alphas = OrderedJson::object();
  for (const auto& [pattern, r] : c.rank_pattern)
    ranks[pattern] = r;
  for (const auto& [pattern, alpha] : c.alpha_pattern)
    alphas[pattern] = alpha;
  out["rank_pattern"] = std::move(ranks);
  out["alpha_pattern"] = std::move(alphas);
  out["modules_to_save"] = c.modules_to_save;
  out["layers_to_transform"] = c.layers_to_transform;
  return out;
}

void add_weights(const fs::path& path, OrderedJson& out) {
  const formats::SafetensorsSet set(path);
  OrderedJson tensors = OrderedJson::array();
  for (const auto* tensor : set.tensors()) {
    auto row =
        tensor_json(tensor->name, std::string(formats::dtype_name(tensor->dtype)), tensor->shape, tensor->bytes.size());
    if (const auto nf4 = formats::find_nf4(set, tensor->name)) {
      row["dtype"] = "NF4";
      row["quantized_shape"] = nf4->shape;
      row["block_size"] = nf4->block_size;
      row["double_quant"] = nf4->double_quant();
    }
    tensors.push_back(std::move(row));
  }
  OrderedJson files = OrderedJson::array();
  for (const auto& file : set.files())
    files.push_back(file.path().filename().string());
  out["files"] = std::move(files);
  out["tensor_count"] = set.tensors().size();
  out["tensor_bytes"] = set.total_bytes();
  out["metadata"] = set.metadata();
  out["tensors"] = std::move(tensors);
}

OrderedJson inspect_folder(const fs::path& folder) {
  std::error_code code;
  const fs::path peft = fs::exists(folder / "config.json", code) ? fs::path() : lora::peft_folder(folder);
  if (!peft.empty() && fs::exists(peft / "adapter_config.json", code)) {
    OrderedJson out = {{"kind", "peft adapter"}, {"path", folder.string()}, {"adapter", adapter_json(folder)}};
    add_weights(peft / "adapter_model.safetensors", out);
    return out;
  }
  OrderedJson out = {{"kind", "hugging face folder"}, {"path", folder.string()}};
  const fs::path config = folder / "config.json";
  if (fs::exists(config, code)) out["config"] = parse_ordered_json(read_file(config, kMaxConfigBytes), config.string());
  add_weights(folder, out);
  return out;
}

OrderedJson inspect_path(const Options& options) {
  const fs::path path = options.path;
  std::error_code code;
  if (!fs::exists(path, code))
    throw NotFound(cat("[inspect] must be given a file or folder that exists, but got \"", options.path, "\"."));
  if (fs::is_directory(path, code)) return inspect_folder(path);
  if (path.extension() == ".safetensors" || path.string().ends_with(".safetensors.index.json")) {
    OrderedJson out = {{"kind", "safetensors"}, {"path", path.string()}};
    add_weights(path, out);
    return out;
  }
  if (path.extension() == ".gguf") return inspect_gguf(path, options.all);
  throw UsageError(
      cat("[inspect] must be given a .gguf, .safetensors or index file or a folder, but got \"", options.path, "\"."),
      "pickle files (.bin, .pt) can run code when opened: convert them to safetensors first");
}

std::string shape_text(const OrderedJson& shape) {
  std::string out;
  for (const auto& size : shape)
    out += cat(out.empty() ? "" : " x ", size.get<int64_t>());
  return out.empty() ? "scalar" : out;
}

std::string bytes_text(double bytes) {
  for (const char* unit : {"B", "kB", "MB", "GB"}) {
    if (bytes < 1000) return cat(short_number(bytes), " ", unit);
    bytes /= 1000;
  }
  return cat(short_number(bytes), " TB");
}

std::string shortened(const std::string& text) {
  return text.size() <= 120 ? text : repair_utf8(text.substr(0, 120)) + "…";
}

void print_object(const OrderedJson& object, const std::string& title, std::string& text) {
  if (object.empty()) return;
  Table table({title, ""});
  for (const auto& [key, value] : object.items())
    table.add({key, shortened(value.is_string() ? value.get<std::string>() : dump_json(value))});
  text += table.text() + "\n";
}

void print_human(const OrderedJson& found) {
  std::string text =
      cat(found["kind"].get<std::string>(), " ", found["path"].get<std::string>(), ": ",
          found["tensor_count"].get<size_t>(), " tensors, ", bytes_text(found["tensor_bytes"].get<double>()), "\n\n");
  for (const char* part : {"adapter", "config", "metadata"})
    if (found.contains(part)) print_object(found[part], part, text);
  Table tensors({"tensor", "dtype", "shape", "bytes"});
  for (const auto& tensor : found["tensors"])
    tensors.add({tensor["name"].get<std::string>(), tensor["dtype"].get<std::string>(), shape_text(tensor["shape"]),
                 bytes_text(tensor["bytes"].get<double>())});
  print(text + tensors.text());
}

int inspect(const Options& options) {
  const OrderedJson found = inspect_path(options);
  if (options.json) {
    print_json(found, 2);
  } else {
    print_human(found);
  }
  return 0;
}

}  // namespace

void add_inspect(CLI::App& app, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb =
      app.add_subcommand("inspect", "Names, shapes, types and metadata of weights; adapters with rank and scale");
  verb->add_option("path", options->path, "GGUF or safetensors file, index, Hugging Face folder or PEFT folder")
      ->required();
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->add_flag("--all", options->all, "Whole metadata arrays in --json, vocabularies included");
  verb->callback([options, &context] { context.run = [options] { return inspect(*options); }; });
}

}  // namespace afina::app
