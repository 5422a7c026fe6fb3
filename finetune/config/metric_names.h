// SPDX-License-Identifier: Apache-2.0
// Names of what a run records, TRL's where it has one: keys of metrics.jsonl, TensorBoard tags, rows of the database.
// Held-out values carry the prefix eval_.
#pragma once
#include <array>
#include <string>
#include <string_view>

namespace afina::finetune::metric {

inline constexpr const char* kStep = "step";                   ///< optimiser steps done, from 1
inline constexpr const char* kLoss = "loss";                   ///< of the optimiser batch, before its update
inline constexpr const char* kGradNorm = "grad_norm";          ///< before clipping
inline constexpr const char* kLearningRate = "learning_rate";  ///< the one this step used
inline constexpr const char* kEpoch = "epoch";                 ///< rows seen / rows of the data
/// Tokens trained on so far as a trainer without shared prompts would count them: every answer with its prompt, no
/// padding.
inline constexpr const char* kNumTokens = "num_tokens";
inline constexpr const char* kTokensPerSecond = "tokens_per_second";
inline constexpr const char* kMeanTokenAccuracy = "mean_token_accuracy";  ///< share of targets that are the argmax
inline constexpr const char* kEntropy = "entropy";                        ///< nats, mean over targets
inline constexpr const char* kRewardsChosen = "rewards/chosen";
inline constexpr const char* kRewardsRejected = "rewards/rejected";
inline constexpr const char* kRewardsMargins = "rewards/margins";
inline constexpr const char* kRewardsAccuracies = "rewards/accuracies";
inline constexpr const char* kLogpsChosen = "logps/chosen";
inline constexpr const char* kLogpsRejected = "logps/rejected";
inline constexpr const char* kEvalPrefix = "eval_";

/// What the workbench draws first, in this order.
inline constexpr std::array<const char*, 5> kHeadline = {kLoss, kRewardsMargins, kRewardsAccuracies, kLearningRate,
                                                         kTokensPerSecond};

inline std::string eval(std::string_view name) {
  return std::string(kEvalPrefix) + std::string(name);
}

}  // namespace afina::finetune::metric
