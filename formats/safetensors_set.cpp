// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors_set.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "formats/json_scanner.h"

namespace afina::formats {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kIndexEnding = ".safetensors.index.json";
constexpr size_t kMaxIndexBytes = 100'000'000;
constexpr size_t kMaxIndexTensors = 500'000;

[[noreturn]] void refuse(const fs::path& path, const std::string& what, const std::string& hint = "") {
  throw ModelError(cat("[", path.string(), "] must ", what), hint);
}

// A name that cannot lead out of the folder of the index.
void check_base_name(const fs::path& index, const std::string& name) {
  const bool plain = name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos && !name.starts_with('.') &&
                     name.size() <= 255;
  if (!plain || !name.ends_with(".safetensors")) {
    refuse(index,
           cat("name its shards by plain file names that end in .safetensors, but got ", dump_json(Json(name)), "."));
  }
}

// Tensor name to file name.
std::map<std::string, std::string> read_index(const fs::path& path) {
  std::string text;
  try {
    text = read_file(path, kMaxIndexBytes);
  } catch (const DataError& error) {
    throw ModelError(error.what());
  }
  if (const size_t invalid = find_invalid_utf8(text); invalid != std::string::npos)
    refuse(path, cat("be UTF-8, but byte ", invalid, " is not."));
  JsonScanner json(text, path.string(), "text");
  std::map<std::string, std::string> weight_map;
  bool found = false;
  json.open('{', "one JSON object with a weight_map");
  for (bool first = true; json.next('}', first);) {
    if (json.key(kMaxIndexBytes, "names") != "weight_map") {
      json.skip_value();
      continue;
    }
    if (std::exchange(found, true)) json.refuse("have one weight_map, but has two");
    json.open('{', "an object as weight_map");
    for (bool inner = true; json.next('}', inner);) {
      if (weight_map.size() == kMaxIndexTensors)
        json.refuse(cat("name at most ", kMaxIndexTensors, " tensors, but names more"));
      std::string tensor = json.key(512, "tensor names");
      std::string file = json.string(4096, cat("the name of a file for tensor \"", tensor, "\""));
      check_base_name(path, file);
      if (!weight_map.emplace(tensor, std::move(file)).second)
        json.refuse(cat("name each tensor once, but \"", tensor, "\" comes twice"));
    }
  }
  json.finish();
  if (weight_map.empty())
    refuse(path, "have a weight_map that names the tensors of its shards, but it is empty or missing.");
  return weight_map;
}

fs::path weights_of(const fs::path& path) {
  if (!fs::is_directory(path)) return path;
  for (const char* name : {kSingleName, kIndexName})
    if (fs::exists(path / name)) return path / name;
  const bool pickled = fs::exists(path / "pytorch_model.bin") || fs::exists(path / "pytorch_model.bin.index.json");
  refuse(path, cat("hold ", kSingleName, " or ", kIndexName, ", but has neither."),
         pickled ? "pytorch_model.bin is a pickle, which runs code when read: convert it to safetensors first"
                 : "give the folder that holds config.json and the weights");
}

}  // namespace

bool has_safetensors(const fs::path& folder) {
  return fs::exists(folder / kSingleName) || fs::exists(folder / kIndexName);
}

SafetensorsSet::SafetensorsSet(const fs::path& path) : path_(path) {
  const fs::path weights = weights_of(path);
  if (weights.string().ends_with(kIndexEnding)) {
    open_index(weights);
  } else {
    add_file(weights);
  }
  for (const SafetensorsFile& file : files_) {
    for (const TensorView& view : file.tensors())
      tensors_.push_back(&view);
    metadata_.insert(file.metadata().begin(), file.metadata().end());
  }
}

void SafetensorsSet::add_file(const fs::path& file) {
  files_.emplace_back(file);
  for (const TensorView& view : files_.back().tensors()) {
    if (!index_.emplace(view.name, &view).second)
      refuse(path_,
             cat("hold each tensor once, but \"", view.name, "\" is in ", file.filename(), " and in another file."));
  }
}

void SafetensorsSet::open_index(const fs::path& index) {
  const std::map<std::string, std::string> weight_map = read_index(index);
  std::set<std::string> names;
  for (const auto& [tensor, file] : weight_map)
    names.insert(file);
  for (const std::string& name : names) {
    const fs::path shard = index.parent_path() / name;
    if (!fs::exists(shard))
      refuse(index, cat("lie beside its shard ", name, ", but that file is missing."), "fetch it again");
    add_file(shard);
    for (const TensorView& view : files_.back().tensors()) {
      const auto entry = weight_map.find(view.name);
      if (entry == weight_map.end() || entry->second != name)
        refuse(index, cat("name every tensor of its shards, but \"", view.name, "\" of ", name, " is ",
                          entry == weight_map.end() ? "missing." : "named in another file."));
    }
  }
  for (const auto& [tensor, file] : weight_map)
    if (!index_.contains(tensor)) refuse(index, cat("be true, but ", file, " has no tensor \"", tensor, "\"."));
}

const TensorView* SafetensorsSet::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : found->second;
}

const TensorView& SafetensorsSet::at(std::string_view name) const {
  if (const TensorView* view = find(name)) return *view;
  std::vector<std::string> names;
  for (const TensorView* view : tensors_)
    names.push_back(view->name);
  const std::string nearest = nearest_name(name, names);
  throw ModelError(cat("[", path_.string(), "] must hold the tensor \"", name, "\", but has none of that name."),
                   nearest.empty() ? "" : cat("the nearest is \"", nearest, "\""));
}

uint64_t SafetensorsSet::total_bytes() const {
  uint64_t total = 0;
  for (const TensorView* view : tensors_)
    total += view->bytes.size();
  return total;
}

}  // namespace afina::formats
