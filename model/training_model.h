// SPDX-License-Identifier: Apache-2.0
// Forward and backward of a frozen decoder with an adapter over packed batches: all that a trainer sees of the model.
// Written out by hand (no autograd): activations live in an arena planned from the largest batch, logits never exist as
// a whole.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "datasets/batch/packed_batch.h"
#include "model/adapter.h"

namespace afina::model {

class Arena;  // model/arena.h: the activations
class Model;  // model/model.h: frozen weights and config, shared and immutable

/// Per target, in the order of PackedBatch::targets, in nats.
struct TokenStats {
  std::vector<double> logp;      ///< log p(token)
  std::vector<uint8_t> correct;  ///< 1 where the token is the argmax: for mean_token_accuracy
  std::vector<double> entropy;   ///< of the whole distribution, filled when asked for
  /// log Σᵥ p(v)² = logsumexp(2z) − 2 logsumexp(z), filled when asked for: WPO's weights (arXiv:2406.11827).
  std::vector<double> log_sum_p2;
};

/// How the normaliser Σ exp(z − max z) over the vocabulary is added up. wide: in doubles, exact to fp32's last bits.
/// float32: in fp32, one term after the other, as ATen's log_softmax does for logits laid out [batch, vocabulary,
/// position]; small terms are lost (1e-4 nats a token at 49,152), in the gradient too. log_softmax: ATen's fp32
/// log_softmax over whole rows, as peers report log-probabilities (7e-6 nats a token too high at 49,152); evaluation
/// only, no backward.
enum class HeadSum { wide, float32, log_softmax };

/// What forward() does not keep and backward() computes again, from the cheapest: gate and up (one product a layer), or
/// everything but the layers' inputs (a whole forward pass).
enum class Recompute { none, gate_up, layer };

struct TrainingModelOptions {
  int head_chunk_rows = 256;  ///< target rows whose logits exist at one time
  bool want_entropy = false;
  HeadSum head_sum = HeadSum::wide;
  bool want_sum_p2 = false;
  /// Layers [0, recompute_layers) are recomputed, the others are kept; -1: all of them.
  Recompute recompute = Recompute::none;
  int64_t recompute_layers = -1;
  /// NEFTune (arXiv:2310.05914): forward() adds uniform noise of alpha/sqrt(length·hidden) to the embeddings of each
  /// segment; 0: none. Drawn from the DropoutKey, so a resumed run repeats it.
  double neftune_alpha = 0.0;
};

/// Not thread-safe: owns the activation arena. Several objects may share one Model. An adapter that brings its own head
/// or embedding is used with them. Batches are refused (DataError) where they fail datasets::validate or hold a row
/// longer than the model's context or sliding window.
class TrainingModel {
 public:
  TrainingModel(std::shared_ptr<const Model> model, TrainingModelOptions options = {});
  ~TrainingModel();
  TrainingModel(const TrainingModel&) = delete;
  TrainingModel& operator=(const TrainingModel&) = delete;

  /// Log-probabilities without backward: evaluation and reference values. adapter null = bare base.
  TokenStats evaluate(const datasets::PackedBatch& batch, const Adapter* adapter);
  /// The same, with whole logits [R, V] of a few rows of the same pass, newly allocated.
  struct Evaluation {
    TokenStats stats;
    at::Tensor logits_RV;
  };
  Evaluation evaluate(const datasets::PackedBatch& batch, std::span<const int> rows, const Adapter* adapter);
  /// Whole logits [R, V] of a few rows: probes and tests. Allocates them; evaluate() never does.
  at::Tensor logits(const datasets::PackedBatch& batch, std::span<const int> rows, const Adapter* adapter);
  /// Keeps activations and the unscaled gradient of each target's log-probability for backward().
  TokenStats forward(const datasets::PackedBatch& batch, const Adapter& adapter, const DropoutKey& dropout);
  /// Of the batch just given to forward(): adds Σᵢ dloss_dlogp[i] · ∂logp[i]/∂θ to flat_grad_P (fp32, adapter's
  /// layout).
  void backward(const datasets::PackedBatch& batch, const Adapter& adapter, const DropoutKey& dropout,
                std::span<const double> dloss_dlogp, at::Tensor& flat_grad_P);
  /// Takes the memory of the largest batch to come at once, instead of growing to it: rows of its packed layout, rows
  /// with targets, tokens of its longest example. What is larger still grows.
  void reserve(int64_t rows, int64_t target_rows, int64_t positions, const Adapter& adapter);
  /// Bytes of the activations' block and the rotary tables: constant once the largest batch was seen, and what
  /// plan_arena() says of it (arena_plan.h).
  int64_t arena_bytes() const;
  /// After a forward or backward pass with a value that is not finite: where it came from first ("layer 3, attention"),
  /// as far as the activations that were kept can tell; "" where all of those are finite. Reads them all: for failures.
  std::string first_non_finite_layer() const;
  const Model& model() const { return *model_; }

 private:
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Arena> arena_;
};

}  // namespace afina::model
