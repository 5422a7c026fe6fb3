// SPDX-License-Identifier: Apache-2.0
#include "model/cuda/attention.h"

#include <ATen/ATen.h>
#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "model/kernels/cuda/kernels.h"

namespace afina::model::cuda {
namespace {

at::Tensor on_device(const std::vector<int>& values, at::Device device) {
  return at::tensor(values, at::kInt).to(device);
}

/// q, k and v of rows, heads apart: views.
struct Parts {
  at::Tensor q_NHK, k_NGK, v_NGK;
};

Parts parts(const at::Tensor& qkv_NC, const ModelConfig& c) {
  const int64_t q = c.q_width(), kv = c.kv_width();
  const auto heads = [&](int64_t begin, int64_t width) {
    return qkv_NC.narrow(1, begin, width).unflatten(1, {width / c.head_dim, c.head_dim});
  };
  return {heads(0, q), heads(q, kv), heads(q + kv, kv)};
}

double scale_of(const ModelConfig& c) {
  return 1.0 / std::sqrt(static_cast<double>(c.head_dim));
}

/// Rows of one segment in the batch: its prefix, then itself.
at::Tensor with_prefix(const at::Tensor& rows_NGK, const datasets::Segment& s) {
  const at::Tensor own = rows_NGK.narrow(0, s.begin, s.length);
  return s.prefix_length == 0 ? own : at::cat({rows_NGK.narrow(0, s.prefix_begin, s.prefix_length), own}, 0);
}

/// Scores of rows that may not see a key: -inf. Row i sees the prefix and rows up to itself.
at::Tensor causal_mask(const datasets::Segment& s, const at::Tensor& like) {
  const int64_t keys = s.prefix_length + s.length;
  return at::full({s.length, keys}, -std::numeric_limits<float>::infinity(), like.options()).triu(s.prefix_length + 1);
}

/// [H, L, keys] fp32 scaled scores with their mask.
at::Tensor scores(const Parts& p, const datasets::Segment& s, const ModelConfig& c) {
  const at::Tensor q_HLK = p.q_NHK.narrow(0, s.begin, s.length).transpose(0, 1);
  const at::Tensor k_HSK = with_prefix(p.k_NGK, s).transpose(0, 1).repeat_interleave(c.heads / c.kv_heads, 0);
  return at::matmul(q_HLK, k_HSK.transpose(1, 2)).mul_(scale_of(c)).add_(causal_mask(s, q_HLK));
}

void exact_forward(const AttentionPlan& plan, const ModelConfig& c, const at::Tensor& qkv_NC, at::Tensor& o_NQ,
                   at::Tensor& lse_HN) {
  const Parts p = parts(qkv_NC, c);
  for (const auto& s : plan.segments) {
    const at::Tensor s_HLS = scores(p, s, c);
    const at::Tensor v_HSK = with_prefix(p.v_NGK, s).transpose(0, 1).repeat_interleave(c.heads / c.kv_heads, 0);
    lse_HN.narrow(1, s.begin, s.length).copy_(at::logsumexp(s_HLS, {2}));
    o_NQ.narrow(0, s.begin, s.length)
        .copy_(at::matmul(at::softmax(s_HLS, 2), v_HSK).transpose(0, 1).reshape({s.length, c.q_width()}));
  }
}

/// Adds the gradient of [prefix | own] keys or values, heads summed to groups, to the batch's rows.
void add_with_prefix(const at::Tensor& d_HSK, const datasets::Segment& s, int64_t groups, at::Tensor d_NGK) {
  const at::Tensor d_SGK = d_HSK.unflatten(0, {groups, d_HSK.size(0) / groups}).sum(1).transpose(0, 1);
  if (s.prefix_length > 0) d_NGK.narrow(0, s.prefix_begin, s.prefix_length).add_(d_SGK.narrow(0, 0, s.prefix_length));
  d_NGK.narrow(0, s.begin, s.length).add_(d_SGK.narrow(0, s.prefix_length, s.length));
}

void exact_backward(const AttentionPlan& plan, const ModelConfig& c, const at::Tensor& qkv_NC, const at::Tensor& o_NQ,
                    const at::Tensor& lse_HN, const at::Tensor& d_o_NQ, at::Tensor& d_qkv_NC) {
  const Parts p = parts(qkv_NC, c), d = parts(d_qkv_NC, c);
  const int64_t share = c.heads / c.kv_heads;
  for (const auto& s : plan.segments) {
    const auto heads = [&](const at::Tensor& t_NQ) {
      return t_NQ.narrow(0, s.begin, s.length).unflatten(1, {c.heads, c.head_dim}).transpose(0, 1);
    };
    const at::Tensor p_HLS = (scores(p, s, c) - lse_HN.narrow(1, s.begin, s.length).unsqueeze(2)).exp_();
    const at::Tensor d_o = heads(d_o_NQ), rest_HL1 = (d_o * heads(o_NQ)).sum(2, true);
    const at::Tensor k_HSK = with_prefix(p.k_NGK, s).transpose(0, 1).repeat_interleave(share, 0);
    const at::Tensor v_HSK = with_prefix(p.v_NGK, s).transpose(0, 1).repeat_interleave(share, 0);
    const at::Tensor d_s = p_HLS * (at::matmul(d_o, v_HSK.transpose(1, 2)) - rest_HL1) * scale_of(c);
    d.q_NHK.narrow(0, s.begin, s.length).copy_(at::matmul(d_s, k_HSK).transpose(0, 1));
    add_with_prefix(at::matmul(d_s.transpose(1, 2), p.q_NHK.narrow(0, s.begin, s.length).transpose(0, 1)), s,
                    c.kv_heads, d.k_NGK);
    add_with_prefix(at::matmul(p_HLS.transpose(1, 2), d_o), s, c.kv_heads, d.v_NGK);
  }
}

at::Tensor gathered_bf16(const at::Tensor& rows_NHK, const at::Tensor& index) {
  return rows_NHK.index_select(0, index).to(at::kBFloat16);
}

void flash_forward(const AttentionPlan& plan, const ModelConfig& c, const at::Tensor& qkv_NC, at::Tensor& o_NQ,
                   at::Tensor& lse_HN) {
  const Parts p = parts(qkv_NC, c);
  const auto [o, lse, seed, offset, debug] = at::_flash_attention_forward(
      gathered_bf16(p.q_NHK, plan.q_rows), gathered_bf16(p.k_NGK, plan.kv_rows), gathered_bf16(p.v_NGK, plan.kv_rows),
      plan.cu_q, plan.cu_k, plan.longest_q, plan.longest_k, 0.0, true, false, scale_of(c));
  o_NQ.index_copy_(0, plan.q_rows.to(at::kLong), o.reshape({-1, c.q_width()}).to(at::kFloat));
  lse_HN.index_copy_(1, plan.q_rows.to(at::kLong), lse);
}

/// d_kv rows come back to the batch's rows round by round: every sum has one order.
void add_back(const AttentionPlan& plan, const at::Tensor& d_SGK, at::Tensor d_NG) {
  const at::Tensor d = d_SGK.to(at::kFloat).contiguous();
  const int64_t width = d.size(1) * d.size(2);
  for (const auto& round : plan.rounds)
    add_to_rows(d.const_data_ptr<float>(), width, round.from.const_data_ptr<int>(), round.to.const_data_ptr<int>(),
                d_NG.data_ptr<float>(), d_NG.stride(0), round.n, width, c10::cuda::getCurrentCUDAStream().stream());
}

void flash_backward(const AttentionPlan& plan, const ModelConfig& c, const at::Tensor& qkv_NC, const at::Tensor& o_NQ,
                    const at::Tensor& lse_HN, const at::Tensor& d_o_NQ, at::Tensor& d_qkv_NC) {
  const Parts p = parts(qkv_NC, c);
  const auto heads = [&](const at::Tensor& t_NQ) {
    return gathered_bf16(t_NQ.unflatten(1, {c.heads, c.head_dim}), plan.q_rows);
  };
  const at::Tensor none = at::zeros({2}, qkv_NC.options().dtype(at::kLong));
  const auto [d_q, d_k, d_v] = at::_flash_attention_backward(
      heads(d_o_NQ), gathered_bf16(p.q_NHK, plan.q_rows), gathered_bf16(p.k_NGK, plan.kv_rows),
      gathered_bf16(p.v_NGK, plan.kv_rows), heads(o_NQ), lse_HN.index_select(1, plan.q_rows).contiguous(), plan.cu_q,
      plan.cu_k, plan.longest_q, plan.longest_k, 0.0, true, none, none, scale_of(c));
  const int64_t q = c.q_width(), kv = c.kv_width();
  d_qkv_NC.narrow(1, 0, q).index_copy_(0, plan.q_rows.to(at::kLong), d_q.reshape({-1, q}).to(at::kFloat));
  add_back(plan, d_k, d_qkv_NC.narrow(1, q, kv));
  add_back(plan, d_v, d_qkv_NC.narrow(1, q + kv, kv));
}

}  // namespace

AttentionPlan plan_attention(std::span<const datasets::Segment> segments, at::Device device) {
  AttentionPlan plan;
  plan.segments.assign(segments.begin(), segments.end());
  std::vector<int> q_rows, kv_rows, cu_q = {0}, cu_k = {0};
  const auto add = [](std::vector<int>& rows, int begin, int length) {
    for (int i = begin; i < begin + length; ++i)
      rows.push_back(i);
  };
  for (const auto& s : segments) {
    add(q_rows, s.begin, s.length);
    add(kv_rows, s.prefix_begin, s.prefix_length);
    add(kv_rows, s.begin, s.length);
    cu_q.push_back(static_cast<int>(q_rows.size()));
    cu_k.push_back(static_cast<int>(kv_rows.size()));
    plan.longest_q = std::max<int64_t>(plan.longest_q, s.length);
    plan.longest_k = std::max<int64_t>(plan.longest_k, s.prefix_length + s.length);
  }
  std::map<int, size_t> uses;
  std::vector<std::pair<std::vector<int>, std::vector<int>>> rounds;
  for (size_t at = 0; at < kv_rows.size(); ++at) {
    const size_t round = uses[kv_rows[at]]++;
    if (round == rounds.size()) rounds.emplace_back();
    rounds[round].first.push_back(static_cast<int>(at));
    rounds[round].second.push_back(kv_rows[at]);
  }
  for (const auto& [from, to] : rounds)
    plan.rounds.push_back({on_device(from, device), on_device(to, device), static_cast<int64_t>(from.size())});
  plan.q_rows = on_device(q_rows, device);
  plan.kv_rows = on_device(kv_rows, device);
  plan.cu_q = on_device(cu_q, device);
  plan.cu_k = on_device(cu_k, device);
  return plan;
}

void attention_forward(const AttentionPlan& plan, const ModelConfig& config, AttentionWay way, const at::Tensor& qkv_NC,
                       at::Tensor& o_NQ, at::Tensor& lse_HN) {
  if (plan.segments.empty()) return;
  if (way == AttentionWay::flash_bf16) return flash_forward(plan, config, qkv_NC, o_NQ, lse_HN);
  exact_forward(plan, config, qkv_NC, o_NQ, lse_HN);
}

void attention_backward(const AttentionPlan& plan, const ModelConfig& config, AttentionWay way,
                        const at::Tensor& qkv_NC, const at::Tensor& o_NQ, const at::Tensor& lse_HN,
                        const at::Tensor& d_o_NQ, at::Tensor& d_qkv_NC) {
  d_qkv_NC.zero_();
  if (plan.segments.empty()) return;
  if (way == AttentionWay::flash_bf16) return flash_backward(plan, config, qkv_NC, o_NQ, lse_HN, d_o_NQ, d_qkv_NC);
  exact_backward(plan, config, qkv_NC, o_NQ, lse_HN, d_o_NQ, d_qkv_NC);
}

}  // namespace afina::model::cuda
