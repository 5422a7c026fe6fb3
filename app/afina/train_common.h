// SPDX-License-Identifier: Apache-2.0
// What `afina sft` and `afina dpo` share: arguments, rows from a file or a snapshot, the run's place in the database,
// and the last lines that name what was written.
#pragma once
#include <string>

#include "app/afina/verbs.h"
#include "finetune/config/run_config.h"

namespace afina::app {

/// Adds the verb of this kind with all its options.
void add_train_verb(CLI::App& app, Context& context, finetune::RunKind kind, const std::string& description);

}  // namespace afina::app
