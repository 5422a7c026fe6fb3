// SPDX-License-Identifier: Apache-2.0
// A PEFT folder as plainly as it can be computed: y += s B A x module by module, with DoRA's magnitudes and a saved
// head where the folder has them. Gradients by parameter name. For tests of model/; lora/ has the real one.
#pragma once
#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cat.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "model/adapter.h"
#include "model/model.h"

namespace afina::model {

class PeftAdapter final : public Adapter {
 public:
  PeftAdapter(const std::filesystem::path& folder, const Model& model) : model_(model) {
    const Json config = parse_json(read_file(folder / "adapter_config.json"), "adapter_config.json");
    scale_ = config["lora_alpha"].get<double>() / config["r"].get<double>();
    const formats::SafetensorsFile file(folder / "adapter_model.safetensors");
    std::vector<at::Tensor> parts;
    for (const auto& view : file.tensors()) {
      at::Tensor values = at::empty(view.shape, at::kFloat);
      formats::copy_to_float(view, {values.data_ptr<float>(), static_cast<size_t>(values.numel())});
      if (view.name == "base_model.model.lm_head.weight") {
        head_ = make_frozen_f32(values, GemmBackend::packed);
        continue;
      }
      begins_[view.name] = {size_, view.shape};
      size_ += values.numel();
      parts.push_back(values.flatten());
    }
    flat_P = at::cat(parts);
  }

  /// A parameter as a view of any flat tensor with this layout; undefined where the folder has none of that name.
  at::Tensor view(const at::Tensor& flat, const std::string& name) const {
    const auto found = begins_.find(name);
    if (found == begins_.end()) return {};
    const auto& [begin, shape] = found->second;
    int64_t size = 1;
    for (const int64_t n : shape)
      size *= n;
    return flat.narrow(0, begin, size).view(shape);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [name, where] : begins_)
      out.push_back(name);
    return out;
  }

  int64_t saved_width(int layer, Site site) const override {
    for (const Module& m : modules(layer, site))
      if (m.a.defined()) return 1;
    return 0;
  }
  void add_forward(int layer, Site site, const at::Tensor& x, at::Tensor& y, at::Tensor*, const DropoutKey&,
                   const at::Tensor* base) const override {
    for (const Module& m : modules(layer, site)) {
      if (!m.a.defined()) continue;
      at::Tensor out = y.narrow(1, m.begin, m.rows);
      const at::Tensor low = at::mm(at::mm(x, m.a.t()), m.b.t()) * scale_;
      out.add_(m.g.defined() ? low * m.g + base->narrow(1, m.begin, m.rows) * (m.g - 1) : low);
    }
  }
  void backward(int layer, Site site, const at::Tensor& x, const at::Tensor& dy, const at::Tensor&, at::Tensor* dx,
                at::Tensor& grad, const DropoutKey&, const at::Tensor*) const override {
    for (const Module& m : modules(layer, site)) {
      if (!m.a.defined()) continue;
      at::Tensor d = dy.narrow(1, m.begin, m.rows) * scale_;
      if (m.g.defined()) d = d * m.g;
      const at::Tensor d_low = at::mm(d, m.b);
      view(grad, m.name + ".lora_A.weight").addmm_(d_low.t(), x);
      view(grad, m.name + ".lora_B.weight").addmm_(d.t(), at::mm(x, m.a.t()));
      if (dx != nullptr) dx->addmm_(d_low, m.a);
    }
  }
  int first_layer() const override { return 0; }
  bool rescales_base(int layer, Site site) const override {
    for (const Module& m : modules(layer, site))
      if (m.g.defined()) return true;
    return false;
  }
  at::Tensor base_scale(int layer, Site site) const override {
    std::vector<at::Tensor> out;
    for (const Module& m : modules(layer, site))
      out.push_back(m.g.defined() ? m.g : at::ones({m.rows}));
    return at::cat(out);
  }
  const FrozenLinear* head() const override { return head_.get(); }
  const FrozenLinear* embedding() const override { return embedding_.get(); }
  void set_embedding(const at::Tensor& w_VD) { embedding_ = make_frozen_f32(w_VD, GemmBackend::packed); }

  at::Tensor flat_P;

 private:
  struct Module {
    std::string name;
    int64_t begin, rows;
    at::Tensor a, b, g;
  };

  std::vector<Module> modules(int layer, Site site) const {
    const ModelConfig& c = model_.config();
    std::vector<std::pair<const char*, int64_t>> parts;
    switch (site) {
      case Site::qkv:
        parts = {
            {"self_attn.q_proj", c.q_width()}, {"self_attn.k_proj", c.kv_width()}, {"self_attn.v_proj", c.kv_width()}};
        break;
      case Site::o:
        parts = {{"self_attn.o_proj", c.hidden}};
        break;
      case Site::gate_up:
        parts = {{"mlp.gate_proj", c.ffn}, {"mlp.up_proj", c.ffn}};
        break;
      case Site::down:
        parts = {{"mlp.down_proj", c.hidden}};
        break;
    }
    std::vector<Module> out;
    int64_t begin = 0;
    for (const auto& [part, rows] : parts) {
      Module m{cat("base_model.model.model.layers.", layer, ".", part), begin, rows, {}, {}, {}};
      m.a = view(flat_P, m.name + ".lora_A.weight");
      m.b = view(flat_P, m.name + ".lora_B.weight");
      if (const at::Tensor magnitude = view(flat_P, m.name + ".lora_magnitude_vector"); magnitude.defined()) {
        at::Tensor w = at::empty({rows, m.a.size(1)});
        model_.linear(layer, site).dequantize_rows(begin, w);
        m.g = magnitude / (w + at::mm(m.b, m.a) * scale_).norm(2, 1);
      }
      begin += rows;
      out.push_back(std::move(m));
    }
    return out;
  }

  const Model& model_;
  double scale_ = 1;
  int64_t size_ = 0;
  std::map<std::string, std::pair<int64_t, std::vector<int64_t>>> begins_;
  std::unique_ptr<FrozenLinear> head_, embedding_;
};

}  // namespace afina::model
