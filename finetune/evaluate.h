// SPDX-License-Identifier: Apache-2.0
// Values of held-out rows under the policy as it is.
#pragma once
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "dpo/objective.h"
#include "finetune/batch_source.h"
#include "finetune/config/metric_names.h"
#include "finetune/config/run_config.h"
#include "finetune/policy.h"
#include "finetune/reference.h"

namespace afina::finetune {

/// Held-out rows and, for objectives with a reference, their values. prefix: of the metrics' names, "eval_" or
/// "eval_annotator_".
struct EvaluationSet {
  const TrainingRows* rows = nullptr;
  ReferenceTable* reference = nullptr;
  std::string prefix = metric::kEvalPrefix;
};

/// Without dropout, over the whole set: prefix + loss (the objective's, with the whole set's divisor),
/// prefix + mean_token_accuracy and prefix + each of the objective's metrics. Empty where it was stopped.
std::vector<std::pair<std::string, double>> evaluate_rows(Policy& policy, dpo::Objective& objective,
                                                          const EvaluationSet& set, const RunConfig& config,
                                                          std::stop_token stop);

}  // namespace afina::finetune
