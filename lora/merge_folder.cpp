// SPDX-License-Identifier: Apache-2.0
// Hugging Face folder + adapter -> Hugging Face folder.
#include <ATen/ATen.h>

#include <array>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "formats/nf4.h"
#include "formats/safetensors_set.h"
#include "lora/delta.h"
#include "lora/merge_common.h"

namespace afina::lora {
namespace {

namespace fs = std::filesystem;
using formats::DType;

constexpr size_t kMaxConfigBytes = 1 << 20;
const std::string kHead = "lm_head.weight", kEmbedding = "model.embed_tokens.weight";
/// Beside weights and config: what the tokenizer, the template, generation and the licence need.
constexpr std::array kCopied{"generation_config.json",
                             "tokenizer.json",
                             "tokenizer_config.json",
                             "special_tokens_map.json",
                             "added_tokens.json",
                             "vocab.json",
                             "merges.txt",
                             "tokenizer.model",
                             "chat_template.jinja",
                             "chat_template.json",
                             "LICENSE",
                             "LICENSE.txt",
                             "LICENSE.md",
                             "NOTICE",
                             "NOTICE.txt",
                             "USE_POLICY.md"};

bool is_float(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::f64 ||
         dtype == DType::f8_e4m3 || dtype == DType::f8_e5m2;
}

DType from_torch(const std::string& word) {
  if (word == "float16") return DType::f16;
  return word == "bfloat16" ? DType::bf16 : DType::f32;
}

const char* torch_name(DType dtype) {
  if (dtype == DType::f16) return "float16";
  return dtype == DType::bf16 ? "bfloat16" : "float32";
}

/// What becomes of one tensor of the result.
struct Job {
  formats::TensorPlan plan;
  const formats::TensorView* source = nullptr;
  std::optional<formats::Nf4View> nf4;
  const WeightChange* change = nullptr;
};

class FolderMerge {
 public:
  FolderMerge(const fs::path& base, const AdapterSet& adapter, const MergeOptions& options)
      : base_(base), adapter_(adapter), options_(options), source_(base), changes_(weight_changes(adapter)) {
    const fs::path path = base / "config.json";
    const std::string text = read_file(path, kMaxConfigBytes);
    try {
      config_ = parse_ordered_json(text, path.string());
      model_ = model::config_from_hf(parse_json(text, path.string()), path.string());
    } catch (const DataError& error) {
      throw ModelError(error.what());
    }
    check_fit(adapter, model_, base.string());
    if (options.dtype && *options.dtype != DType::f32 && *options.dtype != DType::f16 && *options.dtype != DType::bf16)
      throw UsageError(
          cat("[lora.merge] dtype must be F32, F16 or BF16, but is ", formats::dtype_name(*options.dtype), "."));
    tied_ = tied_plan(adapter, model_);
    plan();
  }

  MergeReport run(const fs::path& out) {
    const fs::path parent = out.has_parent_path() ? out.parent_path() : fs::path(".");
    fs::create_directories(parent);
    const fs::path temporary = parent / (out.filename().string() + ".tmp-" + random_hex(6));
    try {
      fs::create_directory(temporary);
      write_weights(temporary);
      write_file_synced(temporary / "config.json", dump_json(merged_config(), 2) + "\n");
      copy_files(temporary);
      sync_path(temporary);
      fs::rename(temporary, out);
    } catch (const fs::filesystem_error& error) {
      remove(temporary);
      throw StorageError(cat("[lora.merge] must write ", out.string(), ", but got: ", error.what()));
    } catch (...) {
      remove(temporary);
      throw;
    }
    sync_path(parent);
    return report_;
  }

 private:
  static void remove(const fs::path& folder) {
    std::error_code code;
    fs::remove_all(folder, code);
  }

  const WeightChange* change_of(const std::string& name) const {
    const auto found = changes_.find(name);
    return found == changes_.end() ? nullptr : &found->second;
  }

  void plan() {
    for (const auto* view : source_.tensors()) {
      if (tied_.tied && view->name == kHead) continue;  // ignored by readers of a tied model
      if (is_companion(view->name)) continue;
      add(view->name, view);
    }
    if (tied_.comes_apart) {
      add(kHead, &source_.at(kEmbedding));
      report_.notes.emplace_back("head and embedding were one tensor and are two now (tie_word_embeddings false)");
    }
    for (const auto& [name, change] : changes_) {
      const bool planned = std::any_of(jobs_.begin(), jobs_.end(), [&](const Job& j) { return j.plan.name == name; });
      if (!planned && !(tied_.tied && name == kHead)) refuse_missing(name, base_.string());
    }
    if (quantised_)
      report_.notes.emplace_back(
          "the base was NF4: its dequantised values were merged and written in full precision; quantising the result "
          "again loses part of the adapter");
  }

  /// ".absmax" and the like, where what they belong to is an NF4 weight.
  bool is_companion(const std::string& name) const {
    if (!formats::is_nf4_companion(name)) return false;
    const size_t end = name.find(".weight.");
    return end != std::string::npos && source_.find(name.substr(0, end + 7)) != nullptr;
  }

  void add(const std::string& name, const formats::TensorView* view) {
    Job job;
    job.source = view;
    job.change = change_of(name);
    job.nf4 = formats::find_nf4(source_, view->name);
    quantised_ = quantised_ || job.nf4;
    job.plan = {name, view->dtype, job.nf4 ? job.nf4->shape : view->shape};
    if (job.nf4) job.plan.dtype = from_torch(job.nf4->dtype);
    if (options_.dtype && (job.nf4 || is_float(view->dtype))) {
      job.plan.dtype = *options_.dtype;
    } else if (job.change != nullptr && job.plan.dtype == DType::f64) {
      job.plan.dtype = DType::f32;
    } else if (job.change != nullptr && is_float(job.plan.dtype) && formats::dtype_bits(job.plan.dtype) == 8) {
      job.plan.dtype = DType::bf16;
    }
    if (!job.nf4 && job.plan.dtype != view->dtype && !options_.dtype)
      report_.retyped.push_back(
          cat(name, ": ", formats::dtype_name(view->dtype), " -> ", formats::dtype_name(job.plan.dtype)));
    jobs_.push_back(std::move(job));
  }

  void write_weights(const fs::path& folder) {
    std::vector<formats::TensorPlan> plans;
    for (const auto& job : jobs_)
      plans.push_back(job.plan);
    formats::ShardedSafetensors writer(folder, std::move(plans), options_.max_shard_bytes);
    const auto total = static_cast<int64_t>(jobs_.size());
    for (int64_t i = 0; i < total; ++i) {
      step(options_, i, total);
      write_tensor(writer, jobs_[static_cast<size_t>(i)]);
    }
    writer.finish();
    step(options_, total, total);
  }

  void write_tensor(formats::ShardedSafetensors& writer, const Job& job) {
    job.change != nullptr ? ++report_.changed : ++report_.copied;
    if (job.change == nullptr && !job.nf4 && job.plan.dtype == job.source->dtype) {
      writer.write(job.plan.name, job.source->bytes);
      return;
    }
    at::Tensor w = float_tensor(job.plan.shape);
    if (job.nf4) {
      formats::nf4_dequantize(*job.nf4, 0, values_of(w));
    } else {
      formats::copy_to_float(*job.source, values_of(w));
    }
    if (job.change != nullptr) (*job.change)(w);
    check_finite(w, job.plan.name, job.plan.dtype == DType::f16);
    w = w.contiguous();
    std::vector<std::byte> bytes(job.plan.bytes());
    formats::from_float(job.plan.dtype, values_of(w), bytes);
    writer.write(job.plan.name, bytes);
  }

  OrderedJson merged_config() const {
    OrderedJson config = config_;
    config.erase("quantization_config");
    if (tied_.comes_apart) config["tie_word_embeddings"] = false;
    std::string dtype;
    if (options_.dtype) dtype = torch_name(*options_.dtype);
    for (const auto& job : jobs_)
      if (dtype.empty() && job.nf4) dtype = torch_name(job.plan.dtype);
    if (dtype.empty()) return config;
    // transformers wrote torch_dtype up to version 4 and reads both.
    if (!config.contains("torch_dtype") && !config.contains("dtype")) config["torch_dtype"] = dtype;
    for (const char* key : {"torch_dtype", "dtype"})
      if (config.contains(key)) config[key] = dtype;
    return config;
  }

  void copy_files(const fs::path& folder) const {
    for (const char* name : kCopied) {
      if (!fs::is_regular_file(base_ / name)) continue;
      write_file_synced(folder / name, read_file(base_ / name));
    }
    if (fs::is_directory(base_ / "additional_chat_templates"))
      fs::copy(base_ / "additional_chat_templates", folder / "additional_chat_templates");
  }

  fs::path base_;
  const AdapterSet& adapter_;
  const MergeOptions& options_;
  formats::SafetensorsSet source_;
  std::map<std::string, WeightChange> changes_;
  OrderedJson config_;
  model::ModelConfig model_;
  TiedPlan tied_;
  std::vector<Job> jobs_;
  bool quantised_ = false;
  MergeReport report_;
};

}  // namespace

MergeReport merge_folder(const fs::path& base, const AdapterSet& adapter, const fs::path& out,
                         const MergeOptions& options) {
  return FolderMerge(base, adapter, options).run(out);
}

}  // namespace afina::lora
