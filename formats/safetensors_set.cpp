// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors_set.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json.h"

namespace afina::formats {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kIndexEnding = ".safetensors.index.json";
constexpr size_t kMaxIndexBytes = 100'000'000;

[[noreturn]] void refuse(const fs::path& path, const std::string& what, const std::string& hint = "") {
  throw ModelError(cat("[", path.string(), "] must ", what), hint);
}

Json read_index(const fs::path& path) {
  try {
    Json index = parse_json(read_file(path, kMaxIndexBytes), path.string(), {.max_depth = 8});
    if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
      refuse(path, "be one JSON object with a weight_map, but is not.");
    if (index["weight_map"].empty()) refuse(path, "name the tensors of its shards, but its weight_map is empty.");
    return index;
  } catch (const DataError& error) {
    throw ModelError(error.what());
  }
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
  const Json json = read_index(index);
  const Json& weight_map = json["weight_map"];
  std::set<std::string> names;
  for (const auto& [tensor, file] : weight_map.items()) {
    if (!file.is_string())
      refuse(index, cat("name a file for tensor \"", tensor, "\", but has a JSON ", file.type_name(), "."));
    check_base_name(index, file.get_ref<const std::string&>());
    names.insert(file.get<std::string>());
  }
  for (const std::string& name : names) {
    const fs::path shard = index.parent_path() / name;
    if (!fs::exists(shard))
      refuse(index, cat("lie beside its shard ", name, ", but that file is missing."), "fetch it again");
    add_file(shard);
    for (const TensorView& view : files_.back().tensors()) {
      const auto entry = weight_map.find(view.name);
      if (entry == weight_map.end() || *entry != name)
        refuse(index, cat("name every tensor of its shards, but \"", view.name, "\" of ", name, " is ",
                          entry == weight_map.end() ? "missing." : "named in another file."));
    }
  }
  for (const auto& [tensor, file] : weight_map.items())
    if (!index_.contains(tensor))
      refuse(index, cat("be true, but ", file.get<std::string>(), " has no tensor \"", tensor, "\"."));
}

const TensorView* SafetensorsSet::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
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
