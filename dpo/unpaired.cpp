// SPDX-License-Identifier: Apache-2.0
#include "dpo/unpaired.h"

#include "base/error.h"

namespace afina::dpo {

std::vector<JudgedAnswer> judged_answers(const ObjectiveInput& input, std::span<const double> logps, double beta,
                                         size_t most) {
  std::vector<JudgedAnswer> out;
  for (const auto& example : input.batch.examples) {
    check_label(example);
    if (example.margin != 0.0)
      refuse_row(example, "have margin 0, being a single answer", cat(example.margin), "set margin_scale=0");
    const size_t s = sides_of(input.batch, example, 1, most).answers[0];
    out.push_back({&example, s, logps[s], beta * (logps[s] - input.reference->sequence_logp[s])});
  }
  return out;
}

void add_unpaired_metrics(std::span<const JudgedAnswer> answers, ObjectiveResult& result) {
  double good = 0.0, bad = 0.0, good_reward = 0.0, bad_reward = 0.0, good_logp = 0.0, bad_logp = 0.0;
  for (const auto& answer : answers) {
    const double s = answer.example->soft_label;
    good += s;
    bad += 1.0 - s;
    good_reward += s * answer.reward;
    bad_reward += (1.0 - s) * answer.reward;
    good_logp += s * answer.logp;
    bad_logp += (1.0 - s) * answer.logp;
  }
  const auto add = [&](const char* name, double sum, double weight) {
    if (weight <= 0.0) return;
    result.metric_sums[name] += sum;
    result.metric_weights[name] += weight;
  };
  add("rewards/chosen", good_reward, good);
  add("rewards/rejected", bad_reward, bad);
  add("logps/chosen", good_logp, good);
  add("logps/rejected", bad_logp, bad);
  const auto n = static_cast<double>(answers.size());
  if (good > 0.0 && bad > 0.0) add("rewards/margins", n * (good_reward / good - bad_reward / bad), n);
}

}  // namespace afina::dpo
