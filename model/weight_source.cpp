// SPDX-License-Identifier: Apache-2.0
#include "model/weight_source.h"

#include <ATen/ATen.h>

#include <cmath>

#include "base/error.h"
#include "base/hash.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "model/parallel.h"

namespace afina::model {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string out;
  for (const int64_t n : shape)
    out += cat(out.empty() ? "" : ", ", n);
  return "[" + out + "]";
}

void require_shape(const std::string& file, const std::string& name, const std::vector<int64_t>& want,
                   const std::vector<int64_t>& got) {
  if (got == want) return;
  throw ModelError(cat("[", file, "] tensor '", name, "' must have the shape ", shape_text(want),
                       " of the config, but has ", shape_text(got), "."));
}

std::span<float> values(const at::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

class GgufSource final : public WeightSource {
 public:
  GgufSource(const formats::GgufFile& file, const ModelConfig& config) : file_(file), config_(config) {}

  void check(const std::string& name, const std::vector<int64_t>& shape) const override {
    const std::string mapped = gguf_name(name);
    require_shape(file_.path().string(), mapped, shape, file_.at(mapped).shape);
  }

  void read(const std::string& name, at::Tensor out) const override {
    const formats::GgufTensor& tensor = file_.at(gguf_name(name));
    const int64_t heads = name.ends_with("q_proj.weight")   ? config_.heads
                          : name.ends_with("k_proj.weight") ? config_.kv_heads
                                                            : 0;
    const int64_t length = tensor.row_length();
    float* to = out.data_ptr<float>();
    parallel(
        tensor.rows(),
        [&](int64_t begin, int64_t end) {
          if (heads == 0) {
            formats::dequantize_rows(tensor, begin, end - begin,
                                     {to + begin * length, static_cast<size_t>((end - begin) * length)});
            return;
          }
          // ggml rotates neighbours, Hugging Face halves: row h*hd + 2j + p there is row h*hd + p*hd/2 + j here.
          const int64_t hd = config_.head_dim;
          for (int64_t row = begin; row < end; ++row) {
            const int64_t in_head = row % hd, there = row - in_head + 2 * (in_head % (hd / 2)) + in_head / (hd / 2);
            formats::dequantize_rows(tensor, there, 1, {to + row * length, static_cast<size_t>(length)});
          }
        },
        16);
  }

 private:
  static std::string gguf_name(const std::string& name) {
    if (name == "model.embed_tokens.weight") return "token_embd.weight";
    if (name == "model.norm.weight") return "output_norm.weight";
    if (name == "lm_head.weight") return "output.weight";
    static const std::pair<const char*, const char*> kParts[] = {
        {"input_layernorm", "attn_norm"}, {"post_attention_layernorm", "ffn_norm"},
        {"self_attn.q_proj", "attn_q"},   {"self_attn.k_proj", "attn_k"},
        {"self_attn.v_proj", "attn_v"},   {"self_attn.o_proj", "attn_output"},
        {"mlp.gate_proj", "ffn_gate"},    {"mlp.up_proj", "ffn_up"},
        {"mlp.down_proj", "ffn_down"}};
    const size_t begin = std::string("model.layers.").size(), dot = name.find('.', begin);
    const std::string part = name.substr(dot + 1, name.size() - dot - 1 - std::string(".weight").size());
    for (const auto& [hf, gguf] : kParts)
      if (part == hf) return cat("blk.", name.substr(begin, dot - begin), ".", gguf, ".weight");
    throw InternalError(cat("[model.gguf] must map every name, but got '", name, "'."));
  }

  const formats::GgufFile& file_;
  const ModelConfig& config_;
};

class SafetensorsSource final : public WeightSource {
 public:
  explicit SafetensorsSource(const formats::SafetensorsFile& file) : file_(file) {}

  void check(const std::string& name, const std::vector<int64_t>& shape) const override {
    const formats::TensorView& view = file_.at(name);
    require_shape(file_.path().string(), name, shape, view.shape);
    using formats::DType;
    if (view.dtype != DType::f32 && view.dtype != DType::f16 && view.dtype != DType::bf16)
      throw ModelError(cat("[", file_.path().string(), "] tensor '", name, "' must be F32, F16 or BF16, but is ",
                           formats::dtype_name(view.dtype), "."));
  }
  void read(const std::string& name, at::Tensor out) const override {
    formats::copy_to_float(file_.at(name), values(out));
  }

 private:
  const formats::SafetensorsFile& file_;
};

/// A function of (seed, name, index) alone, so that models of one seed share equal tensors.
class RandomSource final : public WeightSource {
 public:
  explicit RandomSource(uint64_t seed) : seed_(seed) {}
  void check(const std::string&, const std::vector<int64_t>&) const override {}
  void read(const std::string& name, at::Tensor out) const override {
    uint64_t state = seed_ * 0x9E3779B97F4A7C15ULL;
    for (const char c : name)
      state = mix(state ^ static_cast<uint8_t>(c));
    const bool norm = name.ends_with("norm.weight");
    const double spread = norm ? 0.1 : 1.0 / std::sqrt(static_cast<double>(out.size(-1)));
    for (float& value : values(out)) {
      double sum = -6.0;  // twelve uniforms: near enough to a normal
      for (int i = 0; i < 12; ++i)
        sum += static_cast<double>(mix(state++) >> 11) * 0x1p-53;
      value = static_cast<float>((norm ? 1.0 : 0.0) + spread * sum);
    }
  }

 private:
  static uint64_t mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
  }
  uint64_t seed_;
};

struct Part {
  std::string name;
  int64_t rows;
};

/// The tensors of one layer, fused site by site.
std::vector<Part> site_parts(const ModelConfig& c, int64_t layer, Site site) {
  const std::string base = cat("model.layers.", layer, ".");
  switch (site) {
    case Site::qkv:
      return {{base + "self_attn.q_proj.weight", c.q_width()},
              {base + "self_attn.k_proj.weight", c.kv_width()},
              {base + "self_attn.v_proj.weight", c.kv_width()}};
    case Site::o:
      return {{base + "self_attn.o_proj.weight", c.hidden}};
    case Site::gate_up:
      return {{base + "mlp.gate_proj.weight", c.ffn}, {base + "mlp.up_proj.weight", c.ffn}};
    case Site::down:
      return {{base + "mlp.down_proj.weight", c.hidden}};
  }
  return {};
}

at::Tensor read_vector(const WeightSource& source, const std::string& name, int64_t n) {
  at::Tensor out = at::empty({n}, at::kFloat);
  source.read(name, out);
  return out;
}

std::unique_ptr<FrozenLinear> read_fused(const WeightSource& source, const std::vector<Part>& parts, int64_t in,
                                         GemmBackend backend) {
  int64_t rows = 0;
  for (const Part& part : parts)
    rows += part.rows;
  at::Tensor w_OI = at::empty({rows, in}, at::kFloat);
  int64_t first = 0;
  for (const Part& part : parts) {
    source.read(part.name, w_OI.narrow(0, first, part.rows));
    first += part.rows;
  }
  return make_frozen_f32(w_OI, backend);
}

constexpr Site kAllSites[] = {Site::qkv, Site::o, Site::gate_up, Site::down};

void check_all(const ModelConfig& c, const WeightSource& source) {
  source.check("model.embed_tokens.weight", {c.vocab_size, c.hidden});
  source.check("model.norm.weight", {c.hidden});
  if (!c.tied_head) source.check("lm_head.weight", {c.vocab_size, c.hidden});
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"})
      source.check(cat("model.layers.", layer, ".", norm, ".weight"), {c.hidden});
    for (const Site site : kAllSites)
      for (const Part& part : site_parts(c, layer, site))
        source.check(part.name, {part.rows, c.site_in(site)});
  }
}

}  // namespace

std::unique_ptr<WeightSource> gguf_source(const formats::GgufFile& file, const ModelConfig& config) {
  return std::make_unique<GgufSource>(file, config);
}
std::unique_ptr<WeightSource> safetensors_source(const formats::SafetensorsFile& file) {
  return std::make_unique<SafetensorsSource>(file);
}
std::unique_ptr<WeightSource> random_source(uint64_t seed) {
  return std::make_unique<RandomSource>(seed);
}

std::shared_ptr<const Model> build_model(const ModelConfig& c, const WeightSource& source, const LoadOptions& options,
                                         const std::filesystem::path& path) {
  check_all(c, source);
  std::vector<LayerWeights> layers(static_cast<size_t>(c.layers));
  for (int64_t l = 0; l < c.layers; ++l) {
    LayerWeights& layer = layers[static_cast<size_t>(l)];
    layer.norm1_D = read_vector(source, cat("model.layers.", l, ".input_layernorm.weight"), c.hidden);
    layer.norm2_D = read_vector(source, cat("model.layers.", l, ".post_attention_layernorm.weight"), c.hidden);
    for (const Site site : kAllSites)
      layer.linear[static_cast<int>(site)] = read_fused(source, site_parts(c, l, site), c.site_in(site), options.gemm);
  }
  auto embedding = read_fused(source, {{"model.embed_tokens.weight", c.vocab_size}}, c.hidden, options.gemm);
  auto head = c.tied_head ? nullptr : read_fused(source, {{"lm_head.weight", c.vocab_size}}, c.hidden, options.gemm);
  auto final_norm = read_vector(source, "model.norm.weight", c.hidden);
  return std::make_shared<const Model>(c, std::move(layers), std::move(embedding), std::move(head),
                                       std::move(final_norm), path);
}

}  // namespace afina::model
