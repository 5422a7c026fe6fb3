// SPDX-License-Identifier: Apache-2.0
#include "model/weight_source.h"

#include <ATen/ATen.h>

#include <bit>
#include <cmath>

#include "base/error.h"
#include "formats/gguf.h"
#include "formats/safetensors_set.h"
#include "model/frozen_nf4.h"
#include "model/gguf_names.h"
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

/// Rows (of a vector: elements) of a tensor that is being read.
struct Slab {
  float* data;
  int64_t rows, length;
  explicit Slab(const at::Tensor& out)
      : data(out.data_ptr<float>()), rows(out.size(0)), length(out.dim() > 1 ? out.size(1) : 1) {
    AFINA_CHECK(out.is_contiguous(), "[model] rows must be read into contiguous memory");
  }
  std::span<float> range(int64_t begin, int64_t end) const {
    return {data + begin * length, static_cast<size_t>((end - begin) * length)};
  }
};

void require_finite(const std::string& file, const std::string& name, std::span<const float> values) {
  uint32_t bad = 0;  // integers, so that the loop vectorises
  for (const float value : values)
    bad |= (std::bit_cast<uint32_t>(value) & 0x7F800000U) == 0x7F800000U ? 1U : 0U;
  if (bad != 0)
    throw ModelError(cat("[", file, "] tensor '", name, "' must hold finite numbers, but has NaN or infinity."));
}

[[noreturn]] void throw_foreign(const std::string& file, const ModelConfig& config, const std::string& name) {
  throw ModelError(cat("[", file, "] tensors must be those of a ", config.architecture, ", but there is '",
                       name.substr(0, 200), "'."),
                   "Afina would have to leave it out, which could change what the model computes");
}

class GgufSource final : public WeightSource {
 public:
  GgufSource(const formats::GgufFile& file, const ModelConfig& config) : file_(file), config_(config) {}

  void check(const std::string& name, const std::vector<int64_t>& shape) const override {
    const std::string mapped = gguf_name(name);
    const formats::GgufTensor& tensor = file_.at(mapped);
    require_shape(file_.path().string(), mapped, shape, tensor.shape);
    if (const auto* info = formats::ggml_type_info(static_cast<uint32_t>(tensor.type));
        info == nullptr || info->block_elements == 0)
      throw ModelError(cat("[", file_.path().string(), "] tensor '", mapped,
                           "' must be of a type that can be read, but is ",
                           formats::ggml_type_name(static_cast<uint32_t>(tensor.type)), "."));
  }

  void check_nothing_else(const std::set<std::string>& expected) const override {
    for (const auto& tensor : file_.tensors()) {
      const auto name = hf_name(tensor.name);
      if (name && expected.contains(*name)) continue;
      const bool passed_over = tensor.name == "rope_freqs.weight" || tensor.name.ends_with(".attn_rot_embd.weight");
      if (!passed_over) throw_foreign(file_.path().string(), config_, tensor.name);
    }
  }

  void read_rows(const std::string& name, int64_t first, at::Tensor out) const override {
    const formats::GgufTensor& tensor = file_.at(gguf_name(name));
    const bool permuted = is_permuted(config_, name);
    const Slab slab(out);
    if (tensor.shape.size() == 1) return read_vector(tensor, permuted, first, slab);
    parallel(
        slab.rows,
        [&](int64_t begin, int64_t end) {
          if (!permuted) {
            formats::dequantize_rows(tensor, first + begin, end - begin, slab.range(begin, end));
          } else {
            for (int64_t r = begin; r < end; ++r)
              formats::dequantize_rows(tensor, gguf_row(first + r, config_.head_dim), 1, slab.range(r, r + 1));
          }
          require_finite(file_.path().string(), tensor.name, slab.range(begin, end));
        },
        16);
  }

 private:
  void read_vector(const formats::GgufTensor& tensor, bool permuted, int64_t first, const Slab& slab) const {
    std::vector<float> whole(static_cast<size_t>(tensor.elements()));
    formats::dequantize(tensor, whole);
    require_finite(file_.path().string(), tensor.name, whole);
    for (int64_t i = 0; i < slab.rows; ++i)
      slab.data[i] = whole[static_cast<size_t>(permuted ? gguf_row(first + i, config_.head_dim) : first + i)];
  }

  const formats::GgufFile& file_;
  const ModelConfig& config_;
};

bool is_float(formats::DType dtype) {
  using formats::DType;
  return dtype == DType::f64 || dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16 ||
         dtype == DType::f8_e4m3 || dtype == DType::f8_e5m2;
}

class SafetensorsSource final : public WeightSource {
 public:
  SafetensorsSource(const formats::SafetensorsSet& set, const ModelConfig& config) : set_(set), config_(config) {}

  void check(const std::string& name, const std::vector<int64_t>& shape) const override {
    if (const auto nf4 = find_nf4(name)) return require_shape(where(), name, shape, nf4->shape);
    const formats::TensorView& view = set_.at(name);
    require_shape(where(), name, shape, view.shape);
    if (!is_float(view.dtype))
      throw ModelError(cat("[", where(), "] tensor '", name, "' must be F32, F16, BF16, F64 or F8, but is ",
                           formats::dtype_name(view.dtype), "."));
  }

  void check_nothing_else(const std::set<std::string>& expected) const override {
    for (const auto* tensor : set_.tensors()) {
      const std::string& name = tensor->name;
      if (expected.contains(name) || name.ends_with("rotary_emb.inv_freq") || name.ends_with(".masked_bias") ||
          (config_.tied_head && name == "lm_head.weight"))
        continue;
      if (config_.quantization == Quantization::nf4 && formats::is_nf4_companion(name) &&
          expected.contains(name.substr(0, name.find(".weight.") + 7)))
        continue;
      throw_foreign(where(), config_, name);
    }
  }

  void read_rows(const std::string& name, int64_t first, at::Tensor out) const override {
    const Slab slab(out);
    const auto nf4 = find_nf4(name);
    const formats::TensorView* view = nf4 ? nullptr : &set_.at(name);
    const auto row_bytes =
        view != nullptr ? static_cast<size_t>(slab.length) * static_cast<size_t>(formats::dtype_bits(view->dtype)) / 8
                        : 0;
    parallel(
        slab.rows,
        [&](int64_t begin, int64_t end) {
          const auto values = slab.range(begin, end);
          if (nf4) {
            formats::nf4_dequantize(*nf4, (first + begin) * slab.length, values);
          } else {
            const auto bytes = view->bytes.subspan(static_cast<size_t>(first + begin) * row_bytes,
                                                   static_cast<size_t>(end - begin) * row_bytes);
            formats::copy_to_float({name, view->dtype, {end - begin, slab.length}, bytes}, values);
          }
          require_finite(where(), name, values);
        },
        worth_a_thread(slab.length));
  }

  std::optional<formats::Nf4Tensor> read_nf4(const std::string& name) const override {
    const auto view = find_nf4(name);
    if (!view) return {};
    auto tensor = own(*view);
    require_finite(where(), name, tensor.absmax);
    return tensor;
  }

 private:
  std::string where() const { return set_.path().string(); }
  std::optional<formats::Nf4View> find_nf4(const std::string& name) const {
    if (config_.quantization != Quantization::nf4) return {};
    return formats::find_nf4(set_, name);
  }

  const formats::SafetensorsSet& set_;
  const ModelConfig& config_;
};

/// A function of (seed, name, index) alone, so that models of one seed share equal tensors.
class RandomSource final : public WeightSource {
 public:
  explicit RandomSource(uint64_t seed) : seed_(seed) {}
  void check(const std::string&, const std::vector<int64_t>&) const override {}
  void read_rows(const std::string& name, int64_t first, at::Tensor out) const override {
    const Slab slab(out);
    uint64_t state = seed_ * 0x9E3779B97F4A7C15ULL;
    for (const char c : name)
      state = mix(state ^ static_cast<uint8_t>(c));
    constexpr int kUniforms = 12;  // near enough to a normal
    state += static_cast<uint64_t>(first * slab.length * kUniforms);
    const bool norm = name.ends_with("norm.weight");
    const double spread = norm || name.ends_with(".bias") ? 0.1 : 1.0 / std::sqrt(static_cast<double>(slab.length));
    for (float& value : slab.range(0, slab.rows)) {
      double sum = -6.0;
      for (int i = 0; i < kUniforms; ++i)
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

}  // namespace

std::unique_ptr<WeightSource> gguf_source(const formats::GgufFile& file, const ModelConfig& config) {
  return std::make_unique<GgufSource>(file, config);
}
std::unique_ptr<WeightSource> safetensors_source(const formats::SafetensorsSet& set, const ModelConfig& config) {
  return std::make_unique<SafetensorsSource>(set, config);
}
std::unique_ptr<WeightSource> random_source(uint64_t seed) {
  return std::make_unique<RandomSource>(seed);
}

}  // namespace afina::model
