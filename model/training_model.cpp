// SPDX-License-Identifier: Apache-2.0
#include "model/training_model.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/error.h"
#include "model/carver.h"
#include "model/decoder.h"
#include "model/kernels/cpu/scratch.h"
#include "model/loss_head.h"
#include "model/model.h"
#include "model/parallel.h"

namespace afina::model {
namespace {

std::vector<kernels::AttentionSegment> to_kernel(const datasets::PackedBatch& batch) {
  std::vector<kernels::AttentionSegment> out;
  out.reserve(batch.segments.size());
  for (const auto& s : batch.segments)
    out.push_back({s.begin, s.length, s.prefix_begin, s.prefix_length});
  return out;
}

/// Backward adds a prefix's key gradients inside one family of segments, so a prefix must lie within one earlier
/// segment.
void check_prefixes(const datasets::PackedBatch& batch) {
  for (size_t i = 0; i < batch.segments.size(); ++i) {
    const auto& s = batch.segments[i];
    if (s.prefix_length == 0) continue;
    const bool inside =
        std::any_of(batch.segments.begin(), batch.segments.begin() + static_cast<int64_t>(i), [&](const auto& p) {
          return p.prefix_length == 0 && s.prefix_begin >= p.begin &&
                 s.prefix_begin + s.prefix_length <= p.begin + p.length;
        });
    if (!inside)
      throw DataError(cat("[model.batch] prefix of segment ", i,
                          " must lie within one earlier segment that has no prefix, but does not."));
  }
}

const FrozenLinear& head_of(const Model& model, const Adapter* adapter) {
  const FrozenLinear* own = adapter != nullptr ? adapter->head() : nullptr;
  return own != nullptr ? *own : model.head();
}

const FrozenLinear& embedding_of(const Model& model, const Adapter* adapter) {
  const FrozenLinear* own = adapter != nullptr ? adapter->embedding() : nullptr;
  return own != nullptr ? *own : model.embedding();
}

}  // namespace

struct TrainingModel::Arena {
  Arena(const Model& model, const TrainingModelOptions& options) : decoder(model), head(model, options) {}

  Decoder decoder;
  LossHead head;
  kernels::Scratch block;
  std::vector<LayerBuffers> layers;  // one where nothing is kept
  WorkBuffers work;
  at::Tensor dx_ND, x_final_ND;
  std::vector<kernels::AttentionSegment> segments;
  kernels::Families families;
  bool kept = false;

  void plan(const ModelConfig& c, int64_t rows, const Adapter* adapter, bool keep);
  void carve(Carver& carver, const ModelConfig& c, int64_t rows, const Adapter* adapter, bool keep);
  /// Views of the latest plan, without one allocation of ours where the block is large enough.
  at::Tensor run(const Model& model, const datasets::PackedBatch& batch, const Adapter* adapter,
                 const DropoutKey& dropout, bool keep);
};

void TrainingModel::Arena::carve(Carver& carver, const ModelConfig& c, int64_t n, const Adapter* adapter, bool keep) {
  layers.resize(static_cast<size_t>(keep ? c.layers : 1));
  at::Tensor x_ND = carver.take({n, c.hidden});
  for (size_t l = 0; l < layers.size(); ++l) {
    LayerBuffers& b = layers[l];
    b.x_in_ND = x_ND;
    b.qkv_NC = carver.take({n, c.qkv_width()});
    b.o_NQ = carver.take({n, c.q_width()});
    b.lse_HN = carver.take({c.heads, n});
    b.x_mid_ND = carver.take({n, c.hidden});
    b.gate_up_NF2 = carver.take({n, 2 * c.ffn});
    b.rstd1_N = carver.take({n});
    b.rstd2_N = carver.take({n});
    if (keep && c.qk_norm) {
      b.qk_raw_NC = carver.take({n, c.q_width() + c.kv_width()});
      b.qk_rstd_NH = carver.take({n, c.heads + c.kv_heads});
    }
    for (int s = 0; s < kSites; ++s) {
      const int64_t width = keep ? adapter->saved_width(static_cast<int>(l), static_cast<Site>(s)) : 0;
      b.adapter_NS[s] = width > 0 ? carver.take({n, width}) : at::Tensor();
    }
    // Evaluation writes each layer's output over its input: the residual stream is all that lives on.
    x_ND = b.x_out_ND = keep ? carver.take({n, c.hidden}) : x_ND;
  }
  work.norm_ND = carver.take({n, c.hidden});
  work.h_NF = carver.take({n, c.ffn});
  if (!keep) return;
  work.d_norm_ND = carver.take({n, c.hidden});
  work.d_h_NF = carver.take({n, c.ffn});
  work.d_qkv_NC = carver.take({n, c.qkv_width()});
  work.d_o_NQ = carver.take({n, c.q_width()});
  work.d_k_NQ = carver.take({n, c.q_width()});
  work.d_v_NQ = carver.take({n, c.q_width()});
  dx_ND = carver.take({n, c.hidden});
}

void TrainingModel::Arena::plan(const ModelConfig& c, int64_t rows, const Adapter* adapter, bool keep) {
  Carver count(nullptr);
  carve(count, c, rows, adapter, keep);
  Carver views(block.get(count.used(), true));
  carve(views, c, rows, adapter, keep);
}

at::Tensor TrainingModel::Arena::run(const Model& model, const datasets::PackedBatch& batch, const Adapter* adapter,
                                     const DropoutKey& dropout, bool keep) {
  const ModelConfig& c = model.config();
  datasets::validate(batch, static_cast<int>(c.vocab_size));
  check_prefixes(batch);
  const int top = batch.positions.empty() ? -1 : *std::max_element(batch.positions.begin(), batch.positions.end());
  if (top >= c.row_limit())
    throw DataError(
        cat("[model.batch] rows must fit into ", c.row_limit_reason(), ", but one has at least ", top + 1, " tokens."));
  kept = false;
  plan(c, batch.rows(), adapter, keep);
  decoder.rope().reserve(top + 1);
  segments = to_kernel(batch);
  families = kernels::attention_families(segments.data(), static_cast<int64_t>(segments.size()));
  if (batch.rows() == 0) return layers[0].x_in_ND;
  embedding_of(model, adapter).gather_rows(batch.ids, layers[0].x_in_ND);
  const AdapterRun all{0, batch.rows(), adapter};
  ForwardContext context;
  context.runs = {&all, 1};
  context.positions = batch.positions;
  context.keep = keep;
  context.dropout = dropout;
  context.attend = [this](int64_t, LayerBuffers& b) {
    const kernels::Attention a = decoder.attention(b, segments);
    const int64_t rows_each = b.o_NQ.size(0) / a.n_segments;
    parallel(
        kernels::attention_forward_units(a),
        [&](int64_t begin, int64_t end) { kernels::attention_forward(a, begin, end); },
        worth_a_thread(rows_each * rows_each * a.head_dim));
  };
  for (int64_t l = 0; l < c.layers; ++l)
    decoder.forward(l, layers[keep ? static_cast<size_t>(l) : 0], work, context);
  return layers.back().x_out_ND;
}

TrainingModel::TrainingModel(std::shared_ptr<const Model> model, TrainingModelOptions options)
    : model_(std::move(model)), options_(options), arena_(std::make_unique<Arena>(*model_, options_)) {}

TrainingModel::~TrainingModel() = default;

TokenStats TrainingModel::evaluate(const datasets::PackedBatch& batch, const Adapter* adapter) {
  const c10::NoGradGuard no_grad;
  const at::Tensor x_ND = arena_->run(*model_, batch, adapter, {}, false);
  return arena_->head.forward(x_ND, batch.targets, false, head_of(*model_, adapter));
}

TrainingModel::Evaluation TrainingModel::evaluate(const datasets::PackedBatch& batch, std::span<const int> rows,
                                                  const Adapter* adapter) {
  const c10::NoGradGuard no_grad;
  const at::Tensor x_ND = arena_->run(*model_, batch, adapter, {}, false);
  const FrozenLinear& head = head_of(*model_, adapter);
  return {arena_->head.forward(x_ND, batch.targets, false, head), arena_->head.logits(x_ND, rows, head)};
}

at::Tensor TrainingModel::logits(const datasets::PackedBatch& batch, std::span<const int> rows,
                                 const Adapter* adapter) {
  const c10::NoGradGuard no_grad;
  return arena_->head.logits(arena_->run(*model_, batch, adapter, {}, false), rows, head_of(*model_, adapter));
}

TokenStats TrainingModel::forward(const datasets::PackedBatch& batch, const Adapter& adapter,
                                  const DropoutKey& dropout) {
  const c10::NoGradGuard no_grad;
  const FrozenLinear& head = head_of(*model_, &adapter);
  model_->prepare_backward(adapter.first_layer());
  head.prepare_backward();
  arena_->x_final_ND = arena_->run(*model_, batch, &adapter, dropout, true);
  TokenStats stats = arena_->head.forward(arena_->x_final_ND, batch.targets, true, head);
  arena_->kept = true;
  return stats;
}

void TrainingModel::backward(const datasets::PackedBatch& batch, const Adapter& adapter, const DropoutKey& dropout,
                             std::span<const double> dloss_dlogp, at::Tensor& flat_grad_P) {
  const c10::NoGradGuard no_grad;
  Arena& a = *arena_;
  AFINA_CHECK(a.kept, "[model] backward must follow forward of the same batch, once");
  a.kept = false;
  if (batch.rows() == 0 || batch.targets.empty()) return;
  a.head.backward(a.x_final_ND, batch.targets, dloss_dlogp, a.dx_ND);
  for (int64_t l = model_->config().layers; l-- > adapter.first_layer();)
    a.decoder.backward(l, a.layers[static_cast<size_t>(l)], a.work, a.dx_ND, a.families, a.segments, batch.positions,
                       adapter, dropout, flat_grad_P);
}

int64_t TrainingModel::arena_bytes() const {
  return 4 * arena_->block.size() + arena_->head.bytes() + arena_->decoder.rope().bytes();
}

}  // namespace afina::model
