// SPDX-License-Identifier: Apache-2.0
// From a run's words and numbers to its objective: the one place that knows which settings belong together.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "dpo/objective.h"

namespace afina::dpo {

/// What a run says about its objective, under TRL's names; one that the kind does not use is ignored unless problems()
/// says otherwise.
struct ObjectiveOptions {
  std::string kind = "sft";  ///< sft, dpo, kto, cpo, orpo, bco or reward
  /// dpo: any of loss_type_words(), several summed; cpo: sigmoid, hinge, ipo or simpo; kto: kto or apo_zero_unpaired.
  /// Empty: sigmoid, kto.
  std::vector<std::string> loss_type;
  std::vector<double> loss_weights;  ///< one a loss_type; empty: 1 each
  double beta = 0.1;                 ///< > 0
  double label_smoothing = 0.0;      ///< 0 <= e < 0.5
  std::string f_divergence_type = "reverse_kl";
  double f_alpha_divergence_coef = 0.5;
  bool use_weighting = false;  ///< WPO
  double discopop_tau = 0.05;  ///< > 0
  double tie_parameter = 1.0;  ///< davidson: ν > 0; rao_kupper: θ > 1
  double desirable_weight = 1.0, undesirable_weight = 1.0;
  double cpo_alpha = 1.0, simpo_gamma = 0.5;
  bool nll_on_prompt = true;  ///< orpo
  double center_rewards_coefficient = 0.0;
};

/// Sentences about settings that cannot be, or that would do nothing; empty where the options are good.
std::vector<std::string> problems(const ObjectiveOptions& options);

/// Throws one UsageError that lists problems().
std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options);

/// Whether the batches must hold each prompt's own targets (Sequence::side kPromptSide): orpo with nll_on_prompt.
bool needs_prompt_targets(const ObjectiveOptions& options);
/// Whether each unpaired row must come with a mismatched answer (Sequence::side 1): kto's KL term.
bool needs_mismatched_answers(const ObjectiveOptions& options);

/// The loss types of dpo: TRL's, then ours (davidson, rao_kupper, plackett_luce).
const std::vector<std::string>& loss_type_words();

}  // namespace afina::dpo
