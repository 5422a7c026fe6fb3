// SPDX-License-Identifier: Apache-2.0
// What the training verbs share: their arguments, and the run's database where there is one.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "app/afina/verbs.h"
#include "finetune/config/run_config.h"
#include "storage/database.h"

namespace afina::app {

struct TrainArguments {
  finetune::RunKind kind = finetune::RunKind::sft;
  std::string model, data, snapshot, eval, start_adapter, out, config, name, base_model;
  std::vector<std::string> assignments;
  int threads = 0;
  bool resume = false, json = false;
};

/// A database where there is one, and what the run needs of it.
struct TrainStorage {
  std::unique_ptr<storage::Database> database;  ///< null: --database none
  std::string snapshot_id, start_adapter_id;
};

}  // namespace afina::app
