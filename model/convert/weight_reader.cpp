// SPDX-License-Identifier: Apache-2.0
#include "model/convert/weight_reader.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "formats/nf4.h"
#include "formats/safetensors_set.h"
#include "model/gguf_names.h"
#include "model/weight_source.h"

namespace afina::model {
namespace {

namespace fs = std::filesystem;
using formats::DType;

constexpr size_t kMaxConfigBytes = size_t{1} << 20;

/// "model.layers.12.…" -> 12, so that layers come in their order; the embedding before, the rest after.
int64_t place(const std::string& name, int64_t layers) {
  if (name == "model.embed_tokens.weight") return -1;
  static constexpr std::string_view kLayers = "model.layers.";
  if (!name.starts_with(kLayers)) return layers;
  int64_t layer = 0;
  for (size_t i = kLayers.size(); i < name.size() && name[i] >= '0' && name[i] <= '9' && layer < layers; ++i)
    layer = layer * 10 + (name[i] - '0');
  return layer;
}

/// Buffers that old checkpoints carry and no program reads.
bool is_leftover(std::string_view name) {
  return name.ends_with("rotary_emb.inv_freq") || name.ends_with(".masked_bias") || name.ends_with(".attn.bias");
}

int64_t elements(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (const int64_t size : shape)
    n *= size;
  return n;
}

}  // namespace

WeightReader::WeightReader(const fs::path& model) : path_(model) {
  std::error_code code;
  if (!fs::exists(path_, code))
    throw NotFound(
        cat("[model] path must name a GGUF file or a Hugging Face folder, but '", path_.string(), "' is not there."));
  if (fs::is_directory(path_, code)) {
    const std::string where = (path_ / "config.json").string();
    config_ = config_from_hf(parse_json(read_file(where, kMaxConfigBytes), where), where);
    safetensors_ = std::make_unique<formats::SafetensorsSet>(path_);
    source_ = safetensors_source(*safetensors_, config_);
    list_folder();
  } else {
    gguf_ = std::make_unique<formats::GgufFile>(path_);
    config_ = config_from_gguf(*gguf_, path_.string());
    source_ = gguf_source(*gguf_, config_);
    list_gguf();
  }
  std::stable_sort(weights_.begin(), weights_.end(), [&](const WeightInfo& a, const WeightInfo& b) {
    return place(a.name, config_.layers) < place(b.name, config_.layers);
  });
}

WeightReader::~WeightReader() = default;

void WeightReader::list_folder() {
  for (const formats::TensorView* view : safetensors_->tensors()) {
    if (formats::is_nf4_companion(view->name) || is_leftover(view->name)) continue;
    if (view->name == "lm_head.weight" && config_.tied_head) continue;
    WeightInfo info{view->name, view->shape, view->dtype};
    if (const auto nf4 = formats::find_nf4(*safetensors_, view->name)) {
      info.shape = nf4->shape;
      info.dtype = nf4->dtype == "bfloat16" ? DType::bf16 : nf4->dtype == "float16" ? DType::f16 : DType::f32;
    } else if (view->dtype != DType::f16 && view->dtype != DType::bf16) {
      info.dtype = DType::f32;
    }
    weights_.push_back(std::move(info));
  }
}

void WeightReader::list_gguf() {
  for (const formats::GgufTensor& tensor : gguf_->tensors()) {
    if (tensor.name == "rope_freqs.weight") continue;
    const auto name = hf_name(tensor.name);
    if (!name)
      throw ModelError(cat("[", path_.string(), "] tensors must be those of ", config_.architecture, ", but there is '",
                           tensor.name, "'."));
    const DType dtype = tensor.type == formats::GgmlType::f32    ? DType::f32
                        : tensor.type == formats::GgmlType::bf16 ? DType::bf16
                                                                 : DType::f16;
    weights_.push_back({*name, tensor.shape, dtype});
  }
}

void WeightReader::read(const WeightInfo& weight, std::span<float> out) const {
  AFINA_CHECK(static_cast<int64_t>(out.size()) == elements(weight.shape), "[convert] buffer must fit ", weight.name);
  source_->read_rows(weight.name, 0, at::from_blob(out.data(), weight.shape, at::kFloat));
}

}  // namespace afina::model
