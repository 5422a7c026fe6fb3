// SPDX-License-Identifier: Apache-2.0
// The words of dpo's loss_type and what each of them reads, as one table.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

namespace afina::dpo {

enum class LossType {
  sigmoid,
  hinge,
  ipo,
  exo_pair,
  nca_pair,
  robust,
  bco_pair,
  sppo_hard,
  aot,
  aot_unpaired,
  apo_zero,
  apo_down,
  discopop,
  sigmoid_norm,
  sft,
  davidson,
  rao_kupper,
  plackett_luce
};

/// What a type is a function of. margin: z = β(s(a) − s(d)) − m, s the f-divergence's score; mean_margin: the same with
/// each score divided by its answer's number of targets; rewards: β·a and β·d, each with half of m; sorted: the whole
/// micro-batch; likelihood: tokens; ranking: K rewards.
enum class Reads { margin, mean_margin, rewards, sorted, likelihood, ranking };

struct TypeInfo {
  std::string_view word;
  LossType type;
  Reads reads;
  bool smooths;  ///< uses label_smoothing
  /// Uses the f-divergence, as TRL does: the margins, none of the others.
  bool scores() const { return reads == Reads::margin || reads == Reads::mean_margin; }
};

/// In the order of LossType.
const std::vector<TypeInfo>& type_table();
const TypeInfo& info(LossType type);
std::optional<LossType> loss_type_of(std::string_view word);

}  // namespace afina::dpo
