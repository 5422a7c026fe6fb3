// SPDX-License-Identifier: Apache-2.0
#include "dpo/make_objective.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "dpo/bco_loss.h"
#include "dpo/cpo_loss.h"
#include "dpo/kto_loss.h"
#include "dpo/orpo_loss.h"
#include "dpo/preference_loss.h"
#include "dpo/ranking_loss.h"
#include "dpo/reward_loss.h"
#include "dpo/sft_loss.h"

namespace afina::dpo {
namespace {

using Words = std::vector<std::string>;
using Sentences = std::vector<std::string>;

const Words kKinds{"sft", "dpo", "kto", "cpo", "orpo", "bco", "reward"};
const Words kCpoTypes{"sigmoid", "hinge", "ipo", "simpo"};
const Words kKtoTypes{"kto", "apo_zero_unpaired"};
const Words kDivergences{"reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"};

bool contains(const Words& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string listed(const Words& words) {
  std::string out;
  for (const auto& word : words)
    out += out.empty() ? word : cat(", ", word);
  return out;
}

Words types_of(const ObjectiveOptions& options) {
  if (!options.loss_type.empty()) return options.loss_type;
  return {options.kind == "kto" ? "kto" : "sigmoid"};
}

void check_word(std::string_view key, const std::string& word, const Words& known, Sentences& out) {
  if (contains(known, word)) return;
  const std::string near = nearest_name(word, known);
  out.push_back(cat(key, " must be one of ", listed(known), ", but got '", word, "'",
                    near.empty() ? "" : cat("; did you mean ", near, "?")));
}

void check_one_of(const ObjectiveOptions& options, const Words& known, Sentences& out) {
  if (options.loss_type.size() > 1)
    out.push_back(cat("loss_type of ", options.kind, " must be one word, but got ", options.loss_type.size()));
  for (const auto& word : options.loss_type)
    check_word("loss_type", word, known, out);
}

template <typename Predicate>
bool any_type(const Words& types, const Predicate& predicate) {
  return std::any_of(types.begin(), types.end(), [&](const std::string& word) {
    const auto type = loss_type_of(word);
    return type && predicate(info(*type));
  });
}

/// Settings that only some kinds or types read: refused elsewhere, so that none does nothing in silence.
void check_unused(const ObjectiveOptions& options, Sentences& out) {
  const bool dpo = options.kind == "dpo";
  const Words types = types_of(options);
  const bool cpo_smooths = options.kind == "cpo" && (contains(types, "sigmoid") || contains(types, "simpo"));
  const bool dpo_smooths = dpo && any_type(types, [](const TypeInfo& type) { return type.smooths; });
  const bool dpo_scores = dpo && any_type(types, [](const TypeInfo& type) { return type.scores(); });
  if (options.label_smoothing != 0.0 && !cpo_smooths && !dpo_smooths)
    out.push_back(cat("label_smoothing must be 0 where no loss_type uses it, but is ", options.label_smoothing));
  if (!dpo && !options.loss_weights.empty()) out.push_back("loss_weights must be empty except in dpo");
  if (!dpo && options.use_weighting) out.push_back("use_weighting must be off except in dpo");
  if (options.f_divergence_type != "reverse_kl" && !dpo_scores)
    out.push_back(
        "f_divergence_type must be reverse_kl where no loss_type uses it: nca_pair, bco_pair, sppo_hard, apo_zero, "
        "apo_down, aot and aot_unpaired take the log-ratios themselves");
}

void check_ties(const ObjectiveOptions& options, const Words& types, Sentences& out) {
  if (contains(types, "rao_kupper") && !(options.tie_parameter > 1.0))
    out.push_back(cat("tie_parameter of rao_kupper must be above 1, but is ", options.tie_parameter, "; 3 is usual"));
  if (contains(types, "davidson") && !(options.tie_parameter > 0.0))
    out.push_back(cat("tie_parameter of davidson must be above 0, but is ", options.tie_parameter, "; 1 is usual"));
  if (contains(types, "davidson") && contains(types, "rao_kupper"))
    out.push_back("loss_type must have one model of ties, but has davidson and rao_kupper with one tie_parameter");
}

void check_dpo(const ObjectiveOptions& options, Sentences& out) {
  const Words types = types_of(options);
  const auto has = [&](const char* word) { return contains(types, word); };
  for (const auto& word : types)
    check_word("loss_type", word, loss_type_words(), out);
  if (!options.loss_weights.empty() && options.loss_weights.size() != types.size())
    out.push_back(cat("loss_weights must have one number for each loss_type, but has ", options.loss_weights.size(),
                      " for ", types.size()));
  for (const double weight : options.loss_weights)
    if (!std::isfinite(weight)) out.push_back(cat("loss_weights must be finite, but one is ", weight));
  if (has("plackett_luce") && types.size() > 1)
    out.push_back("plackett_luce must stand alone: it takes rankings, the other loss types take pairs");
  if (has("plackett_luce") && options.use_weighting)
    out.push_back("use_weighting must be off with plackett_luce: WPO weighs pairs");
  if (options.use_weighting && (has("aot") || has("aot_unpaired")))
    out.push_back("use_weighting must be off with aot and aot_unpaired: sorted samples have no pairs to weigh");
  if (options.use_weighting && types == Words{"sft"})
    out.push_back("use_weighting must be off with sft alone: WPO weighs pairs");
  if (has("exo_pair") && !(options.label_smoothing > 0.0))
    out.push_back("label_smoothing of exo_pair must be above 0, as 0.001: its formula has the logarithm of it");
  if (has("discopop") && !(options.discopop_tau > 0.0))
    out.push_back(cat("discopop_tau must be above 0, but is ", options.discopop_tau));
  check_word("f_divergence_type", options.f_divergence_type, kDivergences, out);
  check_ties(options, types, out);
}

void check_numbers(const ObjectiveOptions& options, Sentences& out) {
  const auto least = [&](const char* key, double value) {
    if (!(value >= 0.0) || !std::isfinite(value)) out.push_back(cat(key, " must be 0 or more, but is ", value));
  };
  if (!(options.beta > 0.0) || !std::isfinite(options.beta))
    out.push_back(cat("beta must be above 0, but is ", options.beta, "; 0.1 is usual"));
  if (!(options.label_smoothing >= 0.0 && options.label_smoothing < 0.5))
    out.push_back(cat("label_smoothing must be 0 or more and below 0.5, but is ", options.label_smoothing));
  least("desirable_weight", options.desirable_weight);
  least("undesirable_weight", options.undesirable_weight);
  least("cpo_alpha", options.cpo_alpha);
  least("center_rewards_coefficient", options.center_rewards_coefficient);
  if (options.kind == "cpo" && !std::isfinite(options.simpo_gamma)) out.push_back("simpo_gamma must be finite");
}

std::unique_ptr<Objective> make_dpo(const ObjectiveOptions& options) {
  const Words words = types_of(options);
  if (words == Words{"plackett_luce"}) return std::make_unique<RankingLoss>(options.beta);
  PreferenceOptions out;
  out.types.clear();
  for (size_t i = 0; i < words.size(); ++i)
    out.types.push_back({*loss_type_of(words[i]), options.loss_weights.empty() ? 1.0 : options.loss_weights[i]});
  const auto place = std::find(kDivergences.begin(), kDivergences.end(), options.f_divergence_type);
  out.divergence = static_cast<Divergence>(place - kDivergences.begin());
  out.beta = options.beta;
  out.label_smoothing = options.label_smoothing;
  out.alpha = options.f_alpha_divergence_coef;
  out.use_weighting = options.use_weighting;
  out.discopop_tau = options.discopop_tau;
  out.tie_parameter = options.tie_parameter;
  return std::make_unique<PreferenceLoss>(std::move(out));
}

std::unique_ptr<Objective> make_cpo(const ObjectiveOptions& options) {
  const auto place = std::find(kCpoTypes.begin(), kCpoTypes.end(), types_of(options)[0]);
  return std::make_unique<CpoLoss>(CpoOptions{static_cast<CpoType>(place - kCpoTypes.begin()), options.beta,
                                              options.label_smoothing, options.cpo_alpha, options.simpo_gamma});
}

}  // namespace

const std::vector<std::string>& loss_type_words() {
  static const Words words = [] {
    Words out;
    for (const auto& entry : type_table())
      out.emplace_back(entry.word);
    return out;
  }();
  return words;
}

std::vector<std::string> problems(const ObjectiveOptions& options) {
  Sentences out;
  check_word("the kind of run", options.kind, kKinds, out);
  if (!out.empty() || options.kind == "sft") return out;
  check_numbers(options, out);
  if (options.kind == "dpo") check_dpo(options, out);
  if (options.kind == "cpo") check_one_of(options, kCpoTypes, out);
  if (options.kind == "kto") check_one_of(options, kKtoTypes, out);
  if (contains({"orpo", "bco", "reward"}, options.kind) && !options.loss_type.empty())
    out.push_back(
        cat("loss_type must be empty in ", options.kind, ", which has one loss, but is ", listed(options.loss_type)));
  check_unused(options, out);
  return out;
}

std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options) {
  const Sentences found = problems(options);
  if (!found.empty()) {
    std::string all;
    for (const auto& sentence : found)
      all += all.empty() ? sentence : cat("; ", sentence);
    throw UsageError(cat("[dpo.objective] ", all, "."));
  }
  if (options.kind == "dpo") return make_dpo(options);
  if (options.kind == "cpo") return make_cpo(options);
  if (options.kind == "kto")
    return std::make_unique<KtoLoss>(
        KtoOptions{types_of(options)[0] == "kto", options.beta, options.desirable_weight, options.undesirable_weight});
  if (options.kind == "orpo") return std::make_unique<OrpoLoss>(options.beta, options.nll_on_prompt);
  if (options.kind == "bco") return std::make_unique<BcoLoss>(options.beta);
  if (options.kind == "reward") return std::make_unique<RewardLoss>(options.center_rewards_coefficient);
  return std::make_unique<SftLoss>();
}

bool needs_prompt_targets(const ObjectiveOptions& options) {
  return options.kind == "orpo" && options.nll_on_prompt;
}

bool needs_mismatched_answers(const ObjectiveOptions& options) {
  return options.kind == "kto" && types_of(options)[0] == "kto";
}

}  // namespace afina::dpo
