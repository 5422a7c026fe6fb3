// SPDX-License-Identifier: Apache-2.0
// `afina sft`, `dpo`, `kto`, `cpo`, `orpo`, `bco` and `reward`: an adapter from rows of a file or a snapshot. One verb
// a kind of run, all with the same options; what differs are the rows and the keys.
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "app/afina/train_records.h"
#include "app/afina/train_request.h"
#include "base/error.h"
#include "base/log.h"
#include "model/threads.h"

namespace afina::app {
namespace {

using finetune::RunKind;

constexpr std::pair<RunKind, const char*> kVerbs[] = {
    {RunKind::sft, "Train an adapter on answers to imitate, or on raw text (SFT)"},
    {RunKind::dpo,
     "Train an adapter on pairs of answers and what people said of them, or on rankings (DPO and its kin)"},
    {RunKind::kto, "Train an adapter on single answers that people liked or not (KTO)"},
    {RunKind::bco, "Train an adapter on single answers that people liked or not (BCO)"},
    {RunKind::cpo, "Train an adapter on pairs without a reference model (CPO, SimPO)"},
    {RunKind::orpo, "Train an adapter on pairs in one stage, without a reference model (ORPO)"},
    {RunKind::reward, "Train a reward model, which scores answers, on pairs"},
};

TrainStorage open_storage(const TrainArguments& arguments, const Context& context) {
  TrainStorage out;
  const auto target = storage::database_target(context.database);
  if (target.kind != storage::DatabaseTarget::Kind::none) out.database = storage::Database::open(target);
  if (!out.database && !arguments.snapshot.empty()) {
    throw UsageError("[--snapshot] must come from a database, but --database is none.",
                     "--data FILE trains from a file");
  }
  return out;
}

/// Since this process was started, restarts of the program within it included.
double seconds_since_start() {
  std::ifstream stat("/proc/self/stat"), uptime("/proc/uptime");
  std::string line((std::istreambuf_iterator<char>(stat)), std::istreambuf_iterator<char>());
  double up = 0.0;
  uptime >> up;
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0.0;
  std::istringstream fields(line.substr(name_end + 2));
  std::string field;
  for (int i = 0; i < 20; ++i)
    fields >> field;
  return up - std::atof(field.c_str()) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

/// Notes when the first step begins.
class FirstStep final : public finetune::RunSink {
 public:
  explicit FirstStep(double& after_s) : after_s_(after_s) {}
  void begin(int64_t, int64_t) override { after_s_ = seconds_since_start(); }
  void examples(int64_t, const std::vector<finetune::ExampleLoss>&) override {}
  void record(const finetune::StepRecord&) override {}
  void flush(int64_t) override {}

 private:
  double& after_s_;
};

int train(const TrainArguments& arguments, const Context& context) {
  require_files(arguments);
  model::tune_process(arguments.threads);
  TrainStorage storage = open_storage(arguments, context);
  finetune::TrainJob job(make_train_request(arguments, storage));
  const std::string name = adapter_name(arguments, job.run_id());
  require_free_name(storage, name, job.run_id());
  std::unique_ptr<finetune::DatabaseRun> run;
  std::unique_ptr<finetune::DatabaseReferenceCache> cache;
  if (storage.database) {
    run = std::make_unique<finetune::DatabaseRun>(*storage.database, run_row(arguments, storage, job, name), job.rows(),
                                                  job.eval_rows());
    cache = std::make_unique<finetune::DatabaseReferenceCache>(*storage.database);
    job.set_reference_cache(cache.get());
    job.add_sink(run->make_sink());
  }
  double first_step_after_s = 0.0;
  job.add_sink(std::make_unique<FirstStep>(first_step_after_s));
  finetune::TrainReport report;
  try {
    report = job.run(context.stop);
  } catch (const std::exception& error) {
    record_failure(run.get(), error);
    throw;
  }
  if (storage.database) {
    register_adapter(arguments, storage, job, report, name);
    run->finish(storage::RunState::finished);
  }
  print_train_report(arguments, storage, job, report, name, first_step_after_s);
  return 0;
}

void add_verb(CLI::App& app, Context& context, RunKind kind, const char* description) {
  const auto arguments = std::make_shared<TrainArguments>();
  arguments->kind = kind;
  auto* verb = app.add_subcommand(std::string(finetune::to_string(kind)), description);
  verb->add_option("--model", arguments->model, "GGUF file or Hugging Face folder")->required();
  auto* source = verb->add_option_group("data");
  source->add_option("--data", arguments->data, "JSONL file in one of TRL's forms, or in ids");
  source->add_option("--snapshot", arguments->snapshot, "Snapshot of the database, by name or id");
  source->require_option(1);
  verb->add_option("--eval", arguments->eval, "JSONL file of held-out rows (default: the snapshot's)");
  verb->add_option("--start-adapter", arguments->start_adapter, "PEFT folder or registered adapter to go on from");
  verb->add_option("--out", arguments->out, "New folder for records, checkpoints and the adapter")->required();
  verb->add_option("--config", arguments->config, "JSON file with the keys below; // comments are allowed");
  verb->add_option("--set", arguments->assignments, "key=value over the file; may be repeated")
      ->allow_extra_args(false);
  verb->add_flag("--resume", arguments->resume, "Go on with the run in --out from its newest checkpoint");
  verb->add_option("--name", arguments->name, "Of the run and of the adapter in the database");
  verb->add_option("--base-model", arguments->base_model, "Public id of the base model, for the adapter's config");
  verb->add_option("--threads", arguments->threads, "Compute threads; 0 = all physical cores")->capture_default_str();
  verb->add_flag("--json", arguments->json, "The last lines as one JSON object");
  verb->footer("Keys of --config and --set, with their defaults:\n" + finetune::config_help_of(kind));
  verb->callback([&context, arguments] { context.run = [&context, arguments] { return train(*arguments, context); }; });
}

}  // namespace

void add_training(CLI::App& app, Context& context) {
  for (const auto& [kind, description] : kVerbs)
    add_verb(app, context, kind, description);
}

}  // namespace afina::app
