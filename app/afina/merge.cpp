// SPDX-License-Identifier: Apache-2.0
// `afina merge`: an adapter into its base. `afina export` proves the result; this verb only writes it.
#include "lora/merge.h"

#include "app/afina/model_input.h"
#include "app/afina/report.h"
#include "app/afina/verbs.h"
#include "base/error.h"
#include "base/progress.h"
#include "model/convert/weight_reader.h"
#include "model/threads.h"

namespace afina::app {
namespace {

struct Options {
  std::string model, adapter, out, type;
  double max_shard_gb = 5;
  int threads = 0;
  bool json = false;
};

lora::MergeOptions merge_options(const Options& options, bool gguf) {
  lora::MergeOptions merge;
  merge.max_shard_bytes = static_cast<uint64_t>(options.max_shard_gb * 1e9);
  if (options.type.empty()) return merge;
  std::string word = options.type;
  if (gguf) {
    merge.gguf_type = formats::ggml_type_from_name(word);
    if (!merge.gguf_type || !formats::can_quantize(*merge.gguf_type))
      throw UsageError(cat("[--type] must be one of ", formats::quantizable_types(), ", but is \"", word, "\"."));
    return merge;
  }
  for (char& c : word)
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  merge.dtype = formats::dtype_from_name(word);
  using formats::DType;
  if (!merge.dtype || (*merge.dtype != DType::f32 && *merge.dtype != DType::f16 && *merge.dtype != DType::bf16))
    throw UsageError(cat("[--type] must be f32, f16 or bf16 for a folder, but is \"", options.type, "\"."));
  return merge;
}

int merge(const Options& options, const std::stop_token& stop) {
  model::tune_process(options.threads);
  const bool gguf = !std::filesystem::is_directory(options.model);
  lora::MergeOptions merge = merge_options(options, gguf);
  merge.stop = stop;
  std::unique_ptr<Progress> progress;
  merge.progress = [&](int64_t done, int64_t total) {
    if (!progress) progress = std::make_unique<Progress>("merge", static_cast<double>(total), "tensors");
    progress->update(static_cast<double>(done));
  };
  const auto adapter = read_adapter(options.adapter, model::WeightReader(options.model).config());
  const lora::MergeReport report = lora::merge_adapter(options.model, *adapter, options.out, merge);
  progress.reset();
  if (options.json) {
    print_json({{"out", options.out},
                {"changed", report.changed},
                {"copied", report.copied},
                {"retyped", report.retyped},
                {"notes", report.notes}});
    return 0;
  }
  std::string text =
      cat("Merged into ", options.out, ": ", report.changed, " tensors changed, ", report.copied, " copied.\n");
  for (const std::string& line : report.retyped)
    text += cat("  ", line, "\n");
  for (const std::string& line : report.notes)
    text += cat("  ", line, "\n");
  print(text);
  return 0;
}

}  // namespace

void add_merge(CLI::App& app, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("merge", "Merge an adapter into its base: folder to folder, GGUF to GGUF");
  verb->add_option("--model", options->model, "Base: GGUF file or Hugging Face folder")->required();
  verb->add_option("--adapter", options->adapter, "PEFT folder or GGUF adapter")->required();
  verb->add_option("--out", options->out, "New folder, or new .gguf file")->required();
  verb->add_option(
      "--type", options->type,
      "Folder: f32, f16 or bf16 for all tensors (default: each as it is). GGUF: type of the changed tensors "
      "(default: their own where it can be written, else q8_0)");
  verb->add_option("--max-shard-size", options->max_shard_gb, "Largest safetensors file, GB")
      ->check(CLI::Range(1e-6, 1e6))
      ->capture_default_str();
  verb->add_option("--threads", options->threads, "Compute threads; 0 = all physical cores")->capture_default_str();
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([options, &context] { context.run = [options, &context] { return merge(*options, context.stop); }; });
}

}  // namespace afina::app
