// SPDX-License-Identifier: Apache-2.0
// The words of a run's config, as enums: one table each, so that parsing, --help and the stored record agree. No
// LibTorch.
#pragma once
#include <string>
#include <string_view>

namespace afina::finetune {

/// What is trained, and on which rows: sft rows; dpo, cpo, orpo, reward pairs (dpo also rankings); kto, bco unpaired
/// rows.
enum class RunKind { sft, dpo, kto, cpo, orpo, bco, reward };
/// transformers' SchedulerType; their settings are lr_scheduler_kwargs.
enum class SchedulerType {
  linear,
  cosine,
  cosine_with_restarts,
  polynomial,
  constant,
  constant_with_warmup,
  inverse_sqrt,
  cosine_with_min_lr,
  reduce_lr_on_plateau,
  warmup_stable_decay
};
/// transformers' OptimizerNames. Also read: adamw_torch_fused, adamw_bnb_8bit, lion.
enum class OptimiserType { adamw_torch, adamw_8bit, lion, adafactor, sgd, muon };
/// Arithmetic of the frozen products; the rest is float32 in both.
enum class ComputeType { float32, bfloat16 };
/// Where the frozen weights lie and passes are computed; the optimiser works on the host.
enum class DeviceType { cpu, cuda };
/// start: the policy at step 0 (the peers' rule for a fresh adapter, and the right one when DPO continues an SFT
/// adapter); base: the bare base model whatever the starting adapter.
enum class ReferencePolicy { start, base };
/// soft: q from the judgements; hard: q = 1, exact ties dropped.
enum class LabelMode { soft, hard };
/// How the softmax over the vocabulary is normalised: float32 as the peers' cross_entropy (SFT's default), float64
/// exactly (DPO's, whose peers are exact too).
enum class LossSum { float32, float64 };
/// A row whose prompt alone fills max_length, or that has nothing to train: stop and name it, or leave it out and count
/// it.
enum class BadRows { error, drop };
/// A row longer than max_length whose prompt fits: cut its end, keep it whole, leave it out and count it, or stop and
/// name it.
enum class LongRows { cut, keep, drop, error };
/// TRL's packing_strategy. bfd: whole rows by best fit decreasing; bfd_split: longer rows cut into pieces first;
/// wrapped: all rows joined and cut every max_length tokens (pre-training; rows then see each other).
enum class PackingStrategy { bfd, bfd_split, wrapped };
/// TRL's f_divergence_type.
enum class FDivergence { reverse_kl, forward_kl, js_divergence, alpha_divergence };
/// What backward computes again instead of keeping; automatic: what the memory plan needs, cheapest first.
enum class RecomputeChoice { automatic, none, gate_up, layer };

std::string_view to_string(RunKind value);
std::string_view to_string(SchedulerType value);
std::string_view to_string(OptimiserType value);
std::string_view to_string(ComputeType value);
std::string_view to_string(DeviceType value);
std::string_view to_string(ReferencePolicy value);
std::string_view to_string(LabelMode value);
std::string_view to_string(LossSum value);
std::string_view to_string(BadRows value);
std::string_view to_string(LongRows value);
std::string_view to_string(PackingStrategy value);
std::string_view to_string(FDivergence value);
std::string_view to_string(RecomputeChoice value);
bool from_string(std::string_view word, RunKind& out);
bool from_string(std::string_view word, SchedulerType& out);
bool from_string(std::string_view word, OptimiserType& out);
bool from_string(std::string_view word, ComputeType& out);
bool from_string(std::string_view word, DeviceType& out);
bool from_string(std::string_view word, ReferencePolicy& out);
bool from_string(std::string_view word, LabelMode& out);
bool from_string(std::string_view word, LossSum& out);
bool from_string(std::string_view word, BadRows& out);
bool from_string(std::string_view word, LongRows& out);
bool from_string(std::string_view word, PackingStrategy& out);
bool from_string(std::string_view word, FDivergence& out);
bool from_string(std::string_view word, RecomputeChoice& out);

}  // namespace afina::finetune
