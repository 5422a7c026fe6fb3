// SPDX-License-Identifier: Apache-2.0
#include "lora/gguf_adapter.h"

#include <ATen/ATen.h>

#include <cmath>
#include <fstream>
#include <map>

#include "base/error.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "lora/peft.h"
#include "model/gguf_names.h"

namespace afina::lora {
namespace {

namespace fs = std::filesystem;
using formats::GgmlType;

constexpr const char* kMerge = "merge the adapter into its base instead (afina merge)";

void refuse_what_llama_cpp_cannot_load(const AdapterSet& adapter, const model::ModelConfig& model,
                                       const GgufAdapterInfo& info) {
  const auto refuse = [](const std::string& what) {
    throw ModelError(cat("[lora.gguf] adapter must be plain LoRA for llama.cpp, but ", what, "."), kMerge);
  };
  if (adapter.config().use_dora) refuse("is DoRA");
  if (adapter.config().lora_bias) refuse("has lora_bias");
  if (adapter.config().score_head) refuse("has a reward model's score head");
  for (const auto* part : {&adapter.head_part(), &adapter.embedding_part()}) {
    if (!*part) continue;
    const char* name = (*part)->is_embedding ? "embed_tokens" : "lm_head";
    if (!(*part)->has_lora()) refuse(cat("replaces ", name, " (modules_to_save)"));
    if ((*part)->magnitude.defined()) refuse("is DoRA");
    if (model.tied_head) refuse(cat("adapts ", name, " of a model whose head and embedding are one tensor"));
  }
  if (info.type != GgmlType::f32 && info.type != GgmlType::f16 && info.type != GgmlType::bf16 &&
      info.type != GgmlType::q8_0)
    throw UsageError(cat("[lora.gguf] type must be F32, F16, BF16 or Q8_0, but is ",
                         formats::ggml_type_name(static_cast<uint32_t>(info.type)), "."));
}

struct Entry {
  formats::GgufTensorPlan plan;
  at::Tensor values;  // fp32, contiguous
};

class AdapterWriter {
 public:
  AdapterWriter(const AdapterSet& adapter, const model::ModelConfig& model, GgmlType type)
      : adapter_(adapter), model_(model), type_(type) {
    const auto& config = adapter.config();
    // llama.cpp computes alpha/r whatever use_rslora said.
    alpha_ = static_cast<float>(config.scale() * config.r);
    for (const auto& slot : adapter.slots())
      add_module(slot);
    for (const auto* part : {&adapter.head_part(), &adapter.embedding_part()})
      if (*part) add_vocab(**part);
  }

  float alpha() const { return alpha_; }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  at::Tensor scaled(const at::Tensor& b, int64_t r, double wanted) const {
    const double factor = wanted * static_cast<double>(r) / static_cast<double>(alpha_);
    return std::abs(factor - 1) < 1e-7 ? b : b * factor;
  }

  void add_module(const ModuleSlot& slot) {
    const std::string weight = target_path(slot.layer, slot.module) + ".weight";
    at::Tensor b = scaled(adapter_.b_view(slot), slot.r, slot.scale);
    if (model::is_permuted(model_, weight)) {
      at::Tensor moved = at::empty_like(b);
      for (int64_t row = 0; row < slot.out; ++row)
        moved[model::gguf_row(row, model_.head_dim)].copy_(b[row]);
      b = moved;
    }
    add(weight, ".lora_a", adapter_.a_view(slot));
    add(weight, ".lora_b", b);
  }

  void add_vocab(const VocabPart& part) {
    const std::string weight = cat(part.is_embedding ? kEmbeddingPath : kHeadPath, ".weight");
    const int64_t r = part.a.size(0);
    // llama.cpp looks rows of A up by token.
    add(weight, ".lora_a", part.is_embedding ? part.a.t() : part.a);
    add(weight, ".lora_b", scaled(part.b, r, part.scale));
  }

  void add(const std::string& weight, const char* half, const at::Tensor& values) {
    const GgmlType type = formats::fitting_type(type_, values.size(1));
    entries_.push_back({{model::gguf_name(weight) + half, type, values.sizes().vec()}, values.contiguous()});
  }

  const AdapterSet& adapter_;
  const model::ModelConfig& model_;
  GgmlType type_;
  float alpha_ = 0;
  std::vector<Entry> entries_;
};

struct ReadEntry {
  int layer = -1;
  Module module = Module::q_proj;
  const formats::GgufTensor *a = nullptr, *b = nullptr;
};

/// All pairs of one file, checked against the model's shape.
class AdapterReader {
 public:
  AdapterReader(const formats::GgufFile& file, const model::ModelConfig& model)
      : file_(file), model_(model), shape_(shape_of(model)) {
    check_keys();
    for (const auto& tensor : file.tensors())
      if (!tensor.name.ends_with("_norm.weight")) place(tensor);
    for (const auto& [path, entry] : entries_) {
      if (entry.a == nullptr || entry.b == nullptr)
        refuse(cat("hold both halves of '", path, "'"), entry.a == nullptr ? "lacks .lora_a" : "lacks .lora_b");
      check_shapes(path, entry);
    }
    if (entries_.empty()) refuse("hold LoRA tensors", "holds none");
  }

  std::unique_ptr<AdapterSet> read() const {
    std::unique_ptr<AdapterSet> adapter;
    try {
      adapter = std::make_unique<AdapterSet>(shape_, config(), UnmatchedNames::allow);
    } catch (const UsageError& error) {
      refuse("be an adapter that can be run", error.what());
    }
    for (const auto& slot : adapter->slots()) {
      const auto& entry = entries_.at(target_path(slot.layer, slot.module));
      read_tensor(*entry.a, adapter->a_view(slot), false);
      const bool permuted = model::is_permuted(model_, target_path(slot.layer, slot.module) + ".weight");
      read_tensor(*entry.b, adapter->b_view(slot), permuted);
    }
    if (const auto found = entries_.find(std::string(kHeadPath)); found != entries_.end())
      adapter->set_head_part(vocab_part(found->second, false));
    if (const auto found = entries_.find(std::string(kEmbeddingPath)); found != entries_.end())
      adapter->set_embedding_part(vocab_part(found->second, true));
    return adapter;
  }

 private:
  [[noreturn]] void refuse(const std::string& must, const std::string& but, const std::string& hint = "") const {
    throw ModelError(cat("[lora.gguf] ", file_.path().string(), " must ", must, ", but ", but, "."), hint);
  }

  void check_keys() {
    const auto word = [&](const char* key) { return std::string(file_.find_string(key).value_or("")); };
    if (word("general.type") != "adapter") refuse("have general.type adapter", cat("has '", word("general.type"), "'"));
    if (word("adapter.type") != "lora") refuse("have adapter.type lora", cat("has '", word("adapter.type"), "'"));
    if (word("general.architecture") != model_.gguf_architecture)
      refuse(cat("be for architecture ", model_.gguf_architecture), cat("is for '", word("general.architecture"), "'"));
    if (file_.has("adapter.alora.invocation_tokens")) refuse("be plain LoRA", "is activated LoRA");
    alpha_ = file_.number("adapter.lora.alpha");
  }

  void place(const formats::GgufTensor& tensor) {
    const bool a = tensor.name.ends_with(".lora_a");
    if (!a && !tensor.name.ends_with(".lora_b"))
      refuse("hold .lora_a and .lora_b tensors alone", cat("holds '", tensor.name, "'"));
    const std::string base = tensor.name.substr(0, tensor.name.size() - 7);
    const auto hf = model::hf_name(base);
    ReadEntry entry;
    if (!hf || !locate(*hf, entry)) refuse("name linear layers of the model", cat("holds '", tensor.name, "'"));
    auto& slot = entries_.try_emplace(hf->substr(0, hf->size() - 7), entry).first->second;
    (a ? slot.a : slot.b) = &tensor;
  }

  bool locate(const std::string& hf, ReadEntry& out) const {
    if (hf == cat(kHeadPath, ".weight") || hf == cat(kEmbeddingPath, ".weight")) return true;
    for (int layer = 0; layer < static_cast<int>(shape_.layers); ++layer) {
      if (!hf.starts_with(cat("model.layers.", layer, "."))) continue;
      for (int m = 0; m < kModules; ++m) {
        out.layer = layer;
        out.module = static_cast<Module>(m);
        if (hf == target_path(layer, out.module) + ".weight") return true;
      }
    }
    return false;
  }

  void check_shapes(const std::string& path, const ReadEntry& entry) const {
    const bool embedding = path == kEmbeddingPath, head = path == kHeadPath;
    if (head && model_.tied_head) refuse("leave the head of a tied model alone", "adapts it", kMerge);
    const int64_t in = embedding || head ? shape_.hidden : shape_.in_features(entry.module);
    const int64_t out = head ? shape_.vocab : embedding ? shape_.hidden : shape_.out_features(entry.module);
    const auto& a = entry.a->shape;
    const auto& b = entry.b->shape;
    const bool flat = a.size() == 2 && b.size() == 2 && b[0] == out && b[1] >= 1;
    const bool fits = flat && (embedding ? a[0] == shape_.vocab && a[1] == b[1] : a[1] == in && a[0] == b[1]);
    if (!fits) refuse(cat("fit the model at '", path, "'"), "its shapes do not", "was it made for another base model?");
    for (const auto* tensor : {entry.a, entry.b})
      if (!formats::can_dequantize(tensor->type))
        refuse("hold tensors that can be read", cat("'", tensor->name, "' is not one"));
  }

  LoraConfig config() const {
    LoraConfig out;
    std::vector<std::pair<int, Module>> modules;
    out.r = static_cast<int>(entries_.begin()->second.b->shape[1]);
    // alpha 0 means a scale of 1 to llama.cpp.
    out.lora_alpha = alpha_ == 0 ? out.r : alpha_;
    for (const auto& [path, entry] : entries_) {
      if (entry.layer >= 0) {
        modules.emplace_back(entry.layer, entry.module);
      } else {
        out.target_modules.push_back(path);
      }
      const int r = static_cast<int>(entry.b->shape[1]);
      if (r == out.r) continue;
      out.rank_pattern.emplace_back(path, r);
      if (alpha_ == 0) out.alpha_pattern.emplace_back(path, r);
    }
    for (auto& name : target_names(modules, shape_.layers))
      out.target_modules.push_back(std::move(name));
    return out;
  }

  void read_tensor(const formats::GgufTensor& tensor, at::Tensor out, bool permuted) const {
    at::Tensor values = at::empty({tensor.rows(), tensor.row_length()}, at::kFloat);
    formats::dequantize(tensor, {values.data_ptr<float>(), static_cast<size_t>(values.numel())});
    if (!at::isfinite(values).all().item<bool>())
      refuse("hold finite values", cat("'", tensor.name, "' holds NaN or infinity"));
    for (int64_t row = 0; permuted && row < values.size(0); ++row)
      out[row].copy_(values[model::gguf_row(row, model_.head_dim)]);
    if (!permuted) out.copy_(values);
  }

  VocabPart vocab_part(const ReadEntry& entry, bool embedding) const {
    VocabPart part;
    part.is_embedding = embedding;
    at::Tensor a = at::empty(entry.a->shape, at::kFloat);
    part.b = at::empty(entry.b->shape, at::kFloat);
    read_tensor(*entry.a, a, false);
    read_tensor(*entry.b, part.b, false);
    part.a = embedding ? a.t().contiguous() : a;
    part.scale = alpha_ == 0 ? 1 : alpha_ / static_cast<double>(part.b.size(1));
    return part;
  }

  const formats::GgufFile& file_;
  const model::ModelConfig& model_;
  DecoderShape shape_;
  double alpha_ = 0;
  std::map<std::string, ReadEntry> entries_;
};

}  // namespace

void write_gguf_adapter(const fs::path& path, const AdapterSet& given, const model::ModelConfig& model,
                        const GgufAdapterInfo& info) {
  const auto plain = given.plain();
  const AdapterSet& adapter = plain ? *plain : given;
  refuse_what_llama_cpp_cannot_load(adapter, model, info);
  if (fs::exists(path))
    throw Conflict(cat("[lora.gguf] must write a new file, but ", path.string(), " exists."),
                   "choose another name or remove it");
  const AdapterWriter source(adapter, model, info.type);
  formats::GgufWriter writer(path);
  writer.set_string("general.architecture", model.gguf_architecture);
  writer.set_string("general.type", "adapter");
  if (!info.name.empty()) writer.set_string("general.name", info.name);
  if (!info.base_model.empty()) {
    writer.set_u32("general.base_model.count", 1);
    writer.set_string("general.base_model.0.name", info.base_model);
  }
  writer.set_u32("general.file_type", *formats::gguf_file_type(info.type));
  writer.set_string("adapter.type", "lora");
  writer.set_f32("adapter.lora.alpha", source.alpha());
  if (info.type == GgmlType::q8_0) writer.set_u32("general.quantization_version", 2);
  for (const auto& entry : source.entries())
    writer.add_tensor(entry.plan);
  writer.begin_data();
  for (const auto& entry : source.entries()) {
    const std::span values(entry.values.const_data_ptr<float>(), static_cast<size_t>(entry.values.numel()));
    std::vector<std::byte> bytes(static_cast<size_t>(formats::ggml_bytes(entry.plan.type, entry.values.numel())));
    formats::quantize_blocks(entry.plan.type, values, bytes);
    writer.write(entry.plan.name, bytes);
  }
  writer.finish();
}

std::unique_ptr<AdapterSet> read_gguf_adapter(const fs::path& path, const model::ModelConfig& model) {
  const formats::GgufFile file(path);
  return AdapterReader(file, model).read();
}

bool is_gguf_adapter(const fs::path& path) {
  std::error_code code;
  if (!fs::is_regular_file(path, code)) return false;
  std::ifstream in(path, std::ios::binary);
  std::array<char, 4> magic{};
  if (!in.read(magic.data(), magic.size()) || std::string_view(magic.data(), 4) != "GGUF") return false;
  return formats::GgufFile(path).find_string("general.type").value_or("") == "adapter";
}

std::unique_ptr<AdapterSet> load_adapter(const fs::path& path, std::shared_ptr<const model::Model> model) {
  std::error_code code;
  if (!fs::is_regular_file(path, code)) return load_peft(path, std::move(model));
  auto adapter = read_gguf_adapter(path, model->config());
  if (adapter->needs_model()) adapter->bind(std::move(model));
  return adapter;
}

}  // namespace afina::lora
