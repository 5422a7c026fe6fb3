// SPDX-License-Identifier: Apache-2.0
#include "model/arena.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"

namespace afina::model {
namespace {

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

void check(const datasets::PackedBatch& batch, const ModelConfig& c, int64_t positions) {
  datasets::validate(batch, static_cast<int>(c.vocab_size));
  check_prefixes(batch);
  if (positions > c.row_limit())
    throw DataError(cat("[model.batch] rows must fit into ", c.row_limit_reason(), ", but one has at least ", positions,
                        " tokens."));
}

int64_t positions_of(const datasets::PackedBatch& batch) {
  return batch.positions.empty() ? 0 : 1 + *std::max_element(batch.positions.begin(), batch.positions.end());
}

const FrozenLinear& head_of(const Model& model, const Adapter* adapter) {
  const FrozenLinear* own = adapter != nullptr ? adapter->head() : nullptr;
  return own != nullptr ? *own : model.head();
}

const FrozenLinear& embedding_of(const Model& model, const Adapter* adapter) {
  const FrozenLinear* own = adapter != nullptr ? adapter->embedding() : nullptr;
  return own != nullptr ? *own : model.embedding();
}

bool has_score(const Adapter* adapter) {
  return adapter != nullptr && adapter->score_weight().defined();
}

int64_t most_targets_of_a_row(const TargetIndex& index) {
  int most = 1;
  for (size_t r = 0; r + 1 < index.begin.size(); ++r)
    most = std::max(most, index.begin[r + 1] - index.begin[r]);
  return most;
}

bool finite(const at::Tensor& t) {
  return !t.defined() || at::isfinite(t).all().item<bool>();
}

}  // namespace

Arena::Arena(const Model& model, const TrainingModelOptions& options)
    : model_(model),
      options_(options),
      decoder_(model),
      head_(decoder_.compute(), model, options),
      reward_(decoder_.compute(), model) {}

at::Tensor Arena::view(const Extent& e) const {
  return e.there() ? block_.narrow(0, e.at, e.rows * e.columns).view({e.rows, e.columns}) : at::Tensor();
}

at::Tensor Arena::flat(const Extent& e) const {
  return e.there() ? block_.narrow(0, e.at, e.rows * e.columns) : at::Tensor();
}

void Arena::make_views() {
  layers_.resize(plan_.layers.size());
  for (size_t l = 0; l < layers_.size(); ++l) {
    const LayerExtents& e = plan_.layers[l];
    LayerBuffers& b = layers_[l];
    b = {view(e.x_in),    view(e.x_mid), view(e.x_out), view(e.qkv),    view(e.o),       view(e.lse),
         view(e.gate_up), flat(e.rstd1), flat(e.rstd2), view(e.qk_raw), view(e.qk_rstd), {}};
    for (size_t s = 0; s < kSites; ++s)
      b.adapter_NS[s] = view(e.adapter[s]);
  }
  const ArenaPlan& p = plan_;
  work_ = {view(p.norm1),   view(p.norm2),   view(p.h),
           view(p.d_norm1), view(p.d_norm2), view(p.d_h),
           view(p.d_qkv),   view(p.d_o),     {view(p.d_k), view(p.d_v)},
           flat(p.base),    flat(p.scaled)};
  head_buffers_ = {view(p.logits), view(p.head_norm), view(p.head_kept), flat(p.head_rstd), flat(p.head_scale), {},
                   flat(p.d_score)};
  if (p.w_y >= 0) head_buffers_.w_y = block_.narrow(0, p.logits.at, p.w_y);
  dx_ND_ = view(p.dx);
}

void Arena::lay_out(const datasets::PackedBatch& batch, const Adapter* adapter, bool keep) {
  const ModelConfig& c = model_.config();
  ArenaRequest request;
  request.rows = batch.rows();
  request.target_rows = batch_->index.rows();
  request.positions = positions_of(batch);
  request.keep = keep;
  request.head_chunk_rows = std::max(1, options_.head_chunk_rows);
  request.most_targets_of_a_row = most_targets_of_a_row(batch_->index);
  request.recompute = options_.recompute;
  request.recompute_layers = options_.recompute_layers;
  if (adapter != nullptr) describe_adapter(c, *adapter, request);
  if (request == request_ && !layers_.empty()) return;
  plan_ = plan_arena(c, request);
  grow(plan_.floats);
  make_views();
  request_ = std::move(request);
}

void Arena::grow(int64_t floats) {
  if (floats <= floats_) return;
  // Views first: the old block must be gone before the new one is asked for.
  layers_.clear();
  work_ = {};
  head_buffers_ = {};
  x_final_ND_ = dx_ND_ = block_ = at::Tensor();
  floats_ = 0;
  block_ = decoder_.compute().allocate(floats);
  floats_ = floats;
}

void Arena::reserve(ArenaRequest largest, const Adapter& adapter) {
  largest.recompute = options_.recompute;
  largest.recompute_layers = options_.recompute_layers;
  largest.head_chunk_rows = std::max(1, options_.head_chunk_rows);
  describe_adapter(model_.config(), adapter, largest);
  const int64_t floats = plan_arena(model_.config(), largest).floats;
  if (floats > floats_) request_ = {};
  grow(floats);
}

at::Tensor Arena::run(const datasets::PackedBatch& batch, const Adapter* adapter, const DropoutKey& dropout,
                      bool keep) {
  const ModelConfig& c = model_.config();
  check(batch, c, positions_of(batch));
  kept_ = false;
  went_back_ = false;
  batch_ = decoder_.compute().prepare({batch.positions, batch.segments, batch.targets});
  lay_out(batch, adapter, keep);
  if (batch.rows() == 0) return layers_.front().x_in_ND;
  at::Tensor& x_ND = layers_.front().x_in_ND;
  embedding_of(model_, adapter).gather_rows(batch.ids, x_ND);
  if (keep && options_.neftune_alpha > 0) decoder_.compute().add_noise(*batch_, options_.neftune_alpha, dropout, x_ND);
  run_ = {0, batch.rows(), adapter};
  context_ = {{&run_, 1}, batch_.get(), keep, dropout, {}};
  for (int64_t l = 0; l < c.layers; ++l)
    decoder_.forward(l, layers_[static_cast<size_t>(l)], work_, context_);
  return layers_.back().x_out_ND;
}

TokenStats Arena::head_forward(const at::Tensor& x_ND, const Adapter* adapter, bool keep) {
  x_final_ND_ = x_ND;
  TokenStats stats = has_score(adapter) ? reward_.forward(x_ND, *batch_, head_buffers_, adapter->score_weight())
                                        : head_.forward(x_ND, *batch_, head_buffers_, keep, head_of(model_, adapter));
  kept_ = keep;
  return stats;
}

at::Tensor Arena::logits(const at::Tensor& x_ND, std::span<const int> rows, const Adapter* adapter) {
  return head_.logits(x_ND, rows, head_of(model_, adapter));
}

void Arena::backward(const Adapter& adapter, std::span<const double> dloss_dlogp, at::Tensor& flat_grad_P) {
  AFINA_CHECK(kept_, "[model] backward must follow forward of the same batch, once");
  kept_ = false;
  went_back_ = true;
  if (batch_->rows == 0 || batch_->index.targets() == 0) return;
  if (has_score(&adapter)) {
    reward_.backward(x_final_ND_, *batch_, head_buffers_, adapter.score_weight(), dloss_dlogp, dx_ND_);
    adapter.add_score_gradient(head_buffers_.d_score_D, flat_grad_P);
  } else {
    head_.backward(x_final_ND_, *batch_, head_buffers_, head_of(model_, &adapter), dloss_dlogp, dx_ND_);
  }
  run_.adapter = &adapter;
  const BackwardContext context{*batch_, adapter, context_.dropout, flat_grad_P};
  for (int64_t l = model_.config().layers; l-- > adapter.first_layer();) {
    LayerBuffers& b = layers_[static_cast<size_t>(l)];
    decoder_.recompute(recompute_of(request_, l), l, b, work_, context_);
    decoder_.backward(l, b, work_, dx_ND_, context);
  }
}

std::string Arena::first_non_finite() const {
  if (!request_.keep || layers_.empty()) return "";
  if (!finite(layers_.front().x_in_ND)) return request_.first_layer > 0 ? "a layer below the adapter" : "the embedding";
  for (size_t l = static_cast<size_t>(request_.first_layer); l < layers_.size(); ++l) {
    const LayerBuffers& b = layers_[l];
    const bool own = recompute_of(request_, static_cast<int64_t>(l)) != Recompute::layer;
    if (own && !finite(b.qkv_NC)) return cat("layer ", l, ", queries, keys and values");
    if (own && !finite(b.o_NQ)) return cat("layer ", l, ", attention");
    if (own && !finite(b.x_mid_ND)) return cat("layer ", l, ", output projection");
    if (!finite(b.x_out_ND)) return cat("layer ", l, ", MLP");
  }
  if (!went_back_) return finite(head_buffers_.rstd_R) ? "" : "the final norm";
  // Going back, gate and up give way to their gradients, from the last layer down.
  for (size_t l = layers_.size(); l-- > static_cast<size_t>(request_.first_layer);)
    if (recompute_of(request_, static_cast<int64_t>(l)) == Recompute::none && !finite(layers_[l].gate_up_NF2))
      return cat("layer ", l, ", gradient of gate and up");
  return "";
}

}  // namespace afina::model
