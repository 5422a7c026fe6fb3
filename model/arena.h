// SPDX-License-Identifier: Apache-2.0
// The block of activations of one TrainingModel and the passes over it. arena_plan.h decides where everything lies;
// docs/engine.md explains the step with a picture.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "model/arena_plan.h"
#include "model/decoder.h"
#include "model/loss_head.h"
#include "model/reward_head.h"

namespace afina::model {

/// Not thread-safe.
class Arena {
 public:
  Arena(const Model& model, const TrainingModelOptions& options);

  /// Checks the batch, lays out the block and runs all layers; returns x_out of the last. keep: backward() may follow.
  at::Tensor run(const datasets::PackedBatch& batch, const Adapter* adapter, const DropoutKey& dropout, bool keep);
  /// Grows the block to what `largest` needs under these options and this adapter.
  void reserve(ArenaRequest largest, const Adapter& adapter);
  TokenStats head_forward(const at::Tensor& x_ND, const Adapter* adapter, bool keep);
  at::Tensor logits(const at::Tensor& x_ND, std::span<const int> rows, const Adapter* adapter);
  void backward(const Adapter& adapter, std::span<const double> dloss_dlogp, at::Tensor& flat_grad_P);
  /// "" where every kept value is finite.
  std::string first_non_finite() const;
  int64_t bytes() const { return 4 * floats_ + decoder_.compute().table_bytes(); }
  const ArenaPlan& plan() const { return plan_; }

 private:
  void lay_out(const datasets::PackedBatch& batch, const Adapter* adapter, bool keep);
  void make_views();
  void grow(int64_t floats);
  at::Tensor view(const Extent& extent) const;
  at::Tensor flat(const Extent& extent) const;

  const Model& model_;
  TrainingModelOptions options_;
  mutable Decoder decoder_;
  LossHead head_;
  RewardHead reward_;
  at::Tensor block_;
  int64_t floats_ = 0;
  ArenaRequest request_;
  ArenaPlan plan_;
  std::vector<LayerBuffers> layers_;
  WorkBuffers work_;
  HeadBuffers head_buffers_;
  at::Tensor dx_ND_, x_final_ND_;
  std::unique_ptr<PreparedBatch> batch_;
  AdapterRun run_;
  ForwardContext context_;
  bool kept_ = false, went_back_ = false;
};

}  // namespace afina::model
