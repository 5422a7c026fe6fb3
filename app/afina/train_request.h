// SPDX-License-Identifier: Apache-2.0
// From arguments to a request: the effective config, rows from a file or a snapshot, held-out sets, the adapter to go
// on from. Nothing is written.
#pragma once
#include "app/afina/train_common.h"
#include "finetune/train_job.h"

namespace afina::app {

/// Throws as the readers do; NotFound for a misspelt path before anything else.
finetune::TrainRequest make_train_request(const TrainArguments& arguments, TrainStorage& storage);
/// Before a database is opened or started: a misspelt path must leave nothing behind. Throws NotFound.
void require_files(const TrainArguments& arguments);

}  // namespace afina::app
