// SPDX-License-Identifier: Apache-2.0
#include "lora/compose.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/error.h"
#include "lora/delta.h"
#include "lora/dropout.h"

namespace afina::lora {
namespace {

constexpr std::array<std::string_view, 11> kMethods{"cat",
                                                    "linear",
                                                    "svd",
                                                    "ties",
                                                    "dare_linear",
                                                    "dare_ties",
                                                    "magnitude_prune",
                                                    "ties_svd",
                                                    "dare_linear_svd",
                                                    "dare_ties_svd",
                                                    "magnitude_prune_svd"};
constexpr std::array<std::string_view, 2> kSigns{"total", "frequency"};

bool on_full_deltas(ComposeMethod method) {
  return method == ComposeMethod::svd || method >= ComposeMethod::ties_svd;
}

/// The method that is applied to the full deltas before their SVD.
ComposeMethod inner(ComposeMethod method) {
  switch (method) {
    case ComposeMethod::svd:
      return ComposeMethod::linear;
    case ComposeMethod::ties_svd:
      return ComposeMethod::ties;
    case ComposeMethod::dare_linear_svd:
      return ComposeMethod::dare_linear;
    case ComposeMethod::dare_ties_svd:
      return ComposeMethod::dare_ties;
    case ComposeMethod::magnitude_prune_svd:
      return ComposeMethod::magnitude_prune;
    default:
      return method;
  }
}

/// One adapter's share in one module.
struct Part {
  const AdapterSet* adapter;
  ModuleSlot slot;
  double weight;
};
using ModuleKey = std::pair<int, Module>;

at::Tensor prune_by_magnitude(const at::Tensor& t, double density) {
  if (density >= 1) return t;
  const auto keep = static_cast<int64_t>(density * static_cast<double>(t.numel()));
  const auto [values, indices] = at::topk(t.abs().reshape({-1}), keep);
  at::Tensor mask = at::zeros({t.numel()}, t.options());
  mask.index_fill_(0, indices, 1);
  return t * mask.view(t.sizes());
}

/// Keeps each entry with probability `density` and divides by it.
at::Tensor prune_at_random(const at::Tensor& t, double density, uint64_t stream) {
  if (density >= 1) return t;
  at::Tensor out = t.contiguous().clone();
  float* values = out.data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i) {
    const bool keep = counter_uniform(stream, static_cast<uint64_t>(i)) < static_cast<float>(density);
    values[i] = keep ? static_cast<float>(values[i] / density) : 0.0F;
  }
  return out;
}

at::Tensor majority_mask(const at::Tensor& stacked, MajoritySign method) {
  const at::Tensor sign = stacked.sign();
  const at::Tensor balance = method == MajoritySign::total ? stacked.sum(0) : sign.sum(0);
  return sign.eq(at::where(balance.ge(0), at::ones_like(balance), -at::ones_like(balance)));
}

/// utils/merge_utils.py: prune, elect signs on what is left, weigh, add up.
at::Tensor combine(ComposeMethod method, std::vector<at::Tensor> tensors, const std::vector<double>& weights,
                   const ComposeOptions& options, uint64_t stream) {
  const bool dare = method == ComposeMethod::dare_linear || method == ComposeMethod::dare_ties;
  const bool by_magnitude = method == ComposeMethod::ties || method == ComposeMethod::magnitude_prune;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (dare) tensors[i] = prune_at_random(tensors[i], options.density, stream + i);
    if (by_magnitude) tensors[i] = prune_by_magnitude(tensors[i], options.density);
  }
  const at::Tensor stacked = at::stack(tensors);
  std::vector<int64_t> each(static_cast<size_t>(stacked.dim()), 1);
  each[0] = stacked.size(0);
  const at::Tensor weighted = stacked * at::tensor(at::ArrayRef<double>(weights), stacked.options()).view(each);
  if (method != ComposeMethod::ties && method != ComposeMethod::dare_ties) return weighted.sum(0);
  const at::Tensor mask = majority_mask(stacked, options.majority_sign).to(at::kFloat);
  return (weighted * mask).sum(0) / mask.sum(0).clamp_min(1);
}

class Composer {
 public:
  Composer(ComposeMethod method, std::span<const AdapterSet* const> adapters, std::span<const double> weights,
           const ComposeOptions& options)
      : method_(adapters.size() == 1 ? ComposeMethod::linear : method),
        adapters_(adapters),
        weights_(weights.begin(), weights.end()),
        options_(options) {
    check();
    for (size_t i = 0; i < adapters_.size(); ++i)
      for (const auto& slot : adapters_[i]->slots())
        parts_[{slot.layer, slot.module}].push_back({adapters_[i], slot, weights_[i]});
  }

  std::unique_ptr<AdapterSet> run() const {
    const DecoderShape& shape = adapters_[0]->shape();
    LoraConfig config;
    config.r = rank();
    config.lora_alpha = config.r;
    config.lora_dropout = adapters_[0]->config().lora_dropout;
    std::vector<ModuleKey> modules;
    for (const auto& [key, parts] : parts_)
      modules.push_back(key);
    config.target_modules = target_names(modules, shape.layers);
    auto out = std::make_unique<AdapterSet>(shape, config, UnmatchedNames::allow);
    for (const auto& slot : out->slots()) {
      const auto [a, b] = compose_module(parts_.at({slot.layer, slot.module}), slot);
      // A module that some adapters lack has a smaller rank here; the rest stays zero, as in PEFT.
      out->a_view(slot).narrow(0, 0, a.size(0)).copy_(a);
      out->b_view(slot).narrow(1, 0, b.size(1)).copy_(b);
    }
    return out;
  }

 private:
  [[noreturn]] static void refuse(const std::string& what, const std::string& hint = "") {
    throw UsageError(cat("[lora.compose] ", what, "."), hint);
  }

  void check() const {
    if (adapters_.empty()) refuse("adapters must be at least one, but are none");
    if (weights_.size() != adapters_.size())
      refuse(cat("weights must be one for each adapter, but are ", weights_.size(), " for ", adapters_.size()));
    for (const double weight : weights_)
      if (!std::isfinite(weight)) refuse(cat("weights must be finite, but one is ", weight));
    for (const auto* adapter : adapters_) {
      const DecoderShape &shape = adapter->shape(), &first = adapters_[0]->shape();
      if (shape.layers != first.layers || shape.hidden != first.hidden || shape.q_size != first.q_size ||
          shape.kv_size != first.kv_size || shape.ffn != first.ffn)
        refuse("adapters must fit one base model, but their shapes differ");
      const auto& config = adapter->config();
      if (config.use_dora || config.lora_bias || config.score_head || adapter->head_part() || adapter->embedding_part())
        refuse(
            "adapters must be plain LoRA of the layers, but one has DoRA, lora_bias, a score head, or parts of lm_head "
            "or embed_tokens",
            "merge that adapter into the base, and train or compose the others on the result");
    }
    const bool prunes = inner(method_) != ComposeMethod::cat && inner(method_) != ComposeMethod::linear;
    if (prunes && !(options_.density > 0 && options_.density <= 1))
      refuse(cat("density must be above 0 and at most 1 for ", to_string(method_), ", but is ", options_.density));
    if (options_.svd_rank < 0) refuse(cat("svd_rank must be 0 or more, but is ", options_.svd_rank));
    if (method_ == ComposeMethod::cat || on_full_deltas(method_)) return;
    for (const auto* adapter : adapters_)
      if (largest_rank(*adapter) != largest_rank(*adapters_[0]) || !adapter->config().rank_pattern.empty())
        refuse(cat("adapters must have one rank for ", to_string(method_), ", but their ranks differ"),
               "cat and the svd methods take any ranks");
  }

  static int largest_rank(const AdapterSet& adapter) {
    int64_t r = adapter.config().rank_pattern.empty() ? adapter.config().r : 1;
    for (const auto& slot : adapter.slots())
      r = std::max(r, slot.r);
    return static_cast<int>(r);
  }

  int rank() const {
    int sum = 0, most = 0;
    for (const auto* adapter : adapters_) {
      sum += largest_rank(*adapter);
      most = std::max(most, largest_rank(*adapter));
    }
    if (method_ == ComposeMethod::cat) return sum;
    return on_full_deltas(method_) && options_.svd_rank > 0 ? options_.svd_rank : most;
  }

  std::pair<at::Tensor, at::Tensor> compose_module(const std::vector<Part>& parts, const ModuleSlot& to) const {
    if (method_ == ComposeMethod::cat) return concatenate(parts);
    if (on_full_deltas(method_)) return decompose(parts, to);
    std::vector<at::Tensor> as, bs;
    std::vector<double> a_weights, b_weights;
    for (const auto& part : parts) {
      const double c = part.weight * part.slot.scale;
      as.push_back(part.adapter->a_view(part.slot));
      bs.push_back(part.adapter->b_view(part.slot));
      a_weights.push_back((c < 0 ? -1 : 1) * std::sqrt(std::abs(c)));
      b_weights.push_back(std::sqrt(std::abs(c)));
    }
    return {combine(method_, as, a_weights, options_, stream(to, 0)),
            combine(method_, bs, b_weights, options_, stream(to, 1))};
  }

  static std::pair<at::Tensor, at::Tensor> concatenate(const std::vector<Part>& parts) {
    std::vector<at::Tensor> as, bs;
    for (const auto& part : parts) {
      as.push_back(part.adapter->a_view(part.slot) * (part.weight * part.slot.scale));
      bs.push_back(part.adapter->b_view(part.slot));
    }
    return {at::cat(as, 0), at::cat(bs, 1)};
  }

  std::pair<at::Tensor, at::Tensor> decompose(const std::vector<Part>& parts, const ModuleSlot& to) const {
    std::vector<at::Tensor> deltas;
    std::vector<double> weights;
    for (const auto& part : parts) {
      deltas.push_back(dense_delta(*part.adapter, part.slot));
      weights.push_back(part.weight);
    }
    const at::Tensor sum = combine(inner(method_), deltas, weights, options_, stream(to, 2));
    const auto [u, s, vh] = at::linalg_svd(sum, false);
    const int64_t r = std::min<int64_t>(to.r, s.numel());
    return {vh.narrow(0, 0, r), u.narrow(1, 0, r) * s.narrow(0, 0, r)};
  }

  /// One stream a module and half; combine() adds the adapter's index.
  uint64_t stream(const ModuleSlot& slot, uint64_t half) const {
    return dropout_stream({true, options_.seed, half, 0}, slot.layer, static_cast<int>(slot.module));
  }

  ComposeMethod method_;
  std::span<const AdapterSet* const> adapters_;
  std::vector<double> weights_;
  const ComposeOptions& options_;
  std::map<ModuleKey, std::vector<Part>> parts_;
};

template <typename E, size_t N>
bool parse(const std::array<std::string_view, N>& words, std::string_view word, E& out) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return false;
  out = static_cast<E>(found - words.begin());
  return true;
}

}  // namespace

std::string_view to_string(ComposeMethod method) {
  return kMethods[static_cast<size_t>(method)];
}

bool from_string(std::string_view word, ComposeMethod& out) {
  return parse(kMethods, word, out);
}

std::string_view to_string(MajoritySign method) {
  return kSigns[static_cast<size_t>(method)];
}

bool from_string(std::string_view word, MajoritySign& out) {
  return parse(kSigns, word, out);
}

std::unique_ptr<AdapterSet> compose(ComposeMethod method, std::span<const AdapterSet* const> adapters,
                                    std::span<const double> weights, const ComposeOptions& options) {
  // Adapters trained from PiSSA take part as the plain LoRA they are saved as.
  std::vector<std::unique_ptr<AdapterSet>> plain;
  std::vector<const AdapterSet*> used;
  for (const auto* adapter : adapters) {
    plain.push_back(adapter->plain());
    used.push_back(plain.back() ? plain.back().get() : adapter);
  }
  return Composer(method, used, weights, options).run();
}

}  // namespace afina::lora
