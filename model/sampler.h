// SPDX-License-Identifier: Apache-2.0
// One token from one row of logits: greedy, or temperature, top-k and top-p with a counter-based random number, so that
// the choice is a function of (logits, parameters, seed, index) and of nothing that came before.
#pragma once
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/generator.h"

namespace afina::model {

/// Throws UsageError naming the field and its range.
void validate(const SamplingParams& params);

/// Uniform in [0, 1): a function of its arguments alone.
double sampling_uniform(uint64_t seed, uint64_t index);

/// token and the top_logprobs best under softmax(logits): no penalty, bias, temperature or cut.
TokenScore score_token(std::span<const float> logits, int token, int top_logprobs);

struct SampledToken {
  int token = 0;
  double logprob = 0;                            ///< as score_token
  std::vector<std::pair<int, double>> top = {};  ///< as score_token, of params.top_logprobs
};

/// How often each new token of a sequence has occurred.
using TokenCounts = std::unordered_map<int, int>;

/// True where the choice needs TokenCounts.
bool penalizes(const SamplingParams& params);

/// index: number of the new token in its sequence. work is reused space. Ties of the greedy choice go to the lowest id.
/// Ids of logit_bias and counts must lie inside logits.
SampledToken sample(std::span<const float> logits, const SamplingParams& params, uint64_t index,
                    std::vector<std::pair<float, int>>& work, const TokenCounts& counts = {});

}  // namespace afina::model
