// SPDX-License-Identifier: Apache-2.0
#include "finetune/train_setup.h"

#include <ATen/ATen.h>

#include <string>

#include "base/error.h"

namespace afina::finetune {
namespace {

std::vector<std::string> module_names(const lora::AdapterSet& adapter) {
  std::vector<std::string> names;
  for (const auto module : adapter.modules())
    names.emplace_back(to_string(module));
  return names;
}

void check_trainable(const lora::AdapterSet& adapter) {
  if (const std::string why = adapter.untrainable(); !why.empty())
    throw UsageError(cat("[finetune] adapter must be one that can be trained, but ", why, "."));
}

}  // namespace

model::LoadOptions load_options(const RunConfig& config) {
  model::LoadOptions options;
  if (config.load_in_4bit)
    options.base_storage = config.bnb_4bit_use_double_quant ? model::BaseStorage::nf4_double : model::BaseStorage::nf4;
  options.transposed = config.keep_transposed_weights ? model::Transposed::kept : model::Transposed::on_the_fly;
  if (config.dtype == ComputeType::bfloat16) options.arithmetic = model::Arithmetic::bfloat16;
  if (config.device == DeviceType::cuda) options.device = at::Device(at::kCUDA, 0);
  return options;
}

model::TrainingModelOptions model_options(const RunConfig& config, const dpo::Objective& objective) {
  model::TrainingModelOptions options;
  if (config.loss_sum == LossSum::float32) options.head_sum = model::HeadSum::float32;
  options.want_sum_p2 = objective.needs_sum_p2();
  options.neftune_alpha = config.neftune_noise_alpha;
  return options;
}

lora::LoraConfig lora_config(RunKind kind, const RunConfig& config) {
  lora::LoraConfig out{static_cast<int>(config.r), config.lora_alpha, config.lora_dropout, config.use_rslora,
                       config.target_modules};
  out.use_dora = config.use_dora;
  out.lora_bias = config.lora_bias;
  out.score_head = kind == RunKind::reward;
  const std::string& init = config.init_lora_weights;
  if (init == "false") out.init_lora_weights = lora::LoraInit::random;
  if (init == "gaussian") out.init_lora_weights = lora::LoraInit::gaussian;
  if (init.starts_with("pissa")) out.init_lora_weights = lora::LoraInit::pissa;
  if (const size_t digits = init.find_first_of("0123456789"); digits != std::string::npos)
    out.pissa_iterations = std::stoi(init.substr(digits));
  for (const auto& layer : config.layers_to_transform)
    out.layers_to_transform.push_back(std::stoi(layer));
  for (const auto& entry : config.rank_pattern) {
    const auto [key, r] = pattern_entry("rank_pattern", entry);
    out.rank_pattern.emplace_back(key, static_cast<int>(r));
  }
  for (const auto& entry : config.alpha_pattern)
    out.alpha_pattern.push_back(pattern_entry("alpha_pattern", entry));
  return out;
}

dpo::ObjectiveOptions objective_options(RunKind kind, const RunConfig& config) {
  dpo::ObjectiveOptions out;
  out.kind = to_string(kind);
  out.loss_type = config.loss_type;
  for (const auto& weight : config.loss_weights)
    out.loss_weights.push_back(std::stod(weight));
  out.beta = config.beta;
  out.label_smoothing = config.label_smoothing;
  out.f_divergence_type = to_string(config.f_divergence_type);
  out.f_alpha_divergence_coef = config.f_alpha_divergence_coef;
  out.use_weighting = config.use_weighting;
  out.discopop_tau = config.discopop_tau;
  out.tie_parameter = config.tie_parameter;
  out.desirable_weight = config.desirable_weight;
  out.undesirable_weight = config.undesirable_weight;
  out.cpo_alpha = config.cpo_alpha;
  out.simpo_gamma = config.simpo_gamma;
  out.nll_on_prompt = config.nll_on_prompt;
  out.center_rewards_coefficient = config.center_rewards_coefficient;
  std::string list;
  for (const auto& problem : dpo::problems(out))
    list += cat(list.empty() ? "" : "; ", problem);
  if (!list.empty()) throw UsageError(cat("[config] must name an objective that can be, but: ", list, "."));
  return out;
}

std::unique_ptr<lora::AdapterSet> fresh_adapter(RunKind kind, const RunConfig& config,
                                                const std::shared_ptr<const model::Model>& model) {
  auto fresh = std::make_unique<lora::AdapterSet>(lora::shape_of(model->config()), lora_config(kind, config));
  check_trainable(*fresh);
  fresh->initialise(static_cast<uint64_t>(config.seed));
  if (fresh->needs_model()) fresh->bind(model);
  return fresh;
}

std::unique_ptr<lora::AdapterSet> continued_adapter(const lora::AdapterSet& start, RunKind kind, RunConfig& config,
                                                    const std::shared_ptr<const model::Model>& model) {
  lora::LoraConfig adapter_config = start.config();
  if (adapter_config.score_head != (kind == RunKind::reward))
    throw UsageError(cat("[finetune] the starting adapter must ", kind == RunKind::reward ? "" : "not ",
                         "be a reward model's (with a score head), but is", kind == RunKind::reward ? " not." : "."));
  // Rank, scale and targets belong to the numbers; dropout belongs to this run.
  adapter_config.lora_dropout = config.lora_dropout;
  config.r = adapter_config.r;
  config.lora_alpha = adapter_config.lora_alpha;
  config.target_modules = module_names(start);
  config.use_rslora = adapter_config.use_rslora;
  config.use_dora = adapter_config.use_dora;
  config.lora_bias = adapter_config.lora_bias;
  auto adapter =
      std::make_unique<lora::AdapterSet>(lora::shape_of(model->config()), adapter_config, lora::UnmatchedNames::allow);
  adapter->flat_parameters().copy_(start.flat_parameters());
  check_trainable(start.head_part() || start.embedding_part() ? start : *adapter);
  if (adapter->needs_model()) adapter->bind(model);
  return adapter;
}

}  // namespace afina::finetune
