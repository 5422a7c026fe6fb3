// SPDX-License-Identifier: Apache-2.0
#include "finetune/config/run_enums.h"

#include "base/words.h"

namespace afina::finetune {
namespace {

constexpr Words<RunKind, 7> kRunKindWords = {{{RunKind::sft, "sft"},
                                              {RunKind::dpo, "dpo"},
                                              {RunKind::kto, "kto"},
                                              {RunKind::cpo, "cpo"},
                                              {RunKind::orpo, "orpo"},
                                              {RunKind::bco, "bco"},
                                              {RunKind::reward, "reward"}}};
constexpr Words<SchedulerType, 10> kSchedulerTypeWords = {
    {{SchedulerType::linear, "linear"},
     {SchedulerType::cosine, "cosine"},
     {SchedulerType::cosine_with_restarts, "cosine_with_restarts"},
     {SchedulerType::polynomial, "polynomial"},
     {SchedulerType::constant, "constant"},
     {SchedulerType::constant_with_warmup, "constant_with_warmup"},
     {SchedulerType::inverse_sqrt, "inverse_sqrt"},
     {SchedulerType::cosine_with_min_lr, "cosine_with_min_lr"},
     {SchedulerType::reduce_lr_on_plateau, "reduce_lr_on_plateau"},
     {SchedulerType::warmup_stable_decay, "warmup_stable_decay"}}};
constexpr Words<OptimiserType, 6> kOptimiserTypeWords = {{{OptimiserType::adamw_torch, "adamw_torch"},
                                                          {OptimiserType::adamw_8bit, "adamw_8bit"},
                                                          {OptimiserType::lion, "lion_32bit"},
                                                          {OptimiserType::adafactor, "adafactor"},
                                                          {OptimiserType::sgd, "sgd"},
                                                          {OptimiserType::muon, "muon"}}};
constexpr Words<ComputeType, 2> kComputeTypeWords = {
    {{ComputeType::float32, "float32"}, {ComputeType::bfloat16, "bfloat16"}}};
constexpr Words<DeviceType, 2> kDeviceTypeWords = {{{DeviceType::cpu, "cpu"}, {DeviceType::cuda, "cuda"}}};
constexpr Words<ReferencePolicy, 2> kReferencePolicyWords = {
    {{ReferencePolicy::start, "start"}, {ReferencePolicy::base, "base"}}};
constexpr Words<LabelMode, 2> kLabelModeWords = {{{LabelMode::soft, "soft"}, {LabelMode::hard, "hard"}}};
constexpr Words<LossSum, 2> kLossSumWords = {{{LossSum::float32, "float32"}, {LossSum::float64, "float64"}}};
constexpr Words<BadRows, 2> kBadRowsWords = {{{BadRows::error, "error"}, {BadRows::drop, "drop"}}};
constexpr Words<LongRows, 4> kLongRowsWords = {
    {{LongRows::cut, "cut"}, {LongRows::keep, "keep"}, {LongRows::drop, "drop"}, {LongRows::error, "error"}}};
constexpr Words<PackingStrategy, 3> kPackingStrategyWords = {
    {{PackingStrategy::bfd, "bfd"}, {PackingStrategy::bfd_split, "bfd_split"}, {PackingStrategy::wrapped, "wrapped"}}};
constexpr Words<FDivergence, 4> kFDivergenceWords = {{{FDivergence::reverse_kl, "reverse_kl"},
                                                      {FDivergence::forward_kl, "forward_kl"},
                                                      {FDivergence::js_divergence, "js_divergence"},
                                                      {FDivergence::alpha_divergence, "alpha_divergence"}}};
constexpr Words<RecomputeChoice, 4> kRecomputeChoiceWords = {{{RecomputeChoice::automatic, "auto"},
                                                              {RecomputeChoice::none, "none"},
                                                              {RecomputeChoice::gate_up, "gate_up"},
                                                              {RecomputeChoice::layer, "layer"}}};
// Other spellings that people's configs have.
constexpr Words<OptimiserType, 3> kOptimiserAliases = {{{OptimiserType::adamw_torch, "adamw_torch_fused"},
                                                        {OptimiserType::adamw_8bit, "adamw_bnb_8bit"},
                                                        {OptimiserType::lion, "lion"}}};

}  // namespace

std::string_view to_string(RunKind value) {
  return word_of(kRunKindWords, value);
}
std::string_view to_string(SchedulerType value) {
  return word_of(kSchedulerTypeWords, value);
}
std::string_view to_string(OptimiserType value) {
  return word_of(kOptimiserTypeWords, value);
}
std::string_view to_string(ComputeType value) {
  return word_of(kComputeTypeWords, value);
}
std::string_view to_string(DeviceType value) {
  return word_of(kDeviceTypeWords, value);
}

std::string_view to_string(ReferencePolicy value) {
  return word_of(kReferencePolicyWords, value);
}
std::string_view to_string(LabelMode value) {
  return word_of(kLabelModeWords, value);
}
std::string_view to_string(LossSum value) {
  return word_of(kLossSumWords, value);
}
std::string_view to_string(BadRows value) {
  return word_of(kBadRowsWords, value);
}
std::string_view to_string(LongRows value) {
  return word_of(kLongRowsWords, value);
}
std::string_view to_string(PackingStrategy value) {
  return word_of(kPackingStrategyWords, value);
}
std::string_view to_string(FDivergence value) {
  return word_of(kFDivergenceWords, value);
}
std::string_view to_string(RecomputeChoice value) {
  return word_of(kRecomputeChoiceWords, value);
}

bool from_string(std::string_view word, RunKind& out) {
  return value_of(kRunKindWords, word, out);
}
bool from_string(std::string_view word, SchedulerType& out) {
  return value_of(kSchedulerTypeWords, word, out);
}
bool from_string(std::string_view word, OptimiserType& out) {
  return value_of(kOptimiserTypeWords, word, out) || value_of(kOptimiserAliases, word, out);
}
bool from_string(std::string_view word, ComputeType& out) {
  return value_of(kComputeTypeWords, word, out);
}
bool from_string(std::string_view word, DeviceType& out) {
  return value_of(kDeviceTypeWords, word, out);
}

bool from_string(std::string_view word, ReferencePolicy& out) {
  return value_of(kReferencePolicyWords, word, out);
}
bool from_string(std::string_view word, LabelMode& out) {
  return value_of(kLabelModeWords, word, out);
}
bool from_string(std::string_view word, LossSum& out) {
  return value_of(kLossSumWords, word, out);
}
bool from_string(std::string_view word, BadRows& out) {
  return value_of(kBadRowsWords, word, out);
}
bool from_string(std::string_view word, LongRows& out) {
  return value_of(kLongRowsWords, word, out);
}
bool from_string(std::string_view word, PackingStrategy& out) {
  return value_of(kPackingStrategyWords, word, out);
}
bool from_string(std::string_view word, FDivergence& out) {
  return value_of(kFDivergenceWords, word, out);
}
bool from_string(std::string_view word, RecomputeChoice& out) {
  return value_of(kRecomputeChoiceWords, word, out);
}

}  // namespace afina::finetune
