// SPDX-License-Identifier: Apache-2.0
// Adafactor (Shazeer and Stern 2018, arXiv:1804.04235) with an external rate, as transformers' Trainer runs it
// (scale_parameter and relative_step off, no first moment, updates clipped to an RMS of 1): the second moment of a
// matrix is kept as its row and column means, so a matrix of R rows and C columns costs R + C numbers.
#pragma once
#include <span>
#include <vector>

#include "finetune/optim/blocks.h"

namespace afina::finetune {

/// State: "exp_avg_sq_row", "exp_avg_sq_col" of the matrices and "exp_avg_sq" of the vectors. Means and the RMS are
/// summed in doubles, one block a thread, so that the number of threads changes no bit.
class Adafactor final : public BufferedOptimiser {
 public:
  Adafactor(std::span<const ParameterBlock> blocks, int64_t parameters, double weight_decay);
  void step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) override;

 private:
  struct Piece {
    ParameterBlock block;
    int64_t row_begin, column_begin, vector_begin;
  };
  void update_matrix(const Piece& piece, double beta2, double rate, float* p, const float* g);
  void update_vector(const Piece& piece, double beta2, double rate, float* p, const float* g);
  void apply(const ParameterBlock& block, std::span<float> update, double rate, float* p) const;

  double weight_decay_;
  std::vector<Piece> pieces_;
  size_t rows_, columns_, vectors_;
};

}  // namespace afina::finetune
