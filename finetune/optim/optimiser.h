// SPDX-License-Identifier: Apache-2.0
// What the train loop asks of an optimiser: one update of a flat fp32 buffer, and a state that a checkpoint can keep
// without knowing whose it is. The buffer is cut into blocks, the tensors of an adapter, because some rules work on
// matrices and rates may differ from block to block.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "finetune/config/run_config.h"

namespace afina::finetune {

/// What a block of the flat buffer is to an optimiser. a, b: LoRA's matrices; vector: a bias or DoRA's magnitudes;
/// head: a reward model's score weights.
enum class BlockKind { a, b, vector, head };

/// One tensor of the flat buffer, row-major; a vector has one row.
struct ParameterBlock {
  std::string name;  ///< "layers.3.mlp.down_proj.lora_B"
  BlockKind kind = BlockKind::a;
  int64_t begin = 0;  ///< first element in the flat buffer
  int64_t rows = 1, columns = 0;
  double rate_factor = 1.0;  ///< multiplies the schedule's rate
  int64_t size() const { return rows * columns; }
};

/// One buffer of an optimiser's state, fp32 or bytes.
struct OptimiserBuffer {
  std::string name;  ///< "exp_avg"
  std::variant<std::vector<float>, std::vector<uint8_t>> values;
  bool operator==(const OptimiserBuffer&) const = default;
};

/// What a checkpoint keeps of an optimiser beside the parameters. step: updates done.
struct OptimiserState {
  int64_t step = 0;
  std::vector<OptimiserBuffer> buffers;
  bool operator==(const OptimiserState&) const = default;
};

/// Not thread-safe; works on ATen's threads in an order that does not depend on their number (muon: but for its matrix
/// products).
class Optimiser {
 public:
  Optimiser() = default;
  Optimiser(const Optimiser&) = delete;
  Optimiser& operator=(const Optimiser&) = delete;
  virtual ~Optimiser() = default;
  /// One update. parameters and gradient [P]; learning_rate: the schedule's, before the blocks' factors.
  virtual void step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) = 0;
  virtual OptimiserState state() const = 0;
  /// Throws ModelError where buffers have other names, types or lengths; nothing is changed then.
  virtual void restore(const OptimiserState& state) = 0;
  /// Bytes of the state.
  virtual int64_t bytes() const = 0;
};

/// Fills rate_factor of each block: loraplus_lr_ratio for B and vectors (LoRA+, arXiv:2402.12354, grouped as PEFT
/// does), times, for modules that learning_rate_pattern names, their rate over learning_rate. A pattern is a module's
/// name or the end of its path after a dot; the first that fits wins. Throws UsageError for one that fits no module.
void set_rate_factors(const RunConfig& config, std::vector<ParameterBlock>& blocks);

/// The config's optimiser with its settings. blocks: sorted by begin, without gaps, `parameters` elements in all.
std::unique_ptr<Optimiser> make_optimiser(const RunConfig& config, std::span<const ParameterBlock> blocks,
                                          int64_t parameters);

}  // namespace afina::finetune
