// SPDX-License-Identifier: Apache-2.0
#include "model/convert/to_gguf.h"

#include <cmath>

#include "base/error.h"
#include "formats/gguf_writer.h"
#include "model/gguf_names.h"
#include "text/convert/gguf_vocabulary.h"

namespace afina::model {
namespace {

namespace fs = std::filesystem;
using formats::GgmlType;

bool is_block_type(GgmlType type) {
  return type != GgmlType::f32 && type != GgmlType::f16 && type != GgmlType::bf16;
}

GgmlType type_of(const WeightInfo& weight, GgmlType wanted) {
  if (weight.shape.size() < 2 || weight.name.ends_with("norm.weight")) return GgmlType::f32;
  return formats::fitting_type(wanted, weight.shape.back());
}

void set_identity(formats::GgufWriter& writer, const GgufIdentity& identity) {
  if (!identity.name.empty()) writer.set_string("general.name", identity.name);
  if (!identity.license.empty()) writer.set_string("general.license", identity.license);
  if (!identity.languages.empty()) writer.set_strings("general.languages", identity.languages);
  if (!identity.base_model.empty()) {
    writer.set_u32("general.base_model.count", 1);
    writer.set_string("general.base_model.0.name", identity.base_model);
  }
}

void set_config(formats::GgufWriter& writer, const ModelConfig& c) {
  const std::string& arch = c.gguf_architecture;
  const auto u32 = [&](const char* key, int64_t value) {
    writer.set_u32(cat(arch, ".", key), static_cast<uint32_t>(value));
  };
  u32("context_length", c.max_positions);
  u32("embedding_length", c.hidden);
  u32("block_count", c.layers);
  u32("feed_forward_length", c.ffn);
  u32("vocab_size", c.vocab_size);
  u32("attention.head_count", c.heads);
  u32("attention.head_count_kv", c.kv_heads);
  u32("attention.key_length", c.head_dim);
  u32("attention.value_length", c.head_dim);
  u32("rope.dimension_count", c.head_dim);
  writer.set_f32(cat(arch, ".attention.layer_norm_rms_epsilon"), static_cast<float>(c.rms_eps));
  writer.set_f32(cat(arch, ".rope.freq_base"), static_cast<float>(c.rope_theta));
  if (c.rope_scaling.type == "linear") {
    writer.set_string(cat(arch, ".rope.scaling.type"), "linear");
    writer.set_f32(cat(arch, ".rope.scaling.factor"), static_cast<float>(c.rope_scaling.factor));
  }
}

void set_vocabulary(formats::GgufWriter& writer, const fs::path& folder, const ModelConfig& config) {
  const text::GgufVocabulary v = text::gguf_vocabulary_from_hf(folder, config.vocab_size);
  writer.set_string("tokenizer.ggml.model", v.model);
  writer.set_string("tokenizer.ggml.pre", v.pre);
  writer.set_strings("tokenizer.ggml.tokens", v.tokens);
  if (!v.scores.empty()) writer.set_f32s("tokenizer.ggml.scores", v.scores);
  writer.set_i32s("tokenizer.ggml.token_type", v.token_types);
  if (!v.merges.empty()) writer.set_strings("tokenizer.ggml.merges", v.merges);
  const auto id = [&](const char* name, const std::optional<int32_t>& value) {
    if (value) writer.set_u32(cat("tokenizer.ggml.", name, "_token_id"), static_cast<uint32_t>(*value));
  };
  id("bos", v.bos_id);
  id("eos", v.eos_id);
  id("unknown", v.unk_id);
  id("padding", v.pad_id);
  writer.set_bool("tokenizer.ggml.add_bos_token", v.add_bos);
  writer.set_bool("tokenizer.ggml.add_eos_token", v.add_eos);
  if (v.model == "llama") writer.set_bool("tokenizer.ggml.add_space_prefix", v.add_space_prefix);
  if (!v.chat_template.empty()) writer.set_string("tokenizer.chat_template", v.chat_template);
}

/// Of llama3 scaling: what inverse frequencies are divided by. Other scalings live in the metadata.
std::vector<float> divisors_of(const ModelConfig& config) {
  if (!config.rope_divisors.empty()) return config.rope_divisors;
  if (config.rope_scaling.type != "llama3") return {};
  ModelConfig plain = config;
  plain.rope_scaling = {};
  const auto scaled = rope_inverse_frequencies(config), base = rope_inverse_frequencies(plain);
  std::vector<float> out(base.size());
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = base[i] / scaled[i];
  return out;
}

/// Hugging Face rows to the order of the file.
void permute(const WeightReader& from, const WeightInfo& weight, std::vector<float>& values) {
  if (!is_permuted(from.config(), weight.name)) return;
  const size_t length = weight.shape.size() == 1 ? 1 : static_cast<size_t>(weight.shape.back());
  std::vector<float> out(values.size());
  for (int64_t row = 0; row < weight.shape.front(); ++row) {
    const auto there = static_cast<size_t>(gguf_row(row, from.config().head_dim));
    std::copy_n(values.begin() + row * static_cast<int64_t>(length), length,
                out.begin() + static_cast<int64_t>(there * length));
  }
  values.swap(out);
}

void write_tensors(const WeightReader& from, formats::GgufWriter& writer, GgmlType type,
                   const std::vector<float>& divisors, const ConvertOptions& options) {
  if (!divisors.empty()) writer.write("rope_freqs.weight", std::as_bytes(std::span(divisors)));
  int64_t done = 0;
  std::vector<float> values;
  std::vector<std::byte> bytes;
  for (const WeightInfo& weight : from.weights()) {
    if (options.stop.stop_requested()) throw Cancelled("[gguf] stopped; nothing was written.");
    int64_t n = 1;
    for (const int64_t size : weight.shape)
      n *= size;
    values.resize(static_cast<size_t>(n));
    from.read(weight, values);
    const bool changed = options.edit && options.edit(weight.name, weight.shape, values);
    const GgmlType to = type_of(weight, type);
    const std::string name = gguf_name(weight.name);
    const formats::GgufTensor* source = from.gguf() != nullptr ? &from.gguf()->at(name) : nullptr;
    if (!changed && source != nullptr && source->type == to) {
      writer.write(name, source->bytes);  // the very bytes: no second rounding
    } else {
      permute(from, weight, values);
      bytes.resize(static_cast<size_t>(formats::ggml_bytes(to, n)));
      formats::quantize_blocks(to, values, bytes);
      writer.write(name, bytes);
    }
    if (options.progress) options.progress(++done, static_cast<int64_t>(from.weights().size()));
  }
}

}  // namespace

void write_gguf(const WeightReader& from, const fs::path& to, GgmlType type, const GgufIdentity& identity,
                const ConvertOptions& options) {
  const auto file_type = formats::gguf_file_type(type);
  if (!file_type)
    throw UsageError(cat("[gguf] type must be one of ", formats::quantizable_types(), ", but is ",
                         formats::ggml_type_name(type), "."));
  const ModelConfig& config = from.config();
  formats::GgufWriter writer(to);
  if (from.gguf() != nullptr) {
    writer.copy_metadata(*from.gguf());
  } else {
    writer.set_string("general.architecture", config.gguf_architecture);
    writer.set_string("general.type", "model");
    set_config(writer, config);
    set_vocabulary(writer, from.path(), config);
  }
  set_identity(writer, identity);
  writer.set_u32("general.file_type", *file_type);
  if (is_block_type(type)) writer.set_u32("general.quantization_version", 2);
  const std::vector<float> divisors = divisors_of(config);
  if (!divisors.empty())
    writer.add_tensor({"rope_freqs.weight", GgmlType::f32, {static_cast<int64_t>(divisors.size())}});
  for (const WeightInfo& weight : from.weights())
    writer.add_tensor({gguf_name(weight.name), type_of(weight, type), weight.shape});
  writer.begin_data();
  write_tensors(from, writer, type, divisors, options);
  writer.finish();
}

}  // namespace afina::model
