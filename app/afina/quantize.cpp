// SPDX-License-Identifier: Apache-2.0
// `afina quantize`: any model as a GGUF file of one type, or as a folder in a float type or NF4.
#include <filesystem>

#include "app/afina/report.h"
#include "app/afina/verbs.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/progress.h"
#include "model/convert/to_gguf.h"
#include "model/convert/to_hf.h"

namespace afina::app {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string model, type, out;
  double max_shard_gb = 5;
  bool single_quant = false, json = false;
};

/// The folder under a temporary name, renamed when whole.
void write_folder(const model::WeightReader& from, const fs::path& out, const model::HfOptions& hf,
                  const model::ConvertOptions& convert) {
  const fs::path whole = fs::absolute(out.has_filename() ? out : out.parent_path());
  if (fs::exists(whole)) throw Conflict(cat("[--out] must be new, but ", out.string(), " exists."));
  const fs::path temporary = whole.string() + ".tmp-" + random_hex(6);
  try {
    model::write_hf_folder(from, temporary, hf, convert);
    fs::rename(temporary, whole);
  } catch (...) {
    std::error_code code;
    fs::remove_all(temporary, code);
    throw;
  }
}

int quantize(const Options& options, const std::stop_token& stop) {
  const model::WeightReader from(options.model);
  model::ConvertOptions convert;
  convert.stop = stop;
  std::unique_ptr<Progress> progress;
  convert.progress = [&](int64_t done, int64_t total) {
    if (!progress) progress = std::make_unique<Progress>("quantize", static_cast<double>(total), "tensors");
    progress->update(static_cast<double>(done));
  };
  const fs::path out = options.out;
  std::string type = options.type;
  if (out.extension() == ".gguf") {
    const auto ggml = formats::ggml_type_from_name(type);
    if (!ggml || !formats::can_quantize(*ggml))
      throw UsageError(
          cat("[--type] must be one of ", formats::quantizable_types(), " for a .gguf file, but is \"", type, "\"."),
          "write f16 and let llama-quantize make K-quants of it");
    if (fs::exists(out)) throw Conflict(cat("[--out] must be new, but ", out.string(), " exists."));
    model::write_gguf(from, out, *ggml, {}, convert);
  } else {
    for (char& c : type)
      c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    model::HfOptions hf;
    hf.max_shard_bytes = static_cast<uint64_t>(options.max_shard_gb * 1e9);
    hf.nf4 = type == "NF4";
    hf.nf4_double_quant = !options.single_quant;
    if (!hf.nf4) {
      hf.dtype = formats::dtype_from_name(type);
      if (!hf.dtype)
        throw UsageError(cat("[--type] must be nf4, f32, f16 or bf16 for a folder, but is \"", options.type, "\"."));
    }
    write_folder(from, out, hf, convert);
  }
  progress.reset();
  if (options.json) {
    print_json({{"out", options.out}, {"type", options.type}, {"tensors", from.weights().size()}});
  } else {
    print(cat("Wrote ", options.out, " (", options.type, ", ", from.weights().size(), " tensors).\n"));
  }
  return 0;
}

}  // namespace

void add_quantize(CLI::App& app, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb =
      app.add_subcommand("quantize", "Write a model as GGUF (--out FILE.gguf) or as a folder in another type");
  verb->add_option("--model", options->model, "GGUF file or Hugging Face folder")->required();
  verb->add_option("--type", options->type, ".gguf: f32, f16, bf16, q8_0, q4_0, …; folder: nf4, f32, f16, bf16")
      ->required();
  verb->add_option("--out", options->out, "New file ending in .gguf, or new folder")->required();
  verb->add_flag("--single-quant", options->single_quant, "nf4: scales in fp32 instead of 8 bits");
  verb->add_option("--max-shard-size", options->max_shard_gb, "Largest safetensors file, GB")
      ->check(CLI::Range(1e-6, 1e6))
      ->capture_default_str();
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback(
      [options, &context] { context.run = [options, &context] { return quantize(*options, context.stop); }; });
}

}  // namespace afina::app
