// SPDX-License-Identifier: Apache-2.0
// Log-probabilities of given texts, for verbs and probes: packs rows, asks a TrainingModel, unpacks. Whole logits exist
// only for the last position of each row, where its most likely next tokens are asked for.
#pragma once
#include <span>
#include <utility>
#include <vector>

#include "model/training_model.h"

namespace afina::model {

struct Scores {
  std::vector<double> logprobs;             ///< of ids[1..], nats; empty for a row of one id
  std::vector<std::pair<int, double>> top;  ///< (id, log-probability) after the last id, most likely first
};

/// top_k: 0..vocabulary; equal log-probabilities in the order of their ids. adapter null = bare base. Throws DataError
/// for an empty row, an id outside the vocabulary or a row longer than the model computes, UsageError for top_k out of
/// its range.
Scores score(TrainingModel& model, std::span<const int> ids, const Adapter* adapter, int top_k);
/// Many rows, packed together up to max_rows positions a pass; one Scores each, in their order.
std::vector<Scores> score(TrainingModel& model, std::span<const std::vector<int>> rows, const Adapter* adapter,
                          int top_k, int64_t max_rows = 4096);

}  // namespace afina::model
