// SPDX-License-Identifier: Apache-2.0
// A run's place in the database and its last lines: the run's row, the registered adapter, what became of it.
#pragma once
#include "app/afina/train_common.h"
#include "finetune/database_run.h"
#include "finetune/train_job.h"

namespace afina::app {

/// --name, or one made of kind, folder and run.
std::string adapter_name(const TrainArguments& arguments, const std::string& run_id);
/// Hours of training must not end in "this name is taken". Throws Conflict.
void require_free_name(const TrainStorage& storage, const std::string& name, const std::string& run_id);
storage::Run run_row(const TrainArguments& arguments, const TrainStorage& storage, const finetune::TrainJob& job,
                     const std::string& name);
void register_adapter(const TrainArguments& arguments, const TrainStorage& storage, finetune::TrainJob& job,
                      const finetune::TrainReport& report, const std::string& name);
/// Whatever the training threw is told to the database, which must not hide it.
void record_failure(finetune::DatabaseRun* run, const std::exception& error);
/// To stdout: for people, or one JSON object. first_step_after_s: from the start of the process to its first step.
void print_train_report(const TrainArguments& arguments, const TrainStorage& storage, const finetune::TrainJob& job,
                        const finetune::TrainReport& report, const std::string& name, double first_step_after_s);

}  // namespace afina::app
