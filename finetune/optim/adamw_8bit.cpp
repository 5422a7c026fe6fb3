// SPDX-License-Identifier: Apache-2.0
#include "finetune/optim/adamw_8bit.h"

#include <ATen/Parallel.h>
#include <ATen/ops/linspace.h>

#include <algorithm>
#include <cmath>

namespace afina::finetune {
namespace {

constexpr int64_t kSmallestOfBytes = 4096;
constexpr int64_t kScaleBlock = 256;
constexpr int kExponents = 7;

void decode(const DynamicCode& code, const uint8_t* bytes, float scale, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i)
    out[i] = code[bytes[i]] * scale;
}

float encode(const CodeTable& table, const float* values, int64_t n, uint8_t* bytes) {
  float scale = 0.0F;
  for (int64_t i = 0; i < n; ++i)
    scale = std::max(scale, std::abs(values[i]));
  const float inverse = scale > 0.0F ? 1.0F / scale : 0.0F;
  for (int64_t i = 0; i < n; ++i)
    bytes[i] = table.nearest(std::clamp(values[i] * inverse, -1.0F, 1.0F));
  return scale;
}

}  // namespace

DynamicCode dynamic_code(bool is_signed) {
  std::vector<float> values = {0.0F, 1.0F};
  for (int exponent = 0; exponent < kExponents; ++exponent) {
    const int64_t edges = (int64_t{1} << (is_signed ? exponent : exponent + 1)) + 1;
    const at::Tensor edge = at::linspace(0.1, 1.0, edges, at::kFloat);
    const float* at = edge.const_data_ptr<float>();
    const auto decade = static_cast<float>(std::pow(10.0, exponent - (kExponents - 1)));
    for (int64_t i = 0; i + 1 < edges; ++i) {
      const float middle = decade * ((at[i] + at[i + 1]) / 2.0F);
      values.push_back(middle);
      if (is_signed) values.push_back(-middle);
    }
  }
  std::sort(values.begin(), values.end());
  DynamicCode code{};
  std::copy(values.begin(), values.end(), code.begin());
  return code;
}

CodeTable::CodeTable(bool is_signed) : code_(dynamic_code(is_signed)), first_(size_t{1} << (32 - kDropped)) {
  limit_.fill(INFINITY);
  for (size_t i = 0; i + 1 < code_.size(); ++i) {
    const auto is_nearer = [&](float x) { return std::abs(x - code_[i]) <= std::abs(x - code_[i + 1]); };
    float limit = (code_[i] + code_[i + 1]) / 2.0F;
    while (!is_nearer(limit))
      limit = std::nextafter(limit, -INFINITY);
    while (is_nearer(std::nextafter(limit, INFINITY)))
      limit = std::nextafter(limit, INFINITY);
    limit_[i] = limit;
  }
  for (size_t key = 0; key < first_.size(); ++key) {
    const uint32_t bits = static_cast<uint32_t>(key) << kDropped;
    const bool negative = (bits >> 31) != 0;
    const auto smallest = std::bit_cast<float>(negative ? bits | ((1U << kDropped) - 1) : bits);
    if (std::isnan(smallest)) continue;
    first_[key] = static_cast<uint8_t>(std::lower_bound(limit_.begin(), limit_.end() - 1, smallest) - limit_.begin());
  }
}

AdamW8bit::AdamW8bit(std::span<const ParameterBlock> blocks, int64_t parameters, AdamWOptions options)
    : BufferedOptimiser(parameters), options_(options), signed_(true), unsigned_(false) {
  int64_t bytes = 0, scales = 0, wide = 0;
  for (const auto& block : blocks) {
    if (block.size() < kSmallestOfBytes) {
      pieces_.push_back({block.begin, block.size(), wide, -1, block.rate_factor});
      wide += block.size();
      continue;
    }
    for (int64_t done = 0; done < block.size(); done += kScaleBlock) {
      const int64_t size = std::min(kScaleBlock, block.size() - done);
      pieces_.push_back({block.begin + done, size, bytes, scales++, block.rate_factor});
      bytes += size;
    }
  }
  first_code_ = add_bytes("exp_avg_8bit", bytes);
  second_code_ = add_bytes("exp_avg_sq_8bit", bytes);
  first_scale_ = add_floats("exp_avg_absmax", scales);
  second_scale_ = add_floats("exp_avg_sq_absmax", scales);
  first_ = add_floats("exp_avg", wide);
  second_ = add_floats("exp_avg_sq", wide);
}

void AdamW8bit::step(std::span<float> parameters, std::span<const float> gradient, double learning_rate) {
  const auto t = static_cast<double>(begin_step(parameters, gradient));
  const Numbers numbers{static_cast<float>(options_.beta1),
                        static_cast<float>(1.0 - options_.beta1),
                        static_cast<float>(options_.beta2),
                        static_cast<float>(1.0 - options_.beta2),
                        static_cast<float>(std::sqrt(1.0 - std::pow(options_.beta2, t))),
                        static_cast<float>(options_.epsilon),
                        1.0 - std::pow(options_.beta1, t)};
  constexpr int64_t kPieces = 32;
  at::parallel_for(0, static_cast<int64_t>(pieces_.size()), kPieces, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces_[static_cast<size_t>(i)];
      update(piece, numbers, learning_rate * piece.rate_factor, parameters.data() + piece.begin,
             gradient.data() + piece.begin);
    }
  });
}

void AdamW8bit::update(const Piece& piece, const Numbers& n, double learning_rate, float* p, const float* g) {
  std::array<float, kScaleBlock> m_wide, v_wide;
  const bool packed = piece.scale >= 0;
  float* m = packed ? m_wide.data() : floats(first_) + piece.state_begin;
  float* v = packed ? v_wide.data() : floats(second_) + piece.state_begin;
  uint8_t *m_code = nullptr, *v_code = nullptr;
  if (packed) {
    m_code = codes(first_code_) + piece.state_begin;
    v_code = codes(second_code_) + piece.state_begin;
    decode(signed_.code(), m_code, floats(first_scale_)[piece.scale], piece.size, m);
    decode(unsigned_.code(), v_code, floats(second_scale_)[piece.scale], piece.size, v);
  }
  const auto decay = static_cast<float>(1.0 - learning_rate * options_.weight_decay);
  const auto minus_rate = static_cast<float>(-(learning_rate / n.correction1));
  for (int64_t i = 0; i < piece.size; ++i) {
    m[i] = m[i] * n.beta1 + n.weight1 * g[i];
    v[i] = v[i] * n.beta2 + n.weight2 * g[i] * g[i];
    p[i] = p[i] * decay + minus_rate * m[i] / (std::sqrt(v[i]) / n.root + n.epsilon);
  }
  if (!packed) return;
  floats(first_scale_)[piece.scale] = encode(signed_, m, piece.size, m_code);
  floats(second_scale_)[piece.scale] = encode(unsigned_, v, piece.size, v_code);
}

}  // namespace afina::finetune
