// SPDX-License-Identifier: Apache-2.0
// Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): the momentum of each matrix is made nearly orthogonal
// by five Newton-Schulz steps in bf16 before it is taken off the parameters. Number for number torch.optim.Muon;
// biases, magnitudes and score weights, which are no hidden matrices, go by AdamW.
#pragma once
#include <span>
#include <vector>

#include "finetune/optim/elementwise.h"

namespace afina::finetune {

struct MuonOptions {
  double momentum = 0.95;  ///< Nesterov's
  double weight_decay = 0.0;
  AdamWOptions rest;
};

/// State: "momentum_buffer" of A and B, then AdamW's of the rest. The rate of a matrix of R rows and C columns is
/// multiplied by sqrt(max(1, R/C)). Its products run in bf16 on ATen's threads.
class Muon final : public Optimiser {
 public:
  Muon(std::span<const ParameterBlock> blocks, int64_t parameters, MuonOptions options);
  void step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) override;
  OptimiserState state() const override;
  void restore(const OptimiserState& state) override;
  int64_t bytes() const override;

 private:
  void update(const ParameterBlock& block, float* momentum, double learning_rate, float* p, const float* g);

  MuonOptions options_;
  std::vector<ParameterBlock> matrices_;
  std::vector<float> momentum_;
  AdamW rest_;
};

}  // namespace afina::finetune
