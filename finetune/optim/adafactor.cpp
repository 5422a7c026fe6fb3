// SPDX-License-Identifier: Apache-2.0
#include "finetune/optim/adafactor.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

namespace afina::finetune {
namespace {

constexpr float kSquareFloor = 1e-30F;
constexpr double kDecayRate = -0.8;
constexpr double kClipThreshold = 1.0;

float blend(float old, double mean, double beta2) {
  return old * static_cast<float>(beta2) + static_cast<float>(1.0 - beta2) * static_cast<float>(mean);
}

}  // namespace

Adafactor::Adafactor(std::span<const ParameterBlock> blocks, int64_t parameters, double weight_decay)
    : BufferedOptimiser(parameters), weight_decay_(weight_decay) {
  int64_t rows = 0, columns = 0, vectors = 0;
  for (const auto& block : blocks) {
    pieces_.push_back({block, rows, columns, vectors});
    if (block.kind == BlockKind::vector) {
      vectors += block.size();
    } else {
      rows += block.rows;
      columns += block.columns;
    }
  }
  rows_ = add_floats("exp_avg_sq_row", rows);
  columns_ = add_floats("exp_avg_sq_col", columns);
  vectors_ = add_floats("exp_avg_sq", vectors);
}

void Adafactor::step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) {
  const auto t = static_cast<double>(begin_step(parameters, gradient));
  const double beta2 = 1.0 - std::pow(t, kDecayRate);
  at::parallel_for(0, static_cast<int64_t>(pieces_.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces_[static_cast<size_t>(i)];
      float* p = parameters.data() + piece.block.begin;
      const float* g = gradient.data() + piece.block.begin;
      const double rate = learning_rate * piece.block.rate_factor;
      piece.block.kind == BlockKind::vector ? update_vector(piece, beta2, rate, p, g)
                                            : update_matrix(piece, beta2, rate, p, g);
    }
  });
}

void Adafactor::update_matrix(const Piece& piece, double beta2, double rate, float* p, const float* g) {
  const int64_t rows = piece.block.rows, columns = piece.block.columns;
  float* row_mean = floats(rows_) + piece.row_begin;
  float* column_mean = floats(columns_) + piece.column_begin;
  std::vector<double> column_sum(static_cast<size_t>(columns), 0.0);
  double mean_of_rows = 0.0;
  for (int64_t r = 0; r < rows; ++r) {
    double sum = 0.0;
    for (int64_t c = 0; c < columns; ++c) {
      const double square = g[r * columns + c] * g[r * columns + c] + kSquareFloor;
      sum += square;
      column_sum[static_cast<size_t>(c)] += square;
    }
    row_mean[r] = blend(row_mean[r], sum / static_cast<double>(columns), beta2);
    mean_of_rows += row_mean[r];
  }
  mean_of_rows /= static_cast<double>(rows);
  std::vector<float> column_factor(static_cast<size_t>(columns));
  for (int64_t c = 0; c < columns; ++c) {
    column_mean[c] = blend(column_mean[c], column_sum[static_cast<size_t>(c)] / static_cast<double>(rows), beta2);
    column_factor[static_cast<size_t>(c)] = 1.0F / std::sqrt(column_mean[c]);
  }
  std::vector<float> update(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; ++r) {
    const float row_factor = 1.0F / std::sqrt(row_mean[r] / static_cast<float>(mean_of_rows));
    for (int64_t c = 0; c < columns; ++c)
      update[static_cast<size_t>(r * columns + c)] =
          row_factor * column_factor[static_cast<size_t>(c)] * g[r * columns + c];
  }
  apply(piece.block, update, rate, p);
}

void Adafactor::update_vector(const Piece& piece, double beta2, double rate, float* p, const float* g) {
  float* square = floats(vectors_) + piece.vector_begin;
  std::vector<float> update(static_cast<size_t>(piece.block.size()));
  for (size_t i = 0; i < update.size(); ++i) {
    square[i] = blend(square[i], g[i] * g[i] + kSquareFloor, beta2);
    update[i] = g[i] / std::sqrt(square[i]);
  }
  apply(piece.block, update, rate, p);
}

void Adafactor::apply(const ParameterBlock& block, std::span<float> update, double rate, float* p) const {
  double sum = 0.0;
  for (const float u : update)
    sum += static_cast<double>(u) * u;
  const double rms = std::sqrt(sum / static_cast<double>(block.size()));
  const auto divisor = static_cast<float>(std::max(1.0, rms / kClipThreshold));
  const auto step = static_cast<float>(rate), decay = static_cast<float>(1.0 - weight_decay_ * rate);
  for (size_t i = 0; i < update.size(); ++i)
    p[i] = p[i] * decay - update[i] / divisor * step;
}

}  // namespace afina::finetune
