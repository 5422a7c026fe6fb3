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
#include "finetune/config/run_enums.h"

namespace afina::finetune {

/// Defaults are those of SFT; default_config(kind) gives either's. Sources: transformers TrainingArguments, TRL
/// SFTConfig and DPOConfig, TRL's advice of ten times the full fine-tuning rate for LoRA.
struct RunConfig {
  double learning_rate = 2e-4;
  SchedulerType lr_scheduler_type = SchedulerType::linear;
  int64_t warmup_steps = 0;
  double warmup_ratio = 0.0;
  std::vector<std::string> lr_scheduler_kwargs;  ///< "num_cycles=2"
  OptimiserType optim = OptimiserType::adamw_torch;
  double momentum = 0.0;
  double loraplus_lr_ratio = 1.0;
  std::vector<std::string> learning_rate_pattern;  ///< "down_proj=1e-4"
  int64_t max_steps = -1;
  double num_train_epochs = 3.0;
  int64_t per_device_train_batch_size = 8;
  int64_t gradient_accumulation_steps = 1;
  int64_t tokens_per_micro_batch = 1024;
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
  LongRows long_rows = LongRows::cut;
  bool assistant_only_loss = true;
  bool completion_only_loss = true;
  double neftune_noise_alpha = 0.0;
  double beta = 0.1;
  std::vector<std::string> loss_type;     ///< empty: the kind's own
  std::vector<std::string> loss_weights;  ///< one number a loss_type; empty: 1 each
  double label_smoothing = 0.0;
  double ld_alpha = 1.0;
  FDivergence f_divergence_type = FDivergence::reverse_kl;
  double f_alpha_divergence_coef = 0.5;
  bool use_weighting = false;
  double discopop_tau = 0.05;
  double tie_parameter = 1.0;
  double desirable_weight = 1.0;
  double undesirable_weight = 1.0;
  double cpo_alpha = 1.0;
  double simpo_gamma = 0.5;
  bool nll_on_prompt = true;
  double center_rewards_coefficient = 0.0;
  ReferencePolicy reference = ReferencePolicy::start;
  bool precompute_ref_log_probs = false;
  LabelMode label_mode = LabelMode::soft;
  double margin_scale = 0.0;
  int64_t seed = 42;
  bool shuffle = true;
  bool packing = false;
  PackingStrategy packing_strategy = PackingStrategy::bfd;
  ComputeType dtype = ComputeType::float32;
  DeviceType device = DeviceType::cpu;
  LossSum loss_sum = LossSum::float32;
  int64_t logging_steps = 1;
  int64_t save_steps = 500;
  int64_t eval_steps = 0;
  int64_t save_total_limit = 3;
  int64_t early_stopping_patience = 0;
  double early_stopping_threshold = 0.0;
  bool load_best_model_at_end = false;
  std::string metric_for_best_model = "eval_loss";
  RecomputeChoice recompute = RecomputeChoice::automatic;
  double max_memory_gb = 0.0;
  bool keep_transposed_weights = false;
  bool tokenized_cache = true;
};

template <typename Config, typename Visitor>
void for_each_optimiser_field(Config& c, Visitor&& visit) {
  visit("learning_rate", c.learning_rate,
        FieldInfo{"peak step size; LoRA bears about ten times full fine-tuning's", 0, 10});
  visit("lr_scheduler_type", c.lr_scheduler_type,
        FieldInfo{"linear, cosine, cosine_with_restarts, polynomial, constant, constant_with_warmup, inverse_sqrt, "
                  "cosine_with_min_lr, reduce_lr_on_plateau or warmup_stable_decay"});
  visit("lr_scheduler_kwargs", c.lr_scheduler_kwargs,
        FieldInfo{"its settings, as num_cycles=2; in a file also transformers' object"});
  visit("optim", c.optim, FieldInfo{"adamw_torch, adamw_8bit, lion_32bit, adafactor, sgd or muon"});
  visit("momentum", c.momentum, FieldInfo{"of sgd and muon; muon's 0 is 0.95", 0, 0.999999999});
  visit("loraplus_lr_ratio", c.loraplus_lr_ratio, FieldInfo{"LoRA+: B learns so many times faster than A", 1e-6, 1e6});
  visit("learning_rate_pattern", c.learning_rate_pattern,
        FieldInfo{"rates of their own for modules, as down_proj=1e-4; follow the schedule too"});
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
void for_each_objective_field(Config& c, Visitor&& visit) {
  visit("beta", c.beta, FieldInfo{"preferences: larger stays nearer the reference", 1e-6, 1e6});
  visit("loss_type", c.loss_type,
        FieldInfo{
            "dpo: sigmoid, hinge, ipo, exo_pair, nca_pair, robust, bco_pair, sppo_hard, aot, aot_unpaired, apo_zero, "
            "apo_down, discopop, sigmoid_norm, sft, davidson, rao_kupper, plackett_luce, one or several; cpo: "
            "sigmoid, hinge, ipo, simpo; kto: kto, apo_zero_unpaired; empty = the first"});
  visit("loss_weights", c.loss_weights, FieldInfo{"one number for each loss_type; empty = 1 each"});
  visit("label_smoothing", c.label_smoothing, FieldInfo{"share of labels taken to be wrong", 0, 0.5});
  visit("ld_alpha", c.ld_alpha, FieldInfo{"LD-DPO: weight of the longer answer's extra tokens; 1 = plain", 0, 1});
  visit("f_divergence_type", c.f_divergence_type,
        FieldInfo{"dpo: reverse_kl, forward_kl, js_divergence or alpha_divergence"});
  visit("f_alpha_divergence_coef", c.f_alpha_divergence_coef, FieldInfo{"of alpha_divergence", -1e3, 1e3});
  visit("use_weighting", c.use_weighting, FieldInfo{"WPO: weigh pairs by how likely the policy writes them"});
  visit("discopop_tau", c.discopop_tau, FieldInfo{"temperature of discopop", 1e-6, 1e3});
  visit("tie_parameter", c.tie_parameter, FieldInfo{"davidson's nu above 0, rao_kupper's theta above 1", 0, 1e3});
  visit("desirable_weight", c.desirable_weight, FieldInfo{"kto: of good answers", 0, 1e3});
  visit("undesirable_weight", c.undesirable_weight, FieldInfo{"kto: of bad answers", 0, 1e3});
  visit("cpo_alpha", c.cpo_alpha, FieldInfo{"cpo: weight of the likelihood term; 0 for pure simpo", 0, 1e3});
  visit("simpo_gamma", c.simpo_gamma, FieldInfo{"cpo's simpo: target margin", -1e3, 1e3});
  visit("nll_on_prompt", c.nll_on_prompt, FieldInfo{"orpo: the likelihood term covers the prompt too, as TRL's"});
  visit("center_rewards_coefficient", c.center_rewards_coefficient,
        FieldInfo{"reward: pulls scores to 0; 0.01 is usual", 0, 1e3});
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
  visit("long_rows", c.long_rows, FieldInfo{"longer than max_length: cut the end, keep whole, drop or error"});
  visit("assistant_only_loss", c.assistant_only_loss,
        FieldInfo{"SFT on chats: train the assistant's turns, else every token"});
  visit("completion_only_loss", c.completion_only_loss,
        FieldInfo{"SFT on prompt and completion: train the completion, else both"});
  visit("neftune_noise_alpha", c.neftune_noise_alpha,
        FieldInfo{"SFT: noise on the embeddings; 5 is usual, 0 = none", 0, 1e3});
  for_each_objective_field(c, visit);
  visit("reference", c.reference, FieldInfo{"DPO: start = the policy at step 0, base = the bare model"});
  visit("precompute_ref_log_probs", c.precompute_ref_log_probs,
        FieldInfo{"all reference values before the first step, not as rows are met"});
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
  visit("packing_strategy", c.packing_strategy, FieldInfo{"bfd, bfd_split or wrapped"});
  visit("device", c.device, FieldInfo{"where passes are computed: cpu, or cuda (builds with AFINA_CUDA)"});
  visit("dtype", c.dtype, FieldInfo{"the frozen products: float32, or bfloat16, faster and half the memory"});
  visit("loss_sum", c.loss_sum,
        FieldInfo{"adds up the softmax over the vocabulary: float32 as torch's cross_entropy, or float64, exact"});
  visit("logging_steps", c.logging_steps, FieldInfo{"a metrics record every so many steps", 1, 1e9});
  visit("save_steps", c.save_steps, FieldInfo{"a checkpoint every so many steps; 0 = only at the end", 0, 1e9});
  visit("eval_steps", c.eval_steps, FieldInfo{"held-out rows every so many steps; 0 = only at the end", 0, 1e9});
  visit("save_total_limit", c.save_total_limit, FieldInfo{"checkpoints kept, the newest ones and the best", 1, 1e6});
  visit("early_stopping_patience", c.early_stopping_patience,
        FieldInfo{"stop after so many evaluations without a better metric_for_best_model; 0 = never", 0, 1e6});
  visit("early_stopping_threshold", c.early_stopping_threshold, FieldInfo{"what counts as better, at least", 0, 1e6});
  visit("load_best_model_at_end", c.load_best_model_at_end, FieldInfo{"the adapter is the best checkpoint's"});
  visit("metric_for_best_model", c.metric_for_best_model,
        FieldInfo{"of the held-out rows; less is better for losses, more for the rest"});
  visit("recompute", c.recompute, FieldInfo{"memory for time: auto, none, gate_up or layer"});
  visit("max_memory_gb", c.max_memory_gb, FieldInfo{"what the run may take; 0 = what the machine has free", 0, 1e6});
  visit("keep_transposed_weights", c.keep_transposed_weights,
        FieldInfo{"hold a second layout of the weights for backward: a few percent faster, twice their memory"});
  visit("tokenized_cache", c.tokenized_cache, FieldInfo{"keep the rows' ids in a file that the next run maps"});
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

/// A line for each key that this kind reads, with its default: for --help.
std::string config_help_of(RunKind kind);

/// SHA-256 of the keys that decide the numbers: what a resumed run must share with its beginning. How often it logs,
/// saves and evaluates is left out.
std::string config_hash(RunKind kind, const RunConfig& config);

}  // namespace afina::finetune
