// SPDX-License-Identifier: Apache-2.0
#include "lora/peft_tensors.h"

#include <ATen/ATen.h>

#include <set>

#include "base/error.h"
#include "lora/score_part.h"

namespace afina::lora {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";

std::string shape_text(at::IntArrayRef shape) {
  return cat(shape);
}

/// Hands out tensors by name and remembers which were taken.
class Taker {
 public:
  Taker(const formats::SafetensorsFile& file) : file_(file), where_(file.path().string()) {}

  bool has(const std::string& path) const { return file_.find(cat(kPrefix, path)) != nullptr; }

  /// Checks now, copies later: nothing is allocated for a file that does not fit.
  void expect(const std::string& path, std::vector<int64_t> shape) {
    const std::string name = cat(kPrefix, path);
    const auto* view = file_.find(name);
    if (view == nullptr)
      throw ModelError(cat("[lora.peft] ", where_, " must hold '", name, "', but does not."),
                       "was this adapter trained on another base model, or saved by a trainer that renames tensors?");
    if (view->shape != shape)
      throw ModelError(cat("[lora.peft] ", where_, ": '", name, "' must have the shape ", shape_text(shape),
                           ", but got ", shape_text(view->shape), "."),
                       "was this adapter trained on another base model?");
    using formats::DType;
    if (view->dtype != DType::f32 && view->dtype != DType::f16 && view->dtype != DType::bf16 &&
        view->dtype != DType::f64)
      throw ModelError(cat("[lora.peft] ", where_, ": '", name, "' must be F32, F16, BF16 or F64, but is ",
                           formats::dtype_name(view->dtype), "."));
    taken_.insert(name);
  }

  void read(const std::string& path, at::Tensor out) const {
    const std::string name = cat(kPrefix, path);
    formats::copy_to_float(file_.at(name), {out.data_ptr<float>(), static_cast<size_t>(out.numel())});
    if (!at::isfinite(out).all().item<bool>())
      throw ModelError(cat("[lora.peft] ", where_, ": '", name, "' must be finite, but holds NaN or infinity."));
  }

  at::Tensor take(const std::string& path, std::vector<int64_t> shape) {
    expect(path, shape);
    at::Tensor out = at::empty(shape, at::kFloat);
    read(path, out);
    return out;
  }

  void refuse_the_rest() const {
    for (const auto& tensor : file_.tensors())
      if (!taken_.contains(tensor.name))
        throw ModelError(cat("[lora.peft] ", where_, " must hold the tensors of its adapter_config.json alone, but '",
                             tensor.name, "' is none of them."),
                         "was it saved by a trainer that renames tensors? PEFT would leave it without effect");
  }

 private:
  const formats::SafetensorsFile& file_;
  std::string where_;
  std::set<std::string> taken_;
};

std::string magnitude_name(const Taker& taker, const std::string& path) {
  const std::string plain = path + ".lora_magnitude_vector";
  return taker.has(plain + ".weight") ? plain + ".weight" : plain;
}

void expect_modules(Taker& taker, const Targets& targets, const LoraConfig& config, const DecoderShape& shape) {
  for (const auto& target : targets.modules) {
    const int64_t out = shape.out_features(target.module);
    taker.expect(target.path + ".lora_A.weight", {target.r, shape.in_features(target.module)});
    taker.expect(target.path + ".lora_B.weight", {out, target.r});
    if (config.lora_bias) taker.expect(target.path + ".lora_B.bias", {out});
    if (config.use_dora) taker.expect(magnitude_name(taker, target.path), {out});
  }
}

void read_modules(const Taker& taker, const AdapterSet& adapter) {
  for (const auto& slot : adapter.slots()) {
    const std::string path = target_path(slot.layer, slot.module);
    taker.read(path + ".lora_A.weight", adapter.a_view(slot));
    taker.read(path + ".lora_B.weight", adapter.b_view(slot));
    if (slot.bias_begin >= 0) taker.read(path + ".lora_B.bias", adapter.bias_view(slot));
    if (slot.magnitude_begin >= 0) taker.read(magnitude_name(taker, path), adapter.magnitude_view(slot));
  }
}

/// The part of lm_head or embed_tokens that the file and the config name, if any.
std::optional<VocabPart> read_vocab_part(Taker& taker, const std::optional<Target>& target, bool is_embedding,
                                         bool saved, const LoraConfig& config, const DecoderShape& shape) {
  const std::string path(is_embedding ? kEmbeddingPath : kHeadPath);
  const bool whole = taker.has(path + ".weight") || saved;
  if (!target && !whole) return std::nullopt;
  if (shape.vocab == 0)
    throw ModelError(cat("[lora.peft] an adapter of ", path, " must be read with its model, but there is none."));
  const int64_t vocab = shape.vocab, hidden = shape.hidden;
  VocabPart part;
  part.is_embedding = is_embedding;
  if (whole) {
    part.replaced_VD = taker.take(path + ".weight", {vocab, hidden});
    return part;
  }
  if (config.lora_bias)
    throw ModelError(cat("[lora.peft] lora_bias must be off on ", path, ", which has no bias, but is on."));
  part.scale = target->scale;
  const int64_t r = target->r;
  if (taker.has(path + ".base_layer.weight")) part.base_VD = taker.take(path + ".base_layer.weight", {vocab, hidden});
  if (is_embedding) {
    part.a = taker.take(path + ".lora_embedding_A", {r, vocab});
    part.b = taker.take(path + ".lora_embedding_B", {hidden, r});
  } else {
    part.a = taker.take(path + ".lora_A.weight", {r, hidden});
    part.b = taker.take(path + ".lora_B.weight", {vocab, r});
  }
  if (config.use_dora) part.magnitude = taker.take(magnitude_name(taker, path), {is_embedding ? hidden : vocab});
  return part;
}

/// The other end of a tied model under ensure_weight_tying.
VocabPart mirrored(const VocabPart& part) {
  VocabPart out = part;
  out.is_embedding = !part.is_embedding;
  if (!part.has_lora()) return out;
  out.a = part.b.t().contiguous();
  out.b = part.a.t().contiguous();
  if (part.magnitude.defined())
    throw ModelError("[lora.peft] ensure_weight_tying must be off with use_dora on the vocabulary, but is on.");
  return out;
}

bool names(const std::vector<std::string>& paths, std::string_view path) {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

void check_saved(const Targets& targets, const std::string& folder) {
  for (const auto& path : targets.saved)
    if (path != kHeadPath && path != kEmbeddingPath)
      throw ModelError(cat("[lora.peft] ", folder,
                           " must keep modules_to_save to lm_head and embed_tokens, but saves '", path, "'."),
                       "merge this adapter into its base with PEFT");
}

}  // namespace

std::unique_ptr<AdapterSet> adapter_of(const formats::SafetensorsFile& file, const LoraConfig& config,
                                       const DecoderShape& shape, const std::string& folder) {
  Targets targets;
  try {
    targets = find_targets(config, shape, UnmatchedNames::allow);
  } catch (const UsageError& error) {
    throw ModelError(cat("[lora.peft] ", folder, " must be an adapter for this model, but: ", error.what()));
  }
  check_saved(targets, folder);
  Taker taker(file);
  if (config.ensure_weight_tying && shape.tied_head) {
    // PEFT may have stored both ends, whichever the config names.
    if (targets.embedding && !targets.head && taker.has("lm_head.lora_A.weight")) targets.head = targets.embedding;
    if (targets.head && !targets.embedding && taker.has("model.embed_tokens.lora_embedding_A"))
      targets.embedding = targets.head;
  }
  expect_modules(taker, targets, config, shape);
  auto embedding = read_vocab_part(taker, targets.embedding, true, names(targets.saved, kEmbeddingPath), config, shape);
  auto head = read_vocab_part(taker, targets.head, false, names(targets.saved, kHeadPath), config, shape);
  if (config.score_head) taker.expect(cat(kScorePath, ".weight"), {1, shape.hidden});
  taker.refuse_the_rest();
  if (config.ensure_weight_tying && shape.tied_head) {
    if (embedding && !head) head = mirrored(*embedding);
    if (head && !embedding) embedding = mirrored(*head);
  }
  auto adapter = std::make_unique<AdapterSet>(shape, config, UnmatchedNames::allow);
  read_modules(taker, *adapter);
  if (config.score_head) taker.read(cat(kScorePath, ".weight"), adapter->score_weight());
  if (head) adapter->set_head_part(std::move(*head));
  if (embedding) adapter->set_embedding_part(std::move(*embedding));
  return adapter;
}

std::vector<std::pair<std::string, at::Tensor>> peft_tensors(const AdapterSet& adapter) {
  std::vector<std::pair<std::string, at::Tensor>> out;
  const auto add = [&](const std::string& path, const char* part, const at::Tensor& tensor) {
    if (tensor.defined()) out.emplace_back(cat(kPrefix, path, part), tensor.contiguous());
  };
  for (const auto& slot : adapter.slots()) {
    const std::string path = target_path(slot.layer, slot.module);
    add(path, ".lora_A.weight", adapter.a_view(slot));
    add(path, ".lora_B.weight", adapter.b_view(slot));
    add(path, ".lora_B.bias", adapter.bias_view(slot));
    add(path, ".lora_magnitude_vector", adapter.magnitude_view(slot));
  }
  if (adapter.config().score_head) add(std::string(kScorePath), ".weight", adapter.score_weight().unsqueeze(0));
  for (const auto* part : {&adapter.head_part(), &adapter.embedding_part()}) {
    if (!*part) continue;
    const bool embedding = (*part)->is_embedding;
    const std::string path(embedding ? kEmbeddingPath : kHeadPath);
    add(path, ".weight", (*part)->replaced_VD);
    add(path, ".base_layer.weight", (*part)->base_VD);
    add(path, embedding ? ".lora_embedding_A" : ".lora_A.weight", (*part)->a);
    add(path, embedding ? ".lora_embedding_B" : ".lora_B.weight", (*part)->b);
    add(path, ".lora_magnitude_vector", (*part)->magnitude);
  }
  return out;
}

}  // namespace afina::lora
