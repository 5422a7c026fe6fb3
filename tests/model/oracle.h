// SPDX-License-Identifier: Apache-2.0
// The whole decoder again with plain ATen operators in double and autograd: what the written-out engine is checked
// against.
#pragma once
#include <ATen/ATen.h>

#include <cmath>

#include "datasets/batch/packed_batch.h"
#include "model/model.h"
#include "tests/model/toy_adapter.h"

namespace afina::model {

inline at::Tensor dense(const FrozenLinear& linear) {
  at::Tensor w = at::empty({linear.out_features(), linear.in_features()});
  linear.dequantize_rows(0, w);
  return w.to(at::kDouble);
}

/// Normed hidden states at the rows of all targets, [M, D] double, differentiable in flat (the toy adapter's
/// parameters, double).
inline at::Tensor oracle_hidden(const Model& model, const datasets::PackedBatch& batch, const ToyAdapter* adapter,
                                const at::Tensor& flat) {
  const ModelConfig& c = model.config();
  const int64_t n = batch.rows(), hd = c.head_dim, share = c.heads / c.kv_heads;
  const auto ints = [](const std::vector<int>& v) { return at::tensor(at::ArrayRef<int>(v)).to(at::kLong); };
  const auto norm = [&](const at::Tensor& x, const at::Tensor& w) {
    return x * at::rsqrt(x.square().mean(-1, true) + c.rms_eps) * w.to(at::kDouble);
  };
  const auto project = [&](int64_t layer, Site site, const at::Tensor& x) {
    at::Tensor y = at::mm(x, dense(model.linear(layer, site)).t());
    if (adapter == nullptr) return y;
    const auto [a, b] = adapter->views(flat, static_cast<int>(layer), site);
    return a.defined() ? y + at::mm(at::mm(x, a.t()), b.t()) : y;
  };
  at::Tensor mask = at::full({n, n}, -INFINITY, at::kDouble);
  for (const auto& s : batch.segments)
    for (int i = s.begin; i < s.begin + s.length; ++i) {
      if (s.prefix_length > 0) mask[i].narrow(0, s.prefix_begin, s.prefix_length).zero_();
      mask[i].narrow(0, s.begin, i - s.begin + 1).zero_();
    }
  const auto inverse = rope_inverse_frequencies(c);
  const at::Tensor angle = ints(batch.positions).to(at::kFloat).unsqueeze(1) * at::tensor(at::ArrayRef<float>(inverse));
  const at::Tensor cos = at::cat({angle, angle}, 1).cos().to(at::kDouble).unsqueeze(1),
                   sin = at::cat({angle, angle}, 1).sin().to(at::kDouble).unsqueeze(1);
  const auto rope = [&](const at::Tensor& x) {
    return x * cos + at::cat({-x.slice(2, hd / 2), x.slice(2, 0, hd / 2)}, 2) * sin;
  };
  at::Tensor x = dense(model.embedding()).index_select(0, ints(batch.ids));
  for (int64_t l = 0; l < c.layers; ++l) {
    const at::Tensor qkv = project(l, Site::qkv, norm(x, model.layer(l).norm1_D));
    const at::Tensor q = rope(qkv.slice(1, 0, c.q_width()).view({n, c.heads, hd})).transpose(0, 1);
    const at::Tensor k = rope(qkv.slice(1, c.q_width(), c.q_width() + c.kv_width()).view({n, c.kv_heads, hd}))
                             .transpose(0, 1)
                             .repeat_interleave(share, 0);
    const at::Tensor v =
        qkv.slice(1, c.q_width() + c.kv_width()).view({n, c.kv_heads, hd}).transpose(0, 1).repeat_interleave(share, 0);
    const at::Tensor p = at::softmax(at::matmul(q, k.transpose(1, 2)) / std::sqrt(static_cast<double>(hd)) + mask, -1);
    x = x + project(l, Site::o, at::matmul(p, v).transpose(0, 1).reshape({n, c.q_width()}));
    const at::Tensor gate_up = project(l, Site::gate_up, norm(x, model.layer(l).norm2_D));
    x = x + project(l, Site::down, at::silu(gate_up.slice(1, 0, c.ffn)) * gate_up.slice(1, c.ffn));
  }
  std::vector<int> rows;
  for (const auto& t : batch.targets)
    rows.push_back(t.row);
  return norm(x, model.final_norm()).index_select(0, ints(rows));
}

/// Log-probabilities of all targets, [M] double, differentiable in flat.
inline at::Tensor oracle_logprobs(const Model& model, const datasets::PackedBatch& batch, const ToyAdapter* adapter,
                                  const at::Tensor& flat) {
  std::vector<int> tokens;
  for (const auto& t : batch.targets)
    tokens.push_back(t.token);
  const at::Tensor logits = at::mm(oracle_hidden(model, batch, adapter, flat), dense(model.head()).t());
  const at::Tensor token_M = at::tensor(at::ArrayRef<int>(tokens)).to(at::kLong);
  return at::log_softmax(logits, 1).gather(1, token_M.unsqueeze(1)).squeeze(1);
}

}  // namespace afina::model
