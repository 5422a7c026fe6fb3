// SPDX-License-Identifier: Apache-2.0
#include "finetune/optim/muon.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace afina::finetune {
namespace {

constexpr const char* kMomentum = "momentum_buffer";
constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;
constexpr int kNewtonSchulzSteps = 5;
constexpr double kSmallestNorm = 1e-7;

bool is_matrix(const ParameterBlock& block) {
  return block.kind == BlockKind::a || block.kind == BlockKind::b;
}

std::vector<ParameterBlock> chosen(std::span<const ParameterBlock> blocks, bool matrices) {
  std::vector<ParameterBlock> out;
  std::copy_if(blocks.begin(), blocks.end(), std::back_inserter(out),
               [&](const ParameterBlock& block) { return is_matrix(block) == matrices; });
  return out;
}

/// U S' V^T with S' near 1 of a matrix U S V^T, in bf16: X ← aX + (bG + cG²)X with G = X X^T, on the wide side.
at::Tensor nearly_orthogonal(const at::Tensor& matrix) {
  const bool tall = matrix.size(0) > matrix.size(1);
  at::Tensor x = matrix.to(at::kBFloat16);
  if (tall) x = x.t();
  x.div_(x.norm().clamp_min(kSmallestNorm));
  for (int i = 0; i < kNewtonSchulzSteps; ++i) {
    const at::Tensor gram = at::mm(x, x.t());
    const at::Tensor polynomial = at::addmm(gram, gram, gram, kB, kC);
    x = at::addmm(x, polynomial, x, kA);
  }
  return tall ? x.t() : x;
}

}  // namespace

Muon::Muon(std::span<const ParameterBlock> blocks, int64_t parameters, MuonOptions options)
    : options_(options), matrices_(chosen(blocks, true)), rest_(chosen(blocks, false), parameters, options.rest) {
  int64_t size = 0;
  for (const auto& block : matrices_)
    size += block.size();
  momentum_.assign(static_cast<size_t>(size), 0.0F);
}

void Muon::step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) {
  rest_.step(parameters, gradient, learning_rate);
  float* momentum = momentum_.data();
  for (const auto& block : matrices_) {
    update(block, momentum, learning_rate * block.rate_factor, parameters.data() + block.begin,
           gradient.data() + block.begin);
    momentum += block.size();
  }
}

void Muon::update(const ParameterBlock& block, float* momentum, double learning_rate, float* p, const float* g) {
  const auto as_matrix = [&](const float* data) {
    return at::from_blob(const_cast<float*>(data), {block.rows, block.columns}, at::kFloat);
  };
  const at::Tensor gradient = as_matrix(g);
  at::Tensor buffer = as_matrix(momentum), parameters = as_matrix(p);
  buffer.lerp_(gradient, 1.0 - options_.momentum);
  const at::Tensor direction = nearly_orthogonal(gradient.lerp(buffer, options_.momentum));
  const double shape = static_cast<double>(block.rows) / static_cast<double>(block.columns);
  parameters.mul_(1.0 - learning_rate * options_.weight_decay);
  parameters.add_(direction, -learning_rate * std::sqrt(std::max(1.0, shape)));
}

OptimiserState Muon::state() const {
  OptimiserState state = rest_.state();
  state.buffers.insert(state.buffers.begin(), {kMomentum, momentum_});
  return state;
}

void Muon::restore(const OptimiserState& state) {
  const auto* momentum =
      state.buffers.empty() ? nullptr : std::get_if<std::vector<float>>(&state.buffers.front().values);
  if (momentum == nullptr || state.buffers.front().name != kMomentum || momentum->size() != momentum_.size()) {
    throw ModelError("[finetune.optim] must restore a state of muon on the same parameters, but got another.",
                     "resume with the optim the run began with");
  }
  OptimiserState rest = state;
  rest.buffers.erase(rest.buffers.begin());
  rest_.restore(rest);
  momentum_ = *momentum;
}

int64_t Muon::bytes() const {
  return rest_.bytes() + static_cast<int64_t>(momentum_.size() * sizeof(float));
}

}  // namespace afina::finetune
