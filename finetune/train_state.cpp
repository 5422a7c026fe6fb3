// SPDX-License-Identifier: Apache-2.0
#include "finetune/train_state.h"

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "formats/safetensors.h"

namespace afina::finetune {
namespace {

constexpr const char* kStateFile = "trainer_state.json";
constexpr const char* kTensorFile = "state.safetensors";

constexpr const char* kOptimiserPrefix = "optimiser.";

template <typename T>
formats::TensorView view_of(std::string name, formats::DType dtype, const std::vector<T>& values) {
  return {std::move(name), dtype, {static_cast<int64_t>(values.size())}, std::as_bytes(std::span<const T>(values))};
}

/// The whole tensor as it lies in the file. Throws ModelError where it is not of that type.
template <typename T>
std::vector<T> read_tensor(const formats::SafetensorsFile& file, const formats::TensorView& view,
                           formats::DType dtype) {
  if (view.dtype != dtype) {
    throw ModelError(cat("[finetune.state] ", file.path().string(), " must hold ", view.name, " as ",
                         formats::dtype_name(dtype), ", but got ", formats::dtype_name(view.dtype), "."));
  }
  std::vector<T> out(static_cast<size_t>(view.elements()));
  if (!out.empty()) std::memcpy(out.data(), view.bytes.data(), view.bytes.size());
  return out;
}

std::vector<double> read_numbers(const formats::SafetensorsFile& file, const char* name) {
  return read_tensor<double>(file, file.at(name), formats::DType::f64);
}

std::vector<float> read_parameters(const formats::SafetensorsFile& file, int64_t parameters) {
  const formats::TensorView& view = file.at("parameters");
  if (view.elements() != parameters) {
    throw ModelError(cat("[finetune.state] ", file.path().string(), " must hold ", parameters,
                         " values in parameters, but got ", view.elements(), "."));
  }
  return read_tensor<float>(file, view, formats::DType::f32);
}

OptimiserBuffer read_buffer(const formats::SafetensorsFile& file, const std::string& name) {
  const formats::TensorView& view = file.at(kOptimiserPrefix + name);
  if (view.dtype == formats::DType::u8) return {name, read_tensor<uint8_t>(file, view, formats::DType::u8)};
  return {name, read_tensor<float>(file, view, formats::DType::f32)};
}

int64_t read_count(const Json& state, const char* key, const std::filesystem::path& path) {
  const auto found = state.find(key);
  if (found == state.end() || !found->is_number_integer() || found->get<int64_t>() < 0) {
    throw DataError(cat("[finetune.state] ", path.string(), " must hold a count \"", key, "\", but does not."));
  }
  return found->get<int64_t>();
}

}  // namespace

Json to_json(const RunIdentity& identity) {
  return {{"config_hash", identity.config_hash},
          {"data_hash", identity.data_hash},
          {"model_hash", identity.model_hash},
          {"reference_hash", identity.reference_hash},
          {"threads", identity.threads}};
}

RunIdentity identity_from_json(const Json& facts) {
  RunIdentity identity;
  identity.config_hash = facts.value("config_hash", "");
  identity.data_hash = facts.value("data_hash", "");
  identity.model_hash = facts.value("model_hash", "");
  identity.reference_hash = facts.value("reference_hash", "");
  identity.threads = facts.value("threads", 0);
  return identity;
}

void require_same_run(const RunIdentity& now, const RunIdentity& then) {
  std::string differ;
  const auto compare = [&](const char* what, const std::string& a, const std::string& b) {
    if (a != b) differ += cat(differ.empty() ? "" : ", ", what);
  };
  compare("the config", now.config_hash, then.config_hash);
  compare("the data", now.data_hash, then.data_hash);
  compare("the model", now.model_hash, then.model_hash);
  compare("the reference values", now.reference_hash, then.reference_hash);
  if (!differ.empty()) {
    throw Conflict(
        cat("[finetune.resume] must continue with what the run began with, but got other values of: ", differ, "."),
        "give the same --model, --data, --config and --set, or begin a new run in another --out");
  }
  if (now.threads != then.threads) {
    log_warning("finetune", "resuming with ", now.threads, " threads a run that began with ", then.threads,
                ": results may differ in the last bits");
  }
}

void save_train_state(const std::filesystem::path& folder, const TrainState& state) {
  Json json = {{"global_step", state.step},
               {"epoch", state.cursor.epoch},
               {"unit", state.cursor.unit},
               {"num_tokens", state.num_tokens},
               {"examples_seen", state.examples_seen},
               {"optimiser_step", state.optimiser.step},
               {"evaluation_due", state.evaluation_due},
               {"optimiser_buffers", Json::array()}};
  std::vector<formats::TensorView> tensors = {view_of("parameters", formats::DType::f32, state.parameters),
                                              view_of("objective", formats::DType::f64, state.objective),
                                              view_of("schedule", formats::DType::f64, state.schedule),
                                              view_of("best_model", formats::DType::f64, state.best_model)};
  for (const auto& buffer : state.optimiser.buffers) {
    json["optimiser_buffers"].push_back(buffer.name);
    const std::string name = kOptimiserPrefix + buffer.name;
    if (const auto* floats = std::get_if<std::vector<float>>(&buffer.values)) {
      tensors.push_back(view_of(name, formats::DType::f32, *floats));
    } else {
      tensors.push_back(view_of(name, formats::DType::u8, std::get<std::vector<uint8_t>>(buffer.values)));
    }
  }
  write_file_synced(folder / kStateFile, dump_json(json, 1) + "\n");
  write_file_synced(folder / kTensorFile, formats::safetensors_bytes(tensors));
}

TrainState load_train_state(const std::filesystem::path& folder, int64_t parameters) {
  const auto path = folder / kStateFile;
  const Json json = parse_json(read_file(path, 1 << 20), path.string());
  TrainState state;
  state.step = read_count(json, "global_step", path);
  state.cursor.epoch = read_count(json, "epoch", path);
  state.cursor.unit = read_count(json, "unit", path);
  state.num_tokens = read_count(json, "num_tokens", path);
  state.examples_seen = read_count(json, "examples_seen", path);
  state.optimiser.step = read_count(json, "optimiser_step", path);
  const formats::SafetensorsFile tensors(folder / kTensorFile);
  state.parameters = read_parameters(tensors, parameters);
  const auto names = json.find("optimiser_buffers");
  if (names == json.end() || !names->is_array())
    throw DataError(cat("[finetune.state] ", path.string(), " must hold a list \"optimiser_buffers\", but does not."));
  for (const auto& name : *names)
    state.optimiser.buffers.push_back(read_buffer(tensors, name.get<std::string>()));
  state.objective = read_numbers(tensors, "objective");
  state.schedule = read_numbers(tensors, "schedule");
  state.best_model = read_numbers(tensors, "best_model");
  state.evaluation_due = json.value("evaluation_due", false);
  return state;
}

std::vector<float> load_parameters(const std::filesystem::path& folder, int64_t parameters) {
  return read_parameters(formats::SafetensorsFile(folder / kTensorFile), parameters);
}

}  // namespace afina::finetune
