// SPDX-License-Identifier: Apache-2.0
#include "finetune/train_state.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "formats/safetensors.h"

namespace afina::finetune {
namespace {

constexpr const char* kStateFile = "trainer_state.json";
constexpr const char* kTensorFile = "state.safetensors";

formats::TensorView view_of(const char* name, const std::vector<float>& values) {
  return {
      name, formats::DType::f32, {static_cast<int64_t>(values.size())}, std::as_bytes(std::span<const float>(values))};
}

std::vector<float> read_tensor(const formats::SafetensorsFile& file, const char* name, int64_t parameters) {
  const formats::TensorView& view = file.at(name);
  if (view.elements() != parameters) {
    throw ModelError(cat("[finetune.state] ", file.path().string(), " must hold ", parameters, " values in ", name,
                         ", but got ", view.elements(), "."));
  }
  std::vector<float> out(static_cast<size_t>(parameters));
  formats::copy_to_float(view, out);
  return out;
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
  const Json json = {{"global_step", state.step},
                     {"epoch", state.cursor.epoch},
                     {"unit", state.cursor.unit},
                     {"num_tokens", state.num_tokens},
                     {"examples_seen", state.examples_seen},
                     {"optimiser_step", state.optimiser.step}};
  write_file_synced(folder / kStateFile, dump_json(json, 1) + "\n");
  const formats::TensorView tensors[] = {view_of("exp_avg", state.optimiser.first_moment),
                                         view_of("exp_avg_sq", state.optimiser.second_moment),
                                         view_of("parameters", state.parameters)};
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
  state.parameters = read_tensor(tensors, "parameters", parameters);
  state.optimiser.first_moment = read_tensor(tensors, "exp_avg", parameters);
  state.optimiser.second_moment = read_tensor(tensors, "exp_avg_sq", parameters);
  return state;
}

}  // namespace afina::finetune
