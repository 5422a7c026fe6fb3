// SPDX-License-Identifier: Apache-2.0
#include "evaluation/export_writer.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"
#include "formats/gguf.h"
#include "lora/delta.h"
#include "lora/gguf_adapter.h"
#include "lora/merge.h"
#include "lora/peft.h"
#include "model/convert/to_gguf.h"
#include "model/convert/to_hf.h"

namespace afina::evaluation {
namespace {

namespace fs = std::filesystem;
using formats::DType;
using formats::GgmlType;

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

std::optional<DType> float_type(const std::string& word) {
  if (word.empty()) return std::nullopt;
  const auto dtype = formats::dtype_from_name(upper(word));
  if (!dtype || (*dtype != DType::f32 && *dtype != DType::f16 && *dtype != DType::bf16))
    throw UsageError(cat("[export] --type must be f32, f16 or bf16 in this format, but is \"", word, "\"."));
  return dtype;
}

std::optional<GgmlType> block_type(const std::string& word) {
  if (word.empty()) return std::nullopt;
  const auto type = formats::ggml_type_from_name(word);
  if (!type || !formats::can_quantize(*type))
    throw UsageError(cat("[export] --type must be one of ", formats::quantizable_types(), ", but is \"", word, "\"."),
                     "write f16 and let llama-quantize make K-quants of it");
  return type;
}

class Writer {
 public:
  Writer(const ExportRequest& request, const std::string& name, const lora::AdapterSet* adapter,
         const model::Model& base, const fs::path& publish)
      : r_(request), name_(name), adapter_(adapter), base_(base), publish_(publish) {}

  Written run() {
    switch (r_.format) {
      case ExportFormat::peft:
        peft();
        break;
      case ExportFormat::gguf_adapter:
        gguf_adapter();
        break;
      case ExportFormat::hf:
        hf();
        break;
      case ExportFormat::gguf:
        gguf();
        break;
    }
    return std::move(out_);
  }

 private:
  bool base_is_gguf() const { return !fs::is_directory(r_.base); }
  std::string base_name() const { return r_.base_model.empty() ? r_.base.filename().string() : r_.base_model; }

  model::ConvertOptions convert(const char* what) const {
    model::ConvertOptions options;
    options.stop = r_.stop;
    if (r_.progress) options.progress = [this, what](int64_t done, int64_t total) { r_.progress(what, done, total); };
    return options;
  }
  lora::MergeOptions merge() const {
    lora::MergeOptions options;
    options.stop = r_.stop;
    if (r_.progress) options.progress = [this](int64_t done, int64_t total) { r_.progress("merge", done, total); };
    return options;
  }
  void note(const lora::MergeReport& report) {
    out_.notes.insert(out_.notes.end(), report.notes.begin(), report.notes.end());
    for (const std::string& retyped : report.retyped)
      out_.notes.push_back(retyped);
  }
  model::GgufIdentity identity() const { return {name_, r_.license, r_.base_model, r_.languages}; }

  void peft() {
    const DType dtype = float_type(r_.type).value_or(DType::f32);
    lora::PeftInfo info;
    info.base_model = base_name();
    info.dtype = dtype;
    lora::save_peft(publish_, *adapter_, info);
    out_.artifact = publish_;
    out_.type = formats::dtype_name(dtype);
    out_.description = cat("PEFT LoRA adapter (", out_.type, ")");
  }

  void gguf_adapter() {
    const GgmlType type = block_type(r_.type).value_or(GgmlType::f32);
    fs::create_directory(publish_);
    out_.artifact = publish_ / (name_ + ".gguf");
    lora::write_gguf_adapter(out_.artifact, *adapter_, base_.config(), {name_, base_name(), type});
    out_.type = formats::ggml_type_name(type);
    out_.description = cat("GGUF LoRA adapter (", out_.type, ")");
  }

  void hf() {
    const auto dtype = float_type(r_.type);
    if (adapter_ != nullptr && !base_is_gguf()) {
      lora::MergeOptions options = merge();
      options.dtype = dtype;
      note(lora::merge_adapter(r_.base, *adapter_, publish_, options));
    } else {
      model::HfOptions hf;
      hf.dtype = dtype;
      model::ConvertOptions options = convert("convert");
      options.edit = edit();
      model::write_hf_folder(model::WeightReader(r_.base), publish_, hf, options);
    }
    out_.artifact = publish_;
    out_.type = narrowest_of_folder();
    out_.description = cat(adapter_ == nullptr ? "Weights (" : "Merged weights (", out_.type, ")");
  }

  void gguf() {
    const auto type = block_type(r_.type);
    fs::create_directory(publish_);
    out_.artifact = publish_ / (name_ + ".gguf");
    if (adapter_ != nullptr && base_is_gguf() && !type) {
      note(lora::merge_adapter(r_.base, *adapter_, out_.artifact, merge()));
    } else {
      model::ConvertOptions options = convert("convert");
      options.edit = edit();
      model::write_gguf(model::WeightReader(r_.base), out_.artifact, type.value_or(GgmlType::f16), identity(), options);
    }
    out_.type = narrowest_of_gguf();
    out_.description = cat(adapter_ == nullptr ? "GGUF (" : "Merged GGUF (", out_.type, ")");
  }

  /// The adapter as a change of each weight while it is converted; empty without one.
  model::WeightEdit edit() {
    if (adapter_ == nullptr) return {};
    plain_ = adapter_->plain();
    const auto changes =
        std::make_shared<std::map<std::string, lora::WeightChange>>(lora::weight_changes(plain_ ? *plain_ : *adapter_));
    check_places(*changes);
    return [changes](const std::string& name, const std::vector<int64_t>& shape, std::span<float> values) {
      const auto change = changes->find(name);
      if (change == changes->end()) return false;
      at::Tensor w = at::from_blob(values.data(), shape, at::kFloat).clone();
      change->second(w);
      if (w.numel() != static_cast<int64_t>(values.size()) || !at::isfinite(w).all().item<bool>())
        throw ModelError(
            cat("[export] merged weights must be finite and keep their shape, but '", name, "' does not."));
      std::copy_n(w.contiguous().const_data_ptr<float>(), values.size(), values.begin());
      return true;
    };
  }

  /// Every changed tensor must be one that is written: a tied head is not, and a bias may have no place.
  void check_places(const std::map<std::string, lora::WeightChange>& changes) const {
    const model::WeightReader reader(r_.base);
    for (const auto& [name, change] : changes) {
      const bool there = std::any_of(reader.weights().begin(), reader.weights().end(),
                                     [&name = name](const auto& weight) { return weight.name == name; });
      if (!there)
        throw ModelError(
            cat("[export] the base must have a tensor for everything the adapter changes, but has no '", name, "'."),
            "afina merge unties a head in a folder; convert the result");
    }
  }

  /// Where base and result have one type and nothing was merged, nothing was rounded either.
  std::string narrowest_of_folder() const {
    const model::WeightReader written(publish_), base(r_.base);
    for (const auto& weight : written.weights()) {
      if (weight.dtype == DType::f32) continue;
      const auto same = std::find_if(base.weights().begin(), base.weights().end(),
                                     [&](const auto& w) { return w.name == weight.name; });
      const bool unchanged =
          adapter_ == nullptr && base.gguf() == nullptr && same != base.weights().end() && same->dtype == weight.dtype;
      if (!unchanged) return std::string(formats::dtype_name(weight.dtype));
    }
    return "F32";
  }

  std::string narrowest_of_gguf() const {
    const formats::GgufFile written(out_.artifact);
    const formats::GgufTensor* narrowest = nullptr;
    const auto bits = [](const formats::GgufTensor& t) {
      return 8.0 * static_cast<double>(t.bytes.size()) / static_cast<double>(t.elements());
    };
    for (const auto& tensor : written.tensors())
      if (tensor.shape.size() > 1 && (narrowest == nullptr || bits(tensor) < bits(*narrowest))) narrowest = &tensor;
    return narrowest == nullptr ? "F32" : formats::ggml_type_name(narrowest->type);
  }

  const ExportRequest& r_;
  const std::string& name_;
  const lora::AdapterSet* adapter_;
  const model::Model& base_;
  fs::path publish_;
  std::unique_ptr<lora::AdapterSet> plain_;
  Written out_;
};

}  // namespace

Written write_export(const ExportRequest& request, const std::string& name, const lora::AdapterSet* adapter,
                     const model::Model& base, const fs::path& publish) {
  return Writer(request, name, adapter, base, publish).run();
}

}  // namespace afina::evaluation
