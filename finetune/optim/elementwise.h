// SPDX-License-Identifier: Apache-2.0
// The optimisers whose update of an entry depends on that entry alone.
#pragma once
#include <span>
#include <vector>

#include "finetune/optim/blocks.h"

namespace afina::finetune {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
};

/// AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) in the order of operations of torch's single-tensor AdamW.
/// blocks may leave gaps (Muon's vectors): state is kept of the blocks only, "exp_avg" and "exp_avg_sq".
class AdamW final : public BufferedOptimiser {
 public:
  AdamW(std::span<const ParameterBlock> blocks, int64_t parameters, AdamWOptions options);
  void step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) override;

 private:
  void update(const RateRange& range, float* p, const float* g, int64_t t, double learning_rate);

  AdamWOptions options_;
  std::vector<RateRange> ranges_;
  size_t first_moment_, second_moment_;
};

struct LionOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double weight_decay = 0.0;
};

/// Lion (Chen et al. 2023, arXiv:2302.06675, algorithm 2): p moves by the rate against the sign of
/// β₁m + (1−β₁)g, then m = β₂m + (1−β₂)g; decoupled decay. One buffer, "momentum".
class Lion final : public BufferedOptimiser {
 public:
  Lion(std::span<const ParameterBlock> blocks, int64_t parameters, LionOptions options);
  void step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) override;

 private:
  LionOptions options_;
  std::vector<RateRange> ranges_;
  size_t momentum_;
};

struct SgdOptions {
  double momentum = 0.0;
  double weight_decay = 0.0;  ///< coupled, as torch.optim.SGD's: added to the gradient
};

/// torch.optim.SGD: v = μv + g + λp, p −= rate·v; without momentum it has no state, else "momentum_buffer".
class Sgd final : public BufferedOptimiser {
 public:
  Sgd(std::span<const ParameterBlock> blocks, int64_t parameters, SgdOptions options);
  void step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) override;

 private:
  SgdOptions options_;
  std::vector<RateRange> ranges_;
  size_t momentum_ = 0;
};

}  // namespace afina::finetune
