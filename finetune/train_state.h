// SPDX-License-Identifier: Apache-2.0
// Everything a run needs to go on bit for bit after its process is gone: parameters, the states of optimiser,
// objective, schedule and best model, counters, the place in the data, and the hashes of what must not have changed
// meanwhile. Dropout needs nothing more: its masks are
// functions of the seed, the step and the micro-batch. Layout: trainer_state.json and state.safetensors in a checkpoint
// folder.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "finetune/batch_source.h"
#include "finetune/optim/optimiser.h"

namespace afina::finetune {

/// What a resumed run must share with its beginning; each is compared and named where it differs.
struct RunIdentity {
  std::string config_hash;
  std::string data_hash;       ///< of the training rows' ids, targets and labels in order
  std::string model_hash;      ///< of the frozen weights
  std::string reference_hash;  ///< of the reference values; empty without a reference
  int threads = 0;             ///< a difference is warned of: sums may then differ in the last bit
};

struct TrainState {
  int64_t step = 0;  ///< optimiser steps done
  Cursor cursor;     ///< of the next optimiser batch
  int64_t num_tokens = 0;
  int64_t examples_seen = 0;
  std::vector<float> parameters;  ///< [P]
  OptimiserState optimiser;
  std::vector<double> objective;   ///< Objective::state()
  std::vector<double> schedule;    ///< Schedule::state()
  std::vector<double> best_model;  ///< BestModel::state()
  bool evaluation_due = false;     ///< a stop came while this step's held-out rows were evaluated
};

Json to_json(const RunIdentity& identity);
RunIdentity identity_from_json(const Json& facts);
/// Throws Conflict naming every part that differs; warns where only the threads do.
void require_same_run(const RunIdentity& now, const RunIdentity& then);

/// Writes the two files into folder. Throws StorageError.
void save_train_state(const std::filesystem::path& folder, const TrainState& state);
/// Throws NotFound, DataError or ModelError where a file is missing, broken or for another number of parameters.
TrainState load_train_state(const std::filesystem::path& folder, int64_t parameters);
/// The parameters alone.
std::vector<float> load_parameters(const std::filesystem::path& folder, int64_t parameters);

}  // namespace afina::finetune
