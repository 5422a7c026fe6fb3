// SPDX-License-Identifier: Apache-2.0
// The proof before anything is published: the files just written are loaded again and their logits compared with those
// of base + adapter on stored prompts. It catches a wrong scale, inert keys, a permutation forgotten, and rounding that
// erases what training taught (a 4-bit merge can).
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "evaluation/gate_prompts.h"
#include "model/adapter.h"
#include "model/training_model.h"

namespace afina::evaluation {

/// Logits [T, V] of each prompt, every position.
using PromptLogits = std::vector<at::Tensor>;
PromptLogits prompt_logits(model::TrainingModel& model, const model::Adapter* adapter,
                           const std::vector<GatePrompt>& prompts);

/// What may part the published model from base + adapter.
struct GateTolerance {
  double logit = 2e-4;        ///< largest |difference| of a logit, times max(1, largest |logit| / 10); exact types
  double divergence = 1e-6;   ///< largest mean KL divergence a token over a prompt, nats
  double effect_share = 0.5;  ///< mean divergence at most this share of what the adapter itself changed
  bool rounded = false;       ///< weights were rounded: logit is not asked for
};
/// By the type the weights were written in: F32 exact; F16, BF16, Q8_0 and 4-bit types by divergence.
GateTolerance tolerance_of(const std::string& type_word);

struct GateRow {
  std::string prompt;
  double max_logit_difference = 0;
  double mean_divergence = 0;  ///< KL(base + adapter ‖ published), nats a token
  double effect = 0;           ///< KL(base + adapter ‖ base): what the adapter changed
  double top1_agreement = 0;   ///< share of positions with the same likeliest token
  int worst_position = 0, worst_id = 0;
};

struct GateReport {
  std::vector<GateRow> rows;
  double max_logit_difference = 0, mean_divergence = 0, effect = 0, top1_agreement = 0;
  GateTolerance tolerance;
  bool passed = false;
  std::string reason;  ///< where they part and what to do; empty where passed
  OrderedJson json() const;
};

/// wanted: base + adapter; base: the bare base (for the adapter's effect); published: of the files.
GateReport compare_logits(const std::vector<GatePrompt>& prompts, const PromptLogits& wanted, const PromptLogits& base,
                          const PromptLogits& published, const GateTolerance& tolerance);

}  // namespace afina::evaluation
