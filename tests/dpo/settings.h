// SPDX-License-Identifier: Apache-2.0
// Every objective and loss type with settings away from the defaults, and a batch of rows of its kind.
#pragma once
#include <ostream>
#include <string>
#include <vector>

#include "dpo/make_objective.h"
#include "tests/dpo/batches.h"

namespace afina::dpo {

struct Setting {
  std::string name;
  ObjectiveOptions options;
};
inline void PrintTo(const Setting& setting, std::ostream* out) {
  *out << setting.name;
}

inline Setting dpo_setting(const std::string& type, double label_smoothing = 0.0) {
  Setting out{type, {.kind = "dpo", .loss_type = {type}, .beta = 0.3, .label_smoothing = label_smoothing}};
  out.options.tie_parameter = 1.7;
  return out;
}

inline std::vector<Setting> settings() {
  std::vector<Setting> out;
  for (const char* type : {"hinge", "ipo", "nca_pair", "bco_pair", "sppo_hard", "apo_zero", "apo_down", "discopop",
                           "sft", "davidson", "rao_kupper", "plackett_luce"})
    out.push_back(dpo_setting(type));
  for (const char* type : {"sigmoid", "exo_pair", "robust", "sigmoid_norm", "aot", "aot_unpaired"})
    out.push_back(dpo_setting(type, 0.1));
  for (const char* divergence : {"forward_kl", "js_divergence", "alpha_divergence"}) {
    out.push_back(dpo_setting("sigmoid"));
    out.back().name = divergence;
    out.back().options.f_divergence_type = divergence;
  }
  Setting mixed{"mpo", {.kind = "dpo", .loss_type = {"sigmoid", "bco_pair", "sft"}, .loss_weights = {0.8, 0.2, 1.5}}};
  out.push_back(mixed);
  mixed.name = "wpo";
  mixed.options.use_weighting = true;
  out.push_back(mixed);
  for (const char* type : {"kto", "apo_zero_unpaired"})
    out.push_back({type, {.kind = "kto", .loss_type = {type}, .desirable_weight = 1.3, .undesirable_weight = 0.6}});
  out.push_back({"bco", {.kind = "bco"}});
  for (const char* type : {"sigmoid", "hinge", "ipo", "simpo"})
    out.push_back({std::string("cpo_") + type, {.kind = "cpo", .loss_type = {type}, .cpo_alpha = 0.7}});
  out.push_back({"orpo", {.kind = "orpo"}});
  out.push_back({"orpo_answers_alone", {.kind = "orpo", .nll_on_prompt = false}});
  out.push_back({"reward", {.kind = "reward", .center_rewards_coefficient = 0.05}});
  out.push_back({"sft_run", {.kind = "sft"}});
  return out;
}

inline bool is(const Setting& setting, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (setting.name == name) return true;
  return false;
}

/// Three rows of the setting's kind with all the labels it takes.
inline datasets::PackedBatch labelled_batch(const Setting& setting) {
  const std::string& kind = setting.options.kind;
  const bool unpaired = kind == "kto" || kind == "bco", one = kind == "bco" || kind == "sft";
  std::vector<std::vector<Answer>> examples;
  for (const int n : {1, 2, 3}) {
    std::vector<Answer> answers{{0, n}};
    if (!one) answers.push_back({1, 4 - n});
    if (kind == "reward") answers = {{0, 1}, {1, 1}};
    if (setting.name == "plackett_luce" && n > 1) answers.push_back({2, 2});
    if (kind == "orpo") answers.insert(answers.begin(), {datasets::kPromptSide, 2});
    examples.push_back(answers);
  }
  auto batch = batch_of(examples);
  if (is(setting, {"aot", "aot_unpaired"}) || kind == "sft") return batch;
  for (auto& example : batch.examples) {
    example.weight = 0.5 + static_cast<double>(example.row);
    if (setting.name == "plackett_luce" && example.row > 0) continue;
    example.soft_label = 0.6 + 0.2 * static_cast<double>(example.row);
    example.tie = example.row == 1 ? 0.3 : 0.0;
    if (!unpaired) example.margin = 0.2 - 0.1 * static_cast<double>(example.row);
  }
  if (kind == "dpo") batch.targets[1].weight = 0.25F;
  return batch;
}

/// One number a target, none equal to another.
inline std::vector<double> values_of(size_t n, double first, double step) {
  std::vector<double> out;
  for (size_t i = 0; i < n; ++i)
    out.push_back(first - step * static_cast<double>((i * 7) % 11) - 0.013 * static_cast<double>(i));
  return out;
}

}  // namespace afina::dpo
