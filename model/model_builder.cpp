// SPDX-License-Identifier: Apache-2.0
#include "model/model_builder.h"

#include <ATen/ATen.h>

#include <set>

#include "base/error.h"
#include "base/log.h"
#include "model/frozen_bf16.h"
#include "model/frozen_nf4.h"
#include "model/kernels/cpu/table.h"

namespace afina::model {
namespace {

constexpr Site kAllSites[] = {Site::qkv, Site::o, Site::gate_up, Site::down};

struct Part {
  std::string module;  // "model.layers.0.mlp.up_proj"
  int64_t rows;
};

std::string layer_name(int64_t layer, const char* part) {
  return cat("model.layers.", layer, ".", part);
}

/// The modules of one site, in the order of their rows.
std::vector<Part> site_parts(const ModelConfig& c, int64_t layer, Site site) {
  switch (site) {
    case Site::qkv:
      return {{layer_name(layer, "self_attn.q_proj"), c.q_width()},
              {layer_name(layer, "self_attn.k_proj"), c.kv_width()},
              {layer_name(layer, "self_attn.v_proj"), c.kv_width()}};
    case Site::o:
      return {{layer_name(layer, "self_attn.o_proj"), c.hidden}};
    case Site::gate_up:
      return {{layer_name(layer, "mlp.gate_proj"), c.ffn}, {layer_name(layer, "mlp.up_proj"), c.ffn}};
    case Site::down:
      return {{layer_name(layer, "mlp.down_proj"), c.hidden}};
  }
  return {};
}

void check_all(const ModelConfig& c, const WeightSource& source) {
  std::set<std::string> expected;
  const auto check = [&](const std::string& name, const std::vector<int64_t>& shape) {
    source.check(name, shape);
    expected.insert(name);
  };
  check("model.embed_tokens.weight", {c.vocab_size, c.hidden});
  check("model.norm.weight", {c.hidden});
  if (!c.tied_head) check("lm_head.weight", {c.vocab_size, c.hidden});
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    for (const char* norm : {"input_layernorm.weight", "post_attention_layernorm.weight"})
      check(layer_name(layer, norm), {c.hidden});
    if (c.qk_norm)
      for (const char* norm : {"self_attn.q_norm.weight", "self_attn.k_norm.weight"})
        check(layer_name(layer, norm), {c.head_dim});
    for (const Site site : kAllSites)
      for (const Part& part : site_parts(c, layer, site)) {
        check(part.module + ".weight", {part.rows, c.site_in(site)});
        if (c.has_bias(site)) check(part.module + ".bias", {part.rows});
      }
  }
  source.check_nothing_else(expected);
}

at::Tensor read_vector(const WeightSource& source, const std::string& name, int64_t n) {
  at::Tensor out = at::empty({n}, at::kFloat);
  source.read_rows(name, 0, out);
  return out;
}

/// Rows of several tensors as if they were one.
RowReader fused_reader(const WeightSource& source, const std::vector<Part>& parts) {
  return [&source, &parts](int64_t first, at::Tensor& out_RI) {
    int64_t begin = 0;  // of this part
    const int64_t last = first + out_RI.size(0);
    for (const Part& part : parts) {
      const int64_t from = std::max(first, begin), to = std::min(last, begin + part.rows);
      if (from < to) source.read_rows(part.module + ".weight", from - begin, out_RI.narrow(0, from - first, to - from));
      begin += part.rows;
    }
  };
}

std::unique_ptr<FrozenLinear> read_fused(const WeightSource& source, const std::vector<Part>& parts, int64_t in,
                                         const LoadOptions& options) {
  int64_t rows = 0;
  for (const Part& part : parts)
    rows += part.rows;
  const RowReader reader = fused_reader(source, parts);
  if (options.arithmetic == Arithmetic::bfloat16) return make_frozen_bf16(rows, in, reader, options.transposed);
  return make_frozen_f32(rows, in, reader, options.gemm, options.transposed);
}

formats::Nf4Tensor quantised(const WeightSource& source, const Part& part, int64_t in, BaseStorage storage) {
  at::Tensor w_OI = at::empty({part.rows, in}, at::kFloat);
  source.read_rows(part.module + ".weight", 0, w_OI);
  auto tensor =
      formats::nf4_quantize({w_OI.const_data_ptr<float>(), static_cast<size_t>(w_OI.numel())}, {part.rows, in});
  return storage == BaseStorage::nf4_double ? formats::nf4_double_quantize(std::move(tensor)) : tensor;
}

Nf4Arithmetic nf4_arithmetic(const LoadOptions& options) {
  const bool narrow = options.arithmetic == Arithmetic::bfloat16 && options.nf4_arithmetic == Nf4Arithmetic::fp32;
  return narrow ? Nf4Arithmetic::bfloat16 : options.nf4_arithmetic;
}

/// NF4 where every part is stored or wanted so; a site of mixed parts is widened to the plain storage.
std::unique_ptr<FrozenLinear> read_site(const WeightSource& source, const std::vector<Part>& parts, int64_t in,
                                        const LoadOptions& options) {
  std::vector<formats::Nf4Tensor> tensors;
  for (const Part& part : parts) {
    if (auto stored = source.read_nf4(part.module + ".weight")) {
      tensors.push_back(std::move(*stored));
    } else if (options.base_storage != BaseStorage::as_stored) {
      tensors.push_back(quantised(source, part, in, options.base_storage));
    }
  }
  if (tensors.size() == parts.size()) return make_frozen_nf4(std::move(tensors), nf4_arithmetic(options));
  return read_fused(source, parts, in, options);
}

at::Tensor read_bias(const WeightSource& source, const std::vector<Part>& parts) {
  std::vector<at::Tensor> biases;
  for (const Part& part : parts)
    biases.push_back(read_vector(source, part.module + ".bias", part.rows));
  return at::cat(biases);
}

LayerWeights read_layer(const ModelConfig& c, const WeightSource& source, const LoadOptions& options, int64_t l) {
  LayerWeights layer;
  layer.norm1_D = read_vector(source, layer_name(l, "input_layernorm.weight"), c.hidden);
  layer.norm2_D = read_vector(source, layer_name(l, "post_attention_layernorm.weight"), c.hidden);
  if (c.qk_norm) {
    layer.q_norm_K = read_vector(source, layer_name(l, "self_attn.q_norm.weight"), c.head_dim);
    layer.k_norm_K = read_vector(source, layer_name(l, "self_attn.k_norm.weight"), c.head_dim);
  }
  for (const Site site : kAllSites) {
    const auto parts = site_parts(c, l, site);
    layer.linear[static_cast<int>(site)] = read_site(source, parts, c.site_in(site), options);
    if (c.has_bias(site)) layer.bias_O[static_cast<int>(site)] = read_bias(source, parts);
  }
  return layer;
}

}  // namespace

std::shared_ptr<const Model> build_model(const ModelConfig& c, const WeightSource& source, const LoadOptions& options,
                                         ModelOrigin origin) {
  origin.storage = options.base_storage;
  check_all(c, source);
  if (options.arithmetic == Arithmetic::bfloat16 && !kernels::table().native_bf16)
    log_warning(
        "model",
        "this processor has no AVX512-BF16: bf16 products are computed with fp32 instructions, exactly the same "
        "roundings but no faster than dtype=float32");
  std::vector<LayerWeights> layers;
  layers.reserve(static_cast<size_t>(c.layers));
  for (int64_t l = 0; l < c.layers; ++l)
    layers.push_back(read_layer(c, source, options, l));
  auto embedding = read_fused(source, {{"model.embed_tokens", c.vocab_size}}, c.hidden, options);
  auto head = c.tied_head ? nullptr : read_fused(source, {{"lm_head", c.vocab_size}}, c.hidden, options);
  auto final_norm = read_vector(source, "model.norm.weight", c.hidden);
  return std::make_shared<const Model>(c, std::move(layers), std::move(embedding), std::move(head),
                                       std::move(final_norm), std::move(origin));
}

}  // namespace afina::model
