// SPDX-License-Identifier: Apache-2.0
#include "dpo/loss_types.h"

namespace afina::dpo {

const std::vector<TypeInfo>& type_table() {
  static const std::vector<TypeInfo> table{
      {"sigmoid", LossType::sigmoid, Reads::margin, true},
      {"hinge", LossType::hinge, Reads::margin, false},
      {"ipo", LossType::ipo, Reads::mean_margin, false},
      {"exo_pair", LossType::exo_pair, Reads::margin, true},
      {"nca_pair", LossType::nca_pair, Reads::rewards, false},
      {"robust", LossType::robust, Reads::margin, true},
      {"bco_pair", LossType::bco_pair, Reads::rewards, false},
      {"sppo_hard", LossType::sppo_hard, Reads::rewards, false},
      {"aot", LossType::aot, Reads::sorted, true},
      {"aot_unpaired", LossType::aot_unpaired, Reads::sorted, true},
      {"apo_zero", LossType::apo_zero, Reads::rewards, false},
      {"apo_down", LossType::apo_down, Reads::rewards, false},
      {"discopop", LossType::discopop, Reads::margin, false},
      {"sigmoid_norm", LossType::sigmoid_norm, Reads::mean_margin, true},
      {"sft", LossType::sft, Reads::likelihood, false},
      {"davidson", LossType::davidson, Reads::margin, false},
      {"rao_kupper", LossType::rao_kupper, Reads::margin, false},
      {"plackett_luce", LossType::plackett_luce, Reads::ranking, false},
  };
  return table;
}

const TypeInfo& info(LossType type) {
  return type_table()[static_cast<size_t>(type)];
}

std::optional<LossType> loss_type_of(std::string_view word) {
  for (const auto& entry : type_table())
    if (entry.word == word) return entry.type;
  return std::nullopt;
}

}  // namespace afina::dpo
