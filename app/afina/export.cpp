// SPDX-License-Identifier: Apache-2.0
// `afina export`: publish an adapter or merged weights, proven before they appear.
#include "evaluation/export.h"

#include "app/afina/report.h"
#include "app/afina/verbs.h"
#include "base/error.h"
#include "base/progress.h"
#include "model/threads.h"

namespace afina::app {
namespace {

struct Options {
  std::string format = "peft";
  std::string model, adapter, out, run, prompts;
  std::vector<std::string> licence_files;
  evaluation::ExportRequest request;
  int threads = 0;
  bool json = false;
};

void print_report(const Options& options, const evaluation::ExportReport& report) {
  const evaluation::GateReport& gate = report.gate;
  if (options.json)
    return print_json({{"out", report.out.string()},
                       {"name", report.name},
                       {"files", report.files},
                       {"notes", report.notes},
                       {"gate", gate.json()}});
  std::string text = options.request.dry_run ? std::string("Proven, nothing kept (--dry-run)\n")
                                             : cat("Published ", report.name, " in ", report.out.string(), "\n");
  Table files({"file"});
  for (const std::string& file : report.files)
    files.add({file});
  text += files.text();
  text += cat("Gate: largest difference of a logit ", short_number(gate.max_logit_difference), ", divergence ",
              short_number(gate.mean_divergence), " nats a token (the adapter changes ", short_number(gate.effect),
              "), same likeliest token ", short_number(100 * gate.top1_agreement), " %\n");
  for (const std::string& note : report.notes)
    text += cat("Note: ", note, "\n");
  print(text);
}

int run_export(Options& options, const std::stop_token& stop) {
  model::tune_process(options.threads);
  evaluation::ExportRequest& request = options.request;
  if (!evaluation::from_string(options.format, request.format))
    throw UsageError(cat("[--format] must be peft, hf, gguf or gguf-adapter, but is \"", options.format, "\"."));
  request.base = options.model;
  request.adapter = options.adapter;
  request.out = options.out;
  request.run = options.run;
  request.prompts = options.prompts;
  request.licence_files.assign(options.licence_files.begin(), options.licence_files.end());
  request.stop = stop;
  std::unique_ptr<Progress> progress;
  std::string shown;
  request.progress = [&](const std::string& what, int64_t done, int64_t total) {
    if (what != shown) {
      progress.reset();
      progress = std::make_unique<Progress>(what, static_cast<double>(total), "tensors");
      shown = what;
    }
    progress->update(static_cast<double>(done));
  };
  const evaluation::ExportReport report = evaluation::export_model(request);
  progress.reset();
  print_report(options, report);
  return 0;
}

}  // namespace

void add_export(CLI::App& app, Context& context) {
  const auto options = std::make_shared<Options>();
  evaluation::ExportRequest& request = options->request;
  CLI::App* verb = app.add_subcommand(
      "export", "Publish an adapter or merged weights with a model card, after proving that they compute the same");
  verb->add_option("--model", options->model, "Base: GGUF file or Hugging Face folder")->required();
  verb->add_option("--adapter", options->adapter,
                   "PEFT folder or GGUF adapter; without one, hf and gguf convert the base");
  verb->add_option("--format", options->format, "peft, hf (merged folder), gguf (merged file) or gguf-adapter")
      ->capture_default_str();
  verb->add_option("--type", request.type,
                   "f32, f16, bf16; of gguf also q8_0, q4_0, … (default: peft f32, hf as the base, gguf f16)");
  verb->add_option("--out", options->out, "New folder")->required();
  verb->add_option("--name", request.name, "Of what is published (default: the adapter's or run's folder)");
  verb->add_option("--base-model", request.base_model, "Public id of the base, for the card and adapter_config.json");
  verb->add_option("--license", request.license,
                   "Licence of the base, such as apache-2.0 or llama3.1 (default: found in it)");
  verb->add_option("--license-file", options->licence_files, "A copy of the agreement to go along; may be repeated")
      ->allow_extra_args(false);
  verb->add_option("--language", request.languages, "Language codes for the card, separated by commas")->delimiter(',');
  verb->add_option("--run", options->run, "Run folder, for data and evaluation (default: the adapter's parent)");
  verb->add_option("--prompts", options->prompts,
                   "JSONL of {\"messages\"} or {\"ids\"} to compare on (default: stored ones)");
  verb->add_flag("--dry-run", request.dry_run, "Write, prove, remove");
  verb->add_option("--threads", options->threads, "Compute threads; 0 = all physical cores")->capture_default_str();
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback(
      [options, &context] { context.run = [options, &context] { return run_export(*options, context.stop); }; });
}

}  // namespace afina::app
