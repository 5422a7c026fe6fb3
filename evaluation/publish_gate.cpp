// SPDX-License-Identifier: Apache-2.0
#include "evaluation/publish_gate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace afina::evaluation {
namespace {

// Below this, an adapter changes nothing that could be lost (a fresh one, B = 0).
constexpr double kNoEffect = 1e-8;

/// Mean over positions of KL(p ‖ q), in doubles.
double mean_kl(const at::Tensor& p_TV, const at::Tensor& q_TV) {
  const at::Tensor log_p = at::log_softmax(p_TV.to(at::kDouble), 1), log_q = at::log_softmax(q_TV.to(at::kDouble), 1);
  return (log_p.exp() * (log_p - log_q)).sum(1).mean().item<double>();
}

GateRow compare_prompt(const GatePrompt& prompt, const at::Tensor& wanted, const at::Tensor& base,
                       const at::Tensor& published) {
  GateRow row;
  row.prompt = prompt.text;
  const at::Tensor difference = (wanted - published).abs();
  const at::Tensor flat = difference.flatten();
  const int64_t worst = flat.argmax().item<int64_t>();
  row.max_logit_difference = flat[worst].item<double>();
  row.worst_position = static_cast<int>(worst / wanted.size(1));
  row.worst_id = static_cast<int>(worst % wanted.size(1));
  row.mean_divergence = mean_kl(wanted, published);
  row.effect = mean_kl(wanted, base);
  row.top1_agreement = wanted.argmax(1).eq(published.argmax(1)).to(at::kDouble).mean().item<double>();
  return row;
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

/// Empty where all is well.
std::string verdict(const GateReport& report, double largest_logit) {
  const GateTolerance& t = report.tolerance;
  const double logit_limit = t.logit * std::max(1.0, largest_logit / 10);
  for (const GateRow& row : report.rows) {
    const auto here = [&] {
      return cat("on \"", row.prompt, "\", position ", row.worst_position, ", token ", row.worst_id);
    };
    if (!t.rounded && !(row.max_logit_difference <= logit_limit))
      return cat("logits part by ", short_number(row.max_logit_difference), " (at most ", short_number(logit_limit),
                 ") ", here());
    if (!(row.mean_divergence <= t.divergence))
      return cat("next-token distributions part by ", short_number(row.mean_divergence), " nats a token (at most ",
                 short_number(t.divergence), "), most ", here());
  }
  if (report.effect > kNoEffect && report.mean_divergence > t.effect_share * report.effect)
    return cat("rounding moves the model by ", short_number(report.mean_divergence),
               " nats a token, the adapter itself by ", short_number(report.effect),
               ": what was trained would be lost");
  return "";
}

}  // namespace

PromptLogits prompt_logits(model::TrainingModel& model, const model::Adapter* adapter,
                           const std::vector<GatePrompt>& prompts) {
  PromptLogits out;
  for (const GatePrompt& prompt : prompts) {
    datasets::PackedBatch batch;
    batch.ids = prompt.ids;
    batch.positions.resize(prompt.ids.size());
    std::iota(batch.positions.begin(), batch.positions.end(), 0);
    batch.segments = {{0, static_cast<int>(prompt.ids.size()), 0, 0}};
    out.push_back(model.logits(batch, batch.positions, adapter));
  }
  return out;
}

GateTolerance tolerance_of(const std::string& type_word) {
  if (type_word == "F32") return {};
  GateTolerance t;
  t.rounded = true;
  t.divergence = type_word == "F16" ? 1e-3 : type_word == "BF16" || type_word == "Q8_0" ? 2e-2 : 5e-1;
  return t;
}

GateReport compare_logits(const std::vector<GatePrompt>& prompts, const PromptLogits& wanted, const PromptLogits& base,
                          const PromptLogits& published, const GateTolerance& tolerance) {
  AFINA_CHECK(!prompts.empty() && wanted.size() == prompts.size() && base.size() == prompts.size() &&
                  published.size() == prompts.size(),
              "[gate] every prompt must have its logits");
  GateReport report;
  report.tolerance = tolerance;
  double largest = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    if (wanted[i].sizes() != published[i].sizes())
      throw ModelError(cat("[gate] the published model must have ", wanted[i].size(1), " logits a position, but has ",
                           published[i].size(1), "."));
    report.rows.push_back(compare_prompt(prompts[i], wanted[i], base[i], published[i]));
    largest = std::max(largest, wanted[i].abs().max().item<double>());
  }
  const auto n = static_cast<double>(report.rows.size());
  for (const GateRow& row : report.rows) {
    report.max_logit_difference = std::max(report.max_logit_difference, row.max_logit_difference);
    report.mean_divergence += row.mean_divergence / n;
    report.effect += row.effect / n;
    report.top1_agreement += row.top1_agreement / n;
  }
  report.reason = verdict(report, largest);
  report.passed = report.reason.empty();
  return report;
}

OrderedJson GateReport::json() const {
  OrderedJson prompts = OrderedJson::array();
  for (const GateRow& row : rows)
    prompts.push_back({{"prompt", row.prompt},
                       {"max_logit_difference", row.max_logit_difference},
                       {"mean_divergence", row.mean_divergence},
                       {"adapter_effect", row.effect},
                       {"top1_agreement", row.top1_agreement}});
  return {{"passed", passed},
          {"reason", reason},
          {"max_logit_difference", max_logit_difference},
          {"mean_divergence", mean_divergence},
          {"adapter_effect", effect},
          {"top1_agreement", top1_agreement},
          {"prompts", prompts}};
}

}  // namespace afina::evaluation
