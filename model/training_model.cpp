// SPDX-License-Identifier: Apache-2.0
#include "model/training_model.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "base/error.h"
#include "model/arena.h"
#include "model/model.h"

namespace afina::model {

TrainingModel::TrainingModel(std::shared_ptr<const Model> model, TrainingModelOptions options)
    : model_(std::move(model)), arena_(std::make_unique<Arena>(*model_, options)) {}

TrainingModel::~TrainingModel() = default;

TokenStats TrainingModel::evaluate(const datasets::PackedBatch& batch, const Adapter* adapter) {
  const c10::NoGradGuard no_grad;
  return arena_->head_forward(arena_->run(batch, adapter, {}, false), adapter, false);
}

TrainingModel::Evaluation TrainingModel::evaluate(const datasets::PackedBatch& batch, std::span<const int> rows,
                                                  const Adapter* adapter) {
  const c10::NoGradGuard no_grad;
  const at::Tensor x_ND = arena_->run(batch, adapter, {}, false);
  return {arena_->head_forward(x_ND, adapter, false), arena_->logits(x_ND, rows, adapter)};
}

at::Tensor TrainingModel::logits(const datasets::PackedBatch& batch, std::span<const int> rows,
                                 const Adapter* adapter) {
  const c10::NoGradGuard no_grad;
  return arena_->logits(arena_->run(batch, adapter, {}, false), rows, adapter);
}

TokenStats TrainingModel::forward(const datasets::PackedBatch& batch, const Adapter& adapter,
                                  const DropoutKey& dropout) {
  const c10::NoGradGuard no_grad;
  model_->prepare_backward(adapter.first_layer());
  if (!adapter.score_weight().defined())
    (adapter.head() != nullptr ? *adapter.head() : model_->head()).prepare_backward();
  return arena_->head_forward(arena_->run(batch, &adapter, dropout, true), &adapter, true);
}

void TrainingModel::backward(const datasets::PackedBatch& batch, const Adapter& adapter, const DropoutKey&,
                             std::span<const double> dloss_dlogp, at::Tensor& flat_grad_P) {
  const c10::NoGradGuard no_grad;
  AFINA_CHECK(dloss_dlogp.size() == batch.targets.size(), "[model] backward must get one derivative a target");
  arena_->backward(adapter, dloss_dlogp, flat_grad_P);
}

void TrainingModel::reserve(int64_t rows, int64_t target_rows, int64_t positions, const Adapter& adapter) {
  ArenaRequest largest;
  largest.rows = rows;
  largest.target_rows = target_rows;
  largest.positions = positions;
  arena_->reserve(std::move(largest), adapter);
}

int64_t TrainingModel::arena_bytes() const {
  return arena_->bytes();
}

std::string TrainingModel::first_non_finite_layer() const {
  const c10::NoGradGuard no_grad;
  return arena_->first_non_finite();
}

}  // namespace afina::model
