// SPDX-License-Identifier: Apache-2.0
#include "model/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/kernels/cpu/table.h"

namespace afina::model {
namespace {

uint64_t mix(uint64_t x) {  // splitmix64 (Steele, Lea and Flood, 2014)
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

/// Orders by logit, larger first, then by id: the order of equal logits must not depend on the sort.
bool before(const std::pair<float, int>& a, const std::pair<float, int>& b) {
  return a.first != b.first ? a.first > b.first : a.second < b.second;
}

bool by_id(const std::pair<float, int>& a, const std::pair<float, int>& b) {
  return a.second < b.second;
}

/// Cuts work to the fewest largest entries whose mass reaches `wanted` (Holtzman et al., 2020); returns their mass.
/// Sorts as little as it can: the nucleus is usually a few of many thousand.
template <typename Mass>
double keep_nucleus(std::vector<std::pair<float, int>>& work, double wanted, Mass mass) {
  for (size_t sorted = std::min<size_t>(256, work.size());; sorted = std::min(work.size(), sorted * 8)) {
    if (sorted < work.size())
      std::nth_element(work.begin(), work.begin() + static_cast<int64_t>(sorted), work.end(), before);
    std::sort(work.begin(), work.begin() + static_cast<int64_t>(sorted), before);
    double kept = 0;
    for (size_t i = 0; i < sorted; ++i) {
      kept += mass(work[i]);
      if (kept >= wanted || i + 1 == work.size()) {
        work.resize(i + 1);
        return kept;
      }
    }
  }
}

std::vector<float> adjust(std::span<const float> logits, const SamplingParams& params, const TokenCounts& counts) {
  std::vector<float> adjusted(logits.begin(), logits.end());
  for (const auto& [id, bias] : params.logit_bias)
    adjusted[static_cast<size_t>(id)] += static_cast<float>(bias);
  for (const auto& [id, count] : counts)
    adjusted[static_cast<size_t>(id)] -= static_cast<float>(params.frequency_penalty * count + params.presence_penalty);
  return adjusted;
}

std::vector<std::pair<float, int>> largest(std::span<const float> logits, size_t count) {
  std::vector<std::pair<float, int>> best;
  for (size_t i = 0; count > 0 && i < logits.size(); ++i) {
    const std::pair entry(logits[i], static_cast<int>(i));
    if (best.size() == count && !before(entry, best.back())) continue;
    best.insert(std::upper_bound(best.begin(), best.end(), entry, before), entry);
    if (best.size() > count) best.pop_back();
  }
  return best;
}

int choose(std::span<const float> logits, const SamplingParams& params, uint64_t index,
           std::vector<std::pair<float, int>>& work) {
  const auto n = static_cast<int64_t>(logits.size());
  const float top = kernels::table().max(logits.data(), n);
  const auto greedy = static_cast<int>(std::find(logits.begin(), logits.end(), top) - logits.begin());
  if (greedy == static_cast<int>(n))
    throw ModelError("[generate] logits must be numbers, but the model produced NaN.", "check the adapter's weights");
  if (params.temperature == 0 || params.top_k == 1) return greedy;

  // What lies 40 temperatures below the top has a probability below 5e-18 and only slows the sort.
  const double temperature = params.temperature;
  const auto floor = static_cast<float>(static_cast<double>(top) - 40.0 * temperature);
  work.clear();
  for (int64_t i = 0; i < n; ++i)
    if (logits[static_cast<size_t>(i)] >= floor) work.emplace_back(logits[static_cast<size_t>(i)], static_cast<int>(i));
  if (params.top_k > 0 && static_cast<size_t>(params.top_k) < work.size()) {
    std::nth_element(work.begin(), work.begin() + params.top_k, work.end(), before);
    work.resize(static_cast<size_t>(params.top_k));
    std::sort(work.begin(), work.end(), by_id);  // nth_element leaves an order of its own
  }
  const auto mass = [&](const std::pair<float, int>& entry) {
    return std::exp((static_cast<double>(entry.first) - static_cast<double>(top)) / temperature);
  };
  double kept_mass = 0;
  for (const auto& entry : work)
    kept_mass += mass(entry);
  if (params.top_p < 1) kept_mass = keep_nucleus(work, params.top_p * kept_mass, mass);
  double left = sampling_uniform(params.seed, index) * kept_mass;
  for (const auto& entry : work) {
    left -= mass(entry);
    if (left < 0) return entry.second;
  }
  return work.back().second;
}

}  // namespace

void validate(const SamplingParams& p) {
  const auto require = [](bool holds, const char* rule, double got) {
    if (!holds) throw UsageError(cat("[generate] ", rule, ", but got ", got, "."));
  };
  require(p.max_new_tokens >= 1, "max_new_tokens must be at least 1", p.max_new_tokens);
  require(p.temperature >= 0 && p.temperature <= 10, "temperature must be 0..10", p.temperature);
  require(p.top_p > 0 && p.top_p <= 1, "top_p must be above 0 and at most 1", p.top_p);
  require(p.top_k >= 0, "top_k must be 0 (all) or more", p.top_k);
  require(std::abs(p.frequency_penalty) <= 2, "frequency_penalty must be -2..2", p.frequency_penalty);
  require(std::abs(p.presence_penalty) <= 2, "presence_penalty must be -2..2", p.presence_penalty);
  require(p.top_logprobs >= 0 && p.top_logprobs <= 20, "top_logprobs must be 0..20", p.top_logprobs);
  for (const auto& [id, bias] : p.logit_bias) {
    require(id >= 0, "logit_bias ids must be 0 or more", id);
    require(std::abs(bias) <= 100, "logit_bias must be -100..100", bias);
  }
}

double sampling_uniform(uint64_t seed, uint64_t index) {
  return static_cast<double>(mix(mix(seed) ^ mix(~index)) >> 11) * 0x1p-53;
}

bool penalizes(const SamplingParams& params) {
  return params.frequency_penalty != 0 || params.presence_penalty != 0;
}

TokenScore score_token(std::span<const float> logits, int token, int top_logprobs) {
  const auto& t = kernels::table();
  const auto n = static_cast<int64_t>(logits.size());
  const float top = t.max(logits.data(), n);
  const double log_sum = std::log(t.sum_exp(logits.data(), n, top));
  const auto logprob = [&](int id) {
    return static_cast<double>(logits[static_cast<size_t>(id)]) - static_cast<double>(top) - log_sum;
  };
  TokenScore score{logprob(token), {}};
  for (const auto& [logit, id] : largest(logits, static_cast<size_t>(top_logprobs)))
    score.top.emplace_back(id, logprob(id));
  return score;
}

SampledToken sample(std::span<const float> logits, const SamplingParams& params, uint64_t index,
                    std::vector<std::pair<float, int>>& work, const TokenCounts& counts) {
  int token = 0;
  if (params.logit_bias.empty() && !(penalizes(params) && !counts.empty())) {
    token = choose(logits, params, index, work);
  } else {
    token = choose(adjust(logits, params, counts), params, index, work);
  }
  TokenScore score = score_token(logits, token, params.top_logprobs);
  return {token, score.logprob, std::move(score.top)};
}

}  // namespace afina::model
