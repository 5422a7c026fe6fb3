// SPDX-License-Identifier: Apache-2.0
// What the objectives on single judged answers (KTO, BCO) share: an answer is good with probability s, bad otherwise.
#pragma once
#include <span>

#include "dpo/sides.h"

namespace afina::dpo {

/// One judged answer of a micro-batch.
struct JudgedAnswer {
  const datasets::ExampleRef* example = nullptr;
  size_t sequence = 0;
  double logp = 0.0;    ///< log π(y|x), nats
  double reward = 0.0;  ///< β·(log π(y|x) − log ref(y|x))
};

/// The answers of a micro-batch, side 0 of each example. Throws DataError naming the row for more than `most` answers,
/// or a margin other than 0, which a single answer cannot have.
std::vector<JudgedAnswer> judged_answers(const ObjectiveInput& input, std::span<const double> logps, double beta,
                                         size_t most);

/// TRL's names: rewards/chosen and logps/chosen are means over the good answers, …/rejected over the bad ones (a soft
/// label counts in both); rewards/margins is the difference of a micro-batch's two, where it has both.
void add_unpaired_metrics(std::span<const JudgedAnswer> answers, ObjectiveResult& result);

}  // namespace afina::dpo
