// SPDX-License-Identifier: Apache-2.0
#include "model/convert/to_hf.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "formats/nf4.h"
#include "formats/safetensors.h"
#include "text/convert/hf_tokenizer_files.h"

namespace afina::model {
namespace {

namespace fs = std::filesystem;
using formats::DType;

constexpr size_t kMaxConfigBytes = size_t{1} << 20;
// What a folder may hold beside weights and config.json that programs read.
constexpr const char* kCompanions[] = {"tokenizer.json",
                                       "tokenizer_config.json",
                                       "special_tokens_map.json",
                                       "tokenizer.model",
                                       "vocab.json",
                                       "merges.txt",
                                       "added_tokens.json",
                                       "chat_template.jinja",
                                       "chat_template.json",
                                       "generation_config.json"};

const char* dtype_word(DType dtype) {
  return dtype == DType::f16 ? "float16" : dtype == DType::bf16 ? "bfloat16" : "float32";
}

bool is_projection(const std::string& name) {
  return name.ends_with("_proj.weight") && name.starts_with("model.layers.");
}

Json made_config(const ModelConfig& c) {
  static constexpr std::pair<const char*, const char*> kTypes[] = {{"LlamaForCausalLM", "llama"},
                                                                   {"MistralForCausalLM", "mistral"},
                                                                   {"Qwen2ForCausalLM", "qwen2"},
                                                                   {"Qwen3ForCausalLM", "qwen3"},
                                                                   {"SmolLM3ForCausalLM", "smollm3"}};
  Json out = {{"architectures", {c.architecture}},
              {"vocab_size", c.vocab_size},
              {"hidden_size", c.hidden},
              {"intermediate_size", c.ffn},
              {"num_hidden_layers", c.layers},
              {"num_attention_heads", c.heads},
              {"num_key_value_heads", c.kv_heads},
              {"head_dim", c.head_dim},
              {"hidden_act", "silu"},
              {"max_position_embeddings", c.max_positions},
              {"rms_norm_eps", c.rms_eps},
              {"rope_theta", c.rope_theta},
              {"tie_word_embeddings", c.tied_head}};
  for (const auto& [architecture, type] : kTypes)
    if (c.architecture == architecture) out["model_type"] = type;
  if (c.architecture != "Qwen2ForCausalLM") out["attention_bias"] = c.qkv_bias;
  if (!c.rotary.empty()) {
    out["no_rope_layers"] = Json::array();
    for (const uint8_t rotates : c.rotary)
      out["no_rope_layers"].push_back(rotates != 0 ? 1 : 0);
  }
  if (c.rope_scaling.type == "linear")
    out["rope_scaling"] = {{"rope_type", "linear"}, {"factor", c.rope_scaling.factor}};
  if (c.bos_id >= 0) out["bos_token_id"] = c.bos_id;
  if (!c.eos_ids.empty()) out["eos_token_id"] = c.eos_ids.size() == 1 ? Json(c.eos_ids[0]) : Json(c.eos_ids);
  return out;
}

/// The original context length behind llama3 divisors, from one of the middle band, where the divisor d of wavelength w
/// says (1 - s)/factor + s = 1/d and s = (length/w - low)/(high - low); low 1 and high 4 as in every released model.
int64_t original_length(const std::vector<float>& inverse_frequencies, const std::vector<float>& divisors,
                        double factor) {
  for (size_t i = 0; i < divisors.size(); ++i) {
    if (divisors[i] <= 1.0F || divisors[i] >= factor) continue;
    const double s = (1.0 / divisors[i] - 1.0 / factor) / (1.0 - 1.0 / factor);
    return std::llround(2.0 * std::numbers::pi / inverse_frequencies[i] * (3.0 * s + 1.0));
  }
  return 8192;  // no frequency lies between: any length that parts the two bands gives the same model
}

/// A GGUF keeps llama3 scaling as divisors only: the config's words are read back from them, and refused where those
/// words do not give these divisors.
void add_llama3_scaling(const ModelConfig& c, Json& config, const std::string& where) {
  if (c.rope_divisors.empty()) return;
  const float factor = *std::max_element(c.rope_divisors.begin(), c.rope_divisors.end());
  ModelConfig scaled = c, plain = c;
  plain.rope_divisors.clear();
  scaled.rope_divisors.clear();
  const auto base = rope_inverse_frequencies(plain);
  scaled.rope_scaling = {"llama3", factor, 1.0, 4.0, original_length(base, c.rope_divisors, factor)};
  const auto made = rope_inverse_frequencies(scaled);
  for (size_t i = 0; i < base.size(); ++i)
    if (std::abs(base[i] / made[i] - c.rope_divisors[i]) > 1e-4F * c.rope_divisors[i])
      throw ModelError(
          cat("[", where, "] rope_freqs.weight must be those of llama3 scaling with factors 1 and 4, but value ", i,
              " is ", c.rope_divisors[i], " instead of ", base[i] / made[i], "."),
          "convert from the Hugging Face folder instead");
  config["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", factor},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", scaled.rope_scaling.original_max_positions}};
}

Json config_of(const WeightReader& from, DType dtype, const HfOptions& hf) {
  Json config;
  if (from.gguf() != nullptr) {
    config = made_config(from.config());
    add_llama3_scaling(from.config(), config, from.path().string());
  } else {
    const std::string where = (from.path() / "config.json").string();
    config = parse_json(read_file(where, kMaxConfigBytes), where);
    config.erase("quantization_config");
  }
  const bool old_spelling = config.contains("torch_dtype") && !config.contains("dtype");
  config[old_spelling ? "torch_dtype" : "dtype"] = dtype_word(dtype);
  if (hf.nf4) config["quantization_config"] = formats::nf4_quantization_config(hf.nf4_double_quant, dtype_word(dtype));
  return config;
}

void write_companions(const WeightReader& from, const fs::path& to) {
  if (from.gguf() != nullptr) {
    if (!from.gguf()->has("tokenizer.ggml.tokens")) return;
    for (const auto& [name, content] : text::hf_tokenizer_files(*from.gguf(), from.config().max_positions))
      write_file_synced(to / name, content);
    Json generation = Json::object();
    if (from.config().bos_id >= 0) generation["bos_token_id"] = from.config().bos_id;
    if (!from.config().eos_ids.empty()) generation["eos_token_id"] = from.config().eos_ids;
    write_file_synced(to / "generation_config.json", dump_json(generation, 2) + "\n");
    return;
  }
  for (const char* name : kCompanions)
    if (std::error_code code; fs::exists(from.path() / name, code))
      write_file_synced(to / name, read_file(from.path() / name));
}

/// The dtype named in config.json: the one given, else the one most weights have.
DType main_dtype(const WeightReader& from, const HfOptions& hf) {
  if (hf.dtype) return *hf.dtype;
  for (const WeightInfo& weight : from.weights())
    if (is_projection(weight.name)) return weight.dtype;
  return DType::f32;
}

class FolderWriter {
 public:
  FolderWriter(const WeightReader& from, const HfOptions& hf) : from_(from), hf_(hf) {}

  std::vector<formats::TensorPlan> plans() const {
    std::vector<formats::TensorPlan> out;
    for (const WeightInfo& weight : from_.weights()) {
      if (quantised(weight)) {
        for (auto& plan : formats::nf4_plans(weight.name, weight.shape, 64, hf_.nf4_double_quant, nf4_dtype(weight)))
          out.push_back(std::move(plan));
      } else {
        out.push_back({weight.name, dtype_of(weight), weight.shape});
      }
    }
    return out;
  }

  void write(const WeightInfo& weight, std::span<const float> values, formats::ShardedSafetensors& out) {
    if (quantised(weight)) {
      auto tensor = formats::nf4_quantize(values, weight.shape, 64, nf4_dtype(weight));
      if (hf_.nf4_double_quant) tensor = formats::nf4_double_quantize(std::move(tensor));
      for (const formats::NamedBytes& part : formats::nf4_tensors(weight.name, tensor))
        out.write(part.plan.name, part.bytes);
      return;
    }
    const DType dtype = dtype_of(weight);
    bytes_.resize(values.size() * static_cast<size_t>(formats::dtype_bits(dtype) / 8));
    formats::from_float(dtype, values, bytes_);
    out.write(weight.name, bytes_);
  }

 private:
  bool quantised(const WeightInfo& weight) const { return hf_.nf4 && is_projection(weight.name); }
  DType dtype_of(const WeightInfo& weight) const { return hf_.dtype.value_or(weight.dtype); }
  std::string nf4_dtype(const WeightInfo& weight) const { return dtype_word(dtype_of(weight)); }

  const WeightReader& from_;
  const HfOptions& hf_;
  std::vector<std::byte> bytes_;
};

}  // namespace

void write_hf_folder(const WeightReader& from, const fs::path& to, const HfOptions& hf, const ConvertOptions& options) {
  if (hf.dtype && *hf.dtype != DType::f32 && *hf.dtype != DType::f16 && *hf.dtype != DType::bf16)
    throw UsageError(cat("[hf] dtype must be F32, F16 or BF16, but is ", formats::dtype_name(*hf.dtype), "."));
  if (fs::exists(to)) throw Conflict(cat("[hf] must write a new folder, but ", to.string(), " exists."));
  const Json config = config_of(from, main_dtype(from, hf), hf);
  fs::create_directories(to);
  write_file_synced(to / "config.json", dump_json(config, 2) + "\n");
  write_companions(from, to);
  FolderWriter writer(from, hf);
  formats::ShardedSafetensors out(to, writer.plans(), hf.max_shard_bytes);
  int64_t done = 0;
  std::vector<float> values;
  for (const WeightInfo& weight : from.weights()) {
    if (options.stop.stop_requested()) throw Cancelled("[hf] stopped; the folder is not complete.");
    int64_t n = 1;
    for (const int64_t size : weight.shape)
      n *= size;
    values.resize(static_cast<size_t>(n));
    from.read(weight, values);
    if (options.edit) options.edit(weight.name, weight.shape, values);
    writer.write(weight, values, out);
    if (options.progress) options.progress(++done, static_cast<int64_t>(from.weights().size()));
  }
  out.finish();
  sync_path(to);
}

}  // namespace afina::model
