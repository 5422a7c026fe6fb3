// SPDX-License-Identifier: Apache-2.0
#include "lora/delta.h"

#include <ATen/ATen.h>

#include "base/error.h"

namespace afina::lora {
namespace {

void check_shape(const at::Tensor& w, std::vector<int64_t> wanted, const std::string& name) {
  if (w.sizes() == at::IntArrayRef(wanted)) return;
  throw ModelError(
      cat("[lora.merge] '", name, "' must have the shape ", at::IntArrayRef(wanted), ", but has ", w.sizes(), "."),
      "was this adapter trained on another base model?");
}

void change_weight(const AdapterSet& adapter, const ModuleSlot& slot, at::Tensor& w_OI) {
  check_shape(w_OI, {slot.out, slot.in}, target_path(slot.layer, slot.module));
  w_OI.addmm_(adapter.b_view(slot), adapter.a_view(slot), 1, slot.scale);
  const at::Tensor magnitude = adapter.magnitude_view(slot);
  if (!magnitude.defined()) return;
  const at::Tensor norm = w_OI.square().sum(at::IntArrayRef{1}, true, at::kDouble).sqrt();
  w_OI.mul_((magnitude.unsqueeze(1) / norm).to(at::kFloat));
}

void change_bias(const AdapterSet& adapter, const ModuleSlot& slot, at::Tensor& bias_O) {
  check_shape(bias_O, {slot.out}, target_path(slot.layer, slot.module) + ".bias");
  bias_O.add_(adapter.bias_view(slot), slot.scale);
}

}  // namespace

std::map<std::string, WeightChange> weight_changes(const AdapterSet& adapter) {
  std::map<std::string, WeightChange> out;
  for (const auto& slot : adapter.slots()) {
    const std::string path = target_path(slot.layer, slot.module);
    out[path + ".weight"] = [&adapter, slot](at::Tensor& w) { change_weight(adapter, slot, w); };
    if (slot.bias_begin >= 0) out[path + ".bias"] = [&adapter, slot](at::Tensor& b) { change_bias(adapter, slot, b); };
  }
  for (const auto* part : {&adapter.head_part(), &adapter.embedding_part()}) {
    if (!*part) continue;
    const std::string name = cat((*part)->is_embedding ? kEmbeddingPath : kHeadPath, ".weight");
    out[name] = [part, &adapter, name](at::Tensor& w) {
      check_shape(w, {adapter.shape().vocab, adapter.shape().hidden}, name);
      w = (*part)->apply(w);
    };
  }
  return out;
}

at::Tensor dense_delta(const AdapterSet& adapter, const ModuleSlot& slot) {
  return at::mm(adapter.b_view(slot), adapter.a_view(slot)).mul_(slot.scale);
}

}  // namespace afina::lora
