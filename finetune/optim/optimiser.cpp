// SPDX-License-Identifier: Apache-2.0
#include "finetune/optim/optimiser.h"

#include "base/error.h"
#include "finetune/optim/adafactor.h"
#include "finetune/optim/adamw_8bit.h"
#include "finetune/optim/elementwise.h"
#include "finetune/optim/muon.h"

namespace afina::finetune {
namespace {

constexpr double kMuonMomentum = 0.95;

/// Whether a block's module is `name` or ends in it after a dot: of "layers.3.mlp.down_proj.lora_B" the module is all
/// but the last part.
bool is_of_module(const ParameterBlock& block, const std::string& name) {
  const std::string_view path = std::string_view(block.name).substr(0, block.name.rfind('.'));
  if (!path.ends_with(name)) return false;
  return path.size() == name.size() || path[path.size() - name.size() - 1] == '.';
}

void check_blocks(std::span<const ParameterBlock> blocks, int64_t parameters) {
  int64_t end = 0;
  for (const auto& block : blocks) {
    AFINA_CHECK(block.begin == end && block.rows > 0 && block.columns > 0, "blocks in order and without gaps");
    end += block.size();
  }
  AFINA_CHECK(end == parameters, "blocks over all of the parameters");
}

}  // namespace

void set_rate_factors(const RunConfig& config, std::vector<ParameterBlock>& blocks) {
  std::vector<bool> has_own(blocks.size(), false);
  for (size_t i = 0; i < blocks.size(); ++i) {
    const bool faster = blocks[i].kind == BlockKind::b || blocks[i].kind == BlockKind::vector;
    blocks[i].rate_factor = faster ? config.loraplus_lr_ratio : 1.0;
  }
  for (const auto& entry : config.learning_rate_pattern) {
    const auto [name, rate] = pattern_entry("learning_rate_pattern", entry);
    if (!(config.learning_rate > 0.0))
      throw UsageError("[config] learning_rate must be above 0 where learning_rate_pattern is set, but is 0.");
    bool fits = false;
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (!is_of_module(blocks[i], name)) continue;
      fits = true;
      if (!has_own[i]) blocks[i].rate_factor *= rate / config.learning_rate;
      has_own[i] = true;
    }
    if (!fits) {
      throw UsageError(
          cat("[config] learning_rate_pattern must name modules of the adapter, but '", name, "' is none."),
          "as down_proj, or layers.3.mlp.down_proj for one layer");
    }
  }
}

std::unique_ptr<Optimiser> make_optimiser(const RunConfig& config, std::span<const ParameterBlock> blocks,
                                          int64_t parameters) {
  check_blocks(blocks, parameters);
  const AdamWOptions adamw{config.adam_beta1, config.adam_beta2, config.adam_epsilon, config.weight_decay};
  switch (config.optim) {
    case OptimiserType::adamw_torch:
      return std::make_unique<AdamW>(blocks, parameters, adamw);
    case OptimiserType::adamw_8bit:
      return std::make_unique<AdamW8bit>(blocks, parameters, adamw);
    case OptimiserType::lion:
      return std::make_unique<Lion>(blocks, parameters,
                                    LionOptions{config.adam_beta1, config.adam_beta2, config.weight_decay});
    case OptimiserType::adafactor:
      return std::make_unique<Adafactor>(blocks, parameters, config.weight_decay);
    case OptimiserType::sgd:
      return std::make_unique<Sgd>(blocks, parameters, SgdOptions{config.momentum, config.weight_decay});
    case OptimiserType::muon:
      return std::make_unique<Muon>(
          blocks, parameters,
          MuonOptions{config.momentum > 0.0 ? config.momentum : kMuonMomentum, config.weight_decay, adamw});
  }
  throw InternalError("[finetune.optim] every optimiser must have a case.");
}

}  // namespace afina::finetune
