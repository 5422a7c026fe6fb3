// SPDX-License-Identifier: Apache-2.0
// Everything a training run is told, as one plain aggregate: read from a JSON file and --set, shown by --help and the
// workbench's form, stored with the run. Keys are the peers' (transformers, TRL, PEFT) where one exists. No LibTorch.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/config_fields.h"

namespace afina::finetune {

enum class RunKind { sft, dpo };
enum class SchedulerType { linear, cosine, constant, constant_with_warmup };
enum class ComputeType { float32, bfloat16 };
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

std::string_view to_string(RunKind value);
std::string_view to_string(SchedulerType value);
std::string_view to_string(ComputeType value);
std::string_view to_string(ReferencePolicy value);
std::string_view to_string(LabelMode value);
std::string_view to_string(LossSum value);
std::string_view to_string(BadRows value);
bool from_string(std::string_view word, RunKind& out);
bool from_string(std::string_view word, SchedulerType& out);
bool from_string(std::string_view word, ComputeType& out);
bool from_string(std::string_view word, ReferencePolicy& out);
bool from_string(std::string_view word, LabelMode& out);
bool from_string(std::string_view word, LossSum& out);
bool from_string(std::string_view word, BadRows& out);

/// Defaults are those of SFT; default_config(kind) gives either's. Sources: transformers TrainingArguments, TRL
/// SFTConfig and DPOConfig, TRL's advice of ten times the full fine-tuning rate for LoRA.
struct RunConfig {
  double learning_rate = 2e-4;
  SchedulerType lr_scheduler_type = SchedulerType::linear;
  int64_t warmup_steps = 0;
  double warmup_ratio = 0.0;
  int64_t max_steps = -1;
  double num_train_epochs = 3.0;
  int64_t per_device_train_batch_size = 8;
  int64_t gradient_accumulation_steps = 1;
  int64_t tokens_per_micro_batch = 4096;
  double weight_decay = 0.0;
  double max_grad_norm = 1.0;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_epsilon = 1e-8;
  int64_t r = 16;
  double lora_alpha = 32.0;
  double lora_dropout = 0.0;
  std::vector<std::string> target_modules = {"all-linear"};
  bool use_rslora = false;
  bool use_dora = false;
  bool lora_bias = false;
  std::string init_lora_weights = "true";
  std::vector<std::string> layers_to_transform;  ///< numbers
  std::vector<std::string> rank_pattern;         ///< "q_proj=8"
  std::vector<std::string> alpha_pattern;        ///< "q_proj=16"
  bool load_in_4bit = false;
  bool bnb_4bit_use_double_quant = true;
  int64_t max_length = 1024;
  BadRows bad_rows = BadRows::error;
  double beta = 0.1;
  ReferencePolicy reference = ReferencePolicy::start;
  LabelMode label_mode = LabelMode::soft;
  double margin_scale = 0.0;
  int64_t seed = 42;
  bool shuffle = true;
  bool packing = false;
  ComputeType dtype = ComputeType::float32;
  LossSum loss_sum = LossSum::float32;
  int64_t logging_steps = 1;
  int64_t save_steps = 500;
  int64_t eval_steps = 0;
  int64_t save_total_limit = 3;
};

template <typename Config, typename Visitor>
void for_each_optimiser_field(Config& c, Visitor&& visit) {
  visit("learning_rate", c.learning_rate,
        FieldInfo{"peak step size; LoRA bears about ten times full fine-tuning's", 0, 10});
  visit("lr_scheduler_type", c.lr_scheduler_type, FieldInfo{"linear, cosine, constant or constant_with_warmup"});
  visit("warmup_steps", c.warmup_steps, FieldInfo{"steps from 0 up to the peak; wins over warmup_ratio", 0, 1e9});
  visit("warmup_ratio", c.warmup_ratio, FieldInfo{"warm-up as a share of all steps, rounded up", 0, 1});
  visit("max_steps", c.max_steps, FieldInfo{"optimiser steps; -1 takes num_train_epochs", -1, 1e9});
  visit("num_train_epochs", c.num_train_epochs, FieldInfo{"passes over the data where max_steps is -1", 0, 1e6});
  visit("per_device_train_batch_size", c.per_device_train_batch_size,
        FieldInfo{"rows (or pairs) a micro-batch; with packing, packs of max_length tokens", 1, 1e6});
  visit("gradient_accumulation_steps", c.gradient_accumulation_steps,
        FieldInfo{"micro-batches an optimiser step", 1, 1e6});
  visit("tokens_per_micro_batch", c.tokens_per_micro_batch,
        FieldInfo{"memory bound: larger micro-batches are split, with the same loss; 0 = never split", 0, 1e9});
  visit("weight_decay", c.weight_decay, FieldInfo{"decoupled, on every adapter tensor", 0, 10});
  visit("max_grad_norm", c.max_grad_norm, FieldInfo{"the gradient's global norm is cut to this; 0 = never", 0, 1e9});
  visit("adam_beta1", c.adam_beta1, FieldInfo{"decay of the gradient's mean", 0, 0.999999999});
  visit("adam_beta2", c.adam_beta2, FieldInfo{"decay of the gradient's square", 0, 0.999999999});
  visit("adam_epsilon", c.adam_epsilon, FieldInfo{"added to the root, outside it", 0, 1});
}

template <typename Config, typename Visitor>
void for_each_method_field(Config& c, Visitor&& visit) {
  visit("r", c.r, FieldInfo{"rank of the adapter", 1, 4096});
  visit("lora_alpha", c.lora_alpha, FieldInfo{"the adapter is scaled by lora_alpha / r", 0, 1e6});
  visit("lora_dropout", c.lora_dropout, FieldInfo{"share of inputs dropped before the adapter; 0 is fastest", 0, 0.95});
  visit("target_modules", c.target_modules,
        FieldInfo{"all-linear, or names such as q_proj,v_proj; of a starting adapter its own are kept"});
  visit("use_rslora", c.use_rslora, FieldInfo{"scale by lora_alpha / sqrt(r) instead"});
  visit("use_dora", c.use_dora, FieldInfo{"also train the length of each weight row; needs lora_dropout 0"});
  visit("lora_bias", c.lora_bias, FieldInfo{"also train a bias of B; few programs can load it"});
  visit("init_lora_weights", c.init_lora_weights,
        FieldInfo{"true (A uniform, B zero), false (both random), gaussian, pissa or pissa_niter_N"});
  visit("load_in_4bit", c.load_in_4bit,
        FieldInfo{"QLoRA: the base's projections as NF4 in memory, whatever the file holds"});
  visit("bnb_4bit_use_double_quant", c.bnb_4bit_use_double_quant,
        FieldInfo{"with load_in_4bit: round their scales to 8 bits too"});
  visit("layers_to_transform", c.layers_to_transform, FieldInfo{"numbers of the layers to adapt; empty = all"});
  visit("rank_pattern", c.rank_pattern, FieldInfo{"ranks of their own, as q_proj=8; in a file also PEFT's object"});
  visit("alpha_pattern", c.alpha_pattern, FieldInfo{"lora_alphas of their own, as q_proj=16"});
  visit("max_length", c.max_length,
        FieldInfo{"tokens of prompt and answer; longer rows are cut at the end", 2, 1048576});
  visit("bad_rows", c.bad_rows, FieldInfo{"a prompt of max_length or more, or nothing to train: error or drop"});
  visit("beta", c.beta, FieldInfo{"DPO: larger stays nearer the reference", 1e-6, 1e6});
  visit("reference", c.reference, FieldInfo{"DPO: start = the policy at step 0, base = the bare model"});
  visit("label_mode", c.label_mode, FieldInfo{"DPO: soft labels from the votes, or hard ones without ties"});
  visit("margin_scale", c.margin_scale, FieldInfo{"DPO: m0 of the margin m0(2q-1), in nats", 0, 1e3});
}

template <typename Config, typename Visitor>
requires std::is_same_v<std::remove_const_t<Config>, RunConfig>
void for_each_field(Config& c, Visitor&& visit) {
  for_each_optimiser_field(c, visit);
  for_each_method_field(c, visit);
  visit("seed", c.seed, FieldInfo{"of the adapter's start, the order of rows and dropout", 0, 9007199254740991.0});
  visit("shuffle", c.shuffle, FieldInfo{"a new order every epoch, from the seed"});
  visit("packing", c.packing, FieldInfo{"fill each micro-batch with whole rows up to max_length tokens a pack"});
  visit("dtype", c.dtype, FieldInfo{"arithmetic of the model: float32"});
  visit("loss_sum", c.loss_sum,
        FieldInfo{"adds up the softmax over the vocabulary: float32 as torch's cross_entropy, or float64, exact"});
  visit("logging_steps", c.logging_steps, FieldInfo{"a metrics record every so many steps", 1, 1e9});
  visit("save_steps", c.save_steps, FieldInfo{"a checkpoint every so many steps; 0 = only at the end", 0, 1e9});
  visit("eval_steps", c.eval_steps, FieldInfo{"held-out rows every so many steps; 0 = only at the end", 0, 1e9});
  visit("save_total_limit", c.save_total_limit, FieldInfo{"checkpoints kept, the newest ones", 1, 1e6});
}

RunConfig default_config(RunKind kind);

/// Defaults of the kind, then the file (JSON with `//` comments; empty path = none), then each `key=value`. Throws
/// UsageError or DataError naming the file and the nearest known key; does not validate.
RunConfig read_run_config(RunKind kind, const std::filesystem::path& file, const std::vector<std::string>& assignments);

/// Everything that cannot be run, as sentences; empty where the config is good.
std::vector<std::string> problems(RunKind kind, const RunConfig& config);
/// Throws one UsageError that lists them all.
void validate(RunKind kind, const RunConfig& config);

/// One entry of rank_pattern or alpha_pattern. Throws UsageError for another form.
std::pair<std::string, double> pattern_entry(const std::string& key, const std::string& entry);

/// SHA-256 of the keys that decide the numbers: what a resumed run must share with its beginning. How often it logs,
/// saves and evaluates is left out.
std::string config_hash(RunKind kind, const RunConfig& config);

}  // namespace afina::finetune
