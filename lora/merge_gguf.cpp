// SPDX-License-Identifier: Apache-2.0
// GGUF file + adapter -> GGUF file.
#include <ATen/ATen.h>

#include "base/error.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "lora/delta.h"
#include "lora/merge_common.h"
#include "model/gguf_names.h"

namespace afina::lora {
namespace {

namespace fs = std::filesystem;
using formats::GgmlType;

const std::string kHead = "lm_head.weight", kEmbedding = "model.embed_tokens.weight";

struct Job {
  formats::GgufTensorPlan plan;
  const formats::GgufTensor* source = nullptr;
  const WeightChange* change = nullptr;
  bool permuted = false;
};

class GgufMerge {
 public:
  GgufMerge(const fs::path& base, const AdapterSet& adapter, const MergeOptions& options)
      : options_(options),
        file_(base),
        model_(model::config_from_gguf(file_, base.string())),
        tied_(tied_plan(adapter, model_)),
        changes_(weight_changes(adapter)) {
    check_fit(adapter, model_, base.string());
    if (options.gguf_type && !formats::can_quantize(*options.gguf_type))
      throw UsageError(cat("[lora.merge] the GGUF type must be one of ", formats::quantizable_types(), ", but is ",
                           formats::ggml_type_name(*options.gguf_type), "."));
    plan();
  }

  MergeReport run(const fs::path& out) {
    formats::GgufWriter writer(out);
    writer.copy_metadata(file_);
    set_file_type(writer);
    for (const auto& job : jobs_)
      writer.add_tensor(job.plan);
    writer.begin_data();
    const auto total = static_cast<int64_t>(jobs_.size());
    for (int64_t i = 0; i < total; ++i) {
      step(options_, i, total);
      write_tensor(writer, jobs_[static_cast<size_t>(i)]);
    }
    writer.finish();
    step(options_, total, total);
    return report_;
  }

 private:
  void plan() {
    for (const auto& tensor : file_.tensors()) {
      const auto hf = model::hf_name(tensor.name);
      add(tensor.name, hf.value_or(""), tensor);
    }
    if (tied_.comes_apart) {
      add(model::gguf_name(kHead), kHead, file_.at(model::gguf_name(kEmbedding)));
      report_.notes.emplace_back("head and embedding were one tensor and are two now (output.weight)");
    }
    for (const auto& [name, change] : changes_)
      if (file_.find(model::gguf_name(name)) == nullptr && !(tied_.tied && name == kHead))
        refuse_missing(name, file_.path().string());
  }

  void add(const std::string& name, const std::string& hf, const formats::GgufTensor& tensor) {
    Job job{{name, tensor.type, tensor.shape}, &tensor, nullptr, model::is_permuted(model_, hf)};
    if (const auto found = changes_.find(hf); found != changes_.end()) {
      job.change = &found->second;
      job.plan.type = written_type(tensor);
      if (job.plan.type != tensor.type)
        report_.retyped.push_back(
            cat(name, ": ", formats::ggml_type_name(tensor.type), " -> ", formats::ggml_type_name(job.plan.type)));
    }
    jobs_.push_back(std::move(job));
  }

  GgmlType written_type(const formats::GgufTensor& tensor) const {
    if (tensor.shape.size() == 1) return GgmlType::f32;
    GgmlType type = tensor.type;
    if (options_.gguf_type) {
      type = *options_.gguf_type;
    } else if (!formats::can_quantize(type)) {
      type = GgmlType::q8_0;
    }
    return formats::fitting_type(type, tensor.row_length());
  }

  /// The file's own word for itself, where most of its matrices are of another type now.
  void set_file_type(formats::GgufWriter& writer) const {
    std::map<GgmlType, int64_t> elements;
    for (const auto& job : jobs_)
      if (job.plan.shape.size() > 1) elements[job.plan.type] += job.source->elements();
    if (report_.retyped.empty() || elements.empty()) return;
    const auto most = std::max_element(elements.begin(), elements.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    if (const auto id = formats::gguf_file_type(most->first)) writer.set_u32("general.file_type", *id);
    if (!file_.has("general.quantization_version")) writer.set_u32("general.quantization_version", 2);
  }

  void write_tensor(formats::GgufWriter& writer, const Job& job) {
    job.change != nullptr ? ++report_.changed : ++report_.copied;
    if (job.change == nullptr) {
      writer.write(job.plan.name, job.source->bytes);
      return;
    }
    at::Tensor w = float_tensor(job.plan.shape);
    formats::dequantize(*job.source, values_of(w));
    if (job.permuted) w = reordered(w, false);
    (*job.change)(w);
    check_finite(w, job.plan.name, job.plan.type == GgmlType::f16);
    w = job.permuted ? reordered(w, true) : w.contiguous();
    std::vector<std::byte> bytes(static_cast<size_t>(formats::ggml_bytes(job.plan.type, w.numel())));
    formats::quantize_blocks(job.plan.type, values_of(w), bytes);
    writer.write(job.plan.name, bytes);
  }

  /// Rows from GGUF order to Hugging Face order, or back.
  at::Tensor reordered(const at::Tensor& w, bool to_gguf) const {
    at::Tensor out = at::empty_like(w);
    for (int64_t row = 0; row < w.size(0); ++row) {
      const int64_t there = model::gguf_row(row, model_.head_dim);
      to_gguf ? out[there].copy_(w[row]) : out[row].copy_(w[there]);
    }
    return out;
  }

  const MergeOptions& options_;
  formats::GgufFile file_;
  model::ModelConfig model_;
  TiedPlan tied_;
  std::map<std::string, WeightChange> changes_;
  std::vector<Job> jobs_;
  MergeReport report_;
};

}  // namespace

MergeReport merge_gguf(const fs::path& base, const AdapterSet& adapter, const fs::path& out,
                       const MergeOptions& options) {
  return GgufMerge(base, adapter, options).run(out);
}

}  // namespace afina::lora
