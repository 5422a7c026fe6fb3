// SPDX-License-Identifier: Apache-2.0
#include "app/afina/train_records.h"

#include "app/afina/report.h"
#include "base/error.h"
#include "base/log.h"
#include "finetune/config/metric_names.h"
#include "storage/adapters.h"

namespace afina::app {

namespace fs = std::filesystem;

std::string adapter_name(const TrainArguments& arguments, const std::string& run_id) {
  if (!arguments.name.empty()) return arguments.name;
  return cat(finetune::to_string(arguments.kind), "-",
             fs::absolute(arguments.out).lexically_normal().filename().string(), "-", run_id.substr(run_id.size() - 6));
}

void require_free_name(const TrainStorage& storage, const std::string& name, const std::string& run_id) {
  if (!storage.database) return;
  const auto taken = storage.database->read([&](storage::Transaction& t) { return storage::find_adapter(t, name); });
  if (taken && taken->run_id != run_id) {
    throw Conflict(cat("[--name] must be new, but an adapter \"", name, "\" is registered already."));
  }
}

storage::Run run_row(const TrainArguments& arguments, const TrainStorage& storage, const finetune::TrainJob& job,
                     const std::string& name) {
  storage::Run run;
  run.id = job.run_id();
  run.name = name;
  AFINA_CHECK(storage::from_string(finetune::to_string(arguments.kind), run.kind), "the database knows every kind");
  run.config = config_json(job.config());
  run.config_sha256 = job.identity().config_hash;
  run.model = arguments.model;
  run.base_sha256 = job.identity().model_hash;
  run.snapshot_id = storage.snapshot_id;
  run.data_path = arguments.snapshot.empty() ? arguments.data : "snapshot";
  run.data_sha256 = job.identity().data_hash;
  run.start_adapter_id = storage.start_adapter_id;
  run.seed = job.config().seed;
  run.max_steps = std::max<int64_t>(0, job.config().max_steps);
  run.out_folder = fs::absolute(arguments.out).lexically_normal().string();
  return run;
}

void register_adapter(const TrainArguments& arguments, const TrainStorage& storage, finetune::TrainJob& job,
                      const finetune::TrainReport& report, const std::string& name) {
  storage::Adapter adapter;
  adapter.name = name;
  adapter.run_id = job.run_id();
  adapter.path = fs::absolute(report.adapter).lexically_normal().string();
  adapter.sha256 = report.adapter_sha256;
  adapter.base_model =
      arguments.base_model.empty() ? fs::path(arguments.model).filename().string() : arguments.base_model;
  adapter.base_sha256 = job.identity().model_hash;
  adapter.parent_id = storage.start_adapter_id;
  adapter.r = job.config().r;
  adapter.lora_alpha = job.config().lora_alpha;
  adapter.target_modules = job.config().target_modules;
  adapter.template_sha256 = job.template_sha256();
  storage.database->transaction([&](storage::Transaction& t) { storage::register_adapter(t, adapter); });
}

void record_failure(finetune::DatabaseRun* run, const std::exception& error) {
  if (run == nullptr) return;
  const auto* ours = dynamic_cast<const Error*>(&error);
  const bool cancelled = ours != nullptr && ours->kind() == ErrorKind::cancelled;
  try {
    run->finish(cancelled ? storage::RunState::cancelled : storage::RunState::failed, cancelled ? "" : error.what());
  } catch (const std::exception& second) {
    log_warning("train", "the run's end is not recorded: ", second.what());
  }
}

namespace {

/// "memory 3.10 GB planned, 3.02 GB measured at the peak (+3 %)".
std::string memory_line(const finetune::TrainReport& report) {
  const auto planned = static_cast<double>(report.memory.bytes.total());
  const auto measured = static_cast<double>(report.outcome.peak_memory_bytes);
  if (measured <= 0) return cat("memory ", short_number(1e-9 * planned), " GB planned");
  return cat("memory ", short_number(1e-9 * planned), " GB planned, ", short_number(1e-9 * measured),
             " GB measured at the peak");
}

OrderedJson report_json(const finetune::TrainJob& job, const finetune::TrainReport& report, double first_step_after_s) {
  const auto& outcome = report.outcome;
  OrderedJson json = {{"run_id", job.run_id()},
                      {"steps", outcome.steps},
                      {"examples", outcome.examples_seen},
                      {"num_tokens", outcome.num_tokens},
                      {"seconds", outcome.seconds},
                      {"first_step_after_s", first_step_after_s},
                      {"adapter", report.adapter.string()},
                      {"adapter_sha256", report.adapter_sha256},
                      {"metrics", (job.out() / "metrics.jsonl").string()},
                      {"reference_cached", report.reference.cached},
                      {"reference_computed", report.reference.computed},
                      {"planned_memory_bytes", report.memory.bytes.total()},
                      {"peak_memory_bytes", outcome.peak_memory_bytes},
                      {"stopped_early", outcome.stopped_early}};
  if (outcome.best_step >= 0) {
    json["best_step"] = outcome.best_step;
    json["best_value"] = outcome.best_value;
  }
  for (const auto& verdict : outcome.verdicts)
    json["verdicts"].push_back(verdict.sentence);
  for (const auto& [key, value] : outcome.last.values)
    json["last"][key] = value;
  return json;
}

}  // namespace

void print_train_report(const TrainArguments& arguments, const TrainStorage& storage, const finetune::TrainJob& job,
                        const finetune::TrainReport& report, const std::string& name, double first_step_after_s) {
  const auto& outcome = report.outcome;
  if (arguments.json) {
    OrderedJson json = report_json(job, report, first_step_after_s);
    if (storage.database) json["name"] = name;
    return print_json(json);
  }
  std::string text = cat("Trained ", outcome.steps, " steps on ", outcome.examples_seen, " examples in ",
                         short_number(outcome.seconds), " s; ", memory_line(report), ".\n");
  if (report.reference.cached + report.reference.computed > 0)
    text += cat("Reference values: ", report.reference.cached, " from the cache, ", report.reference.computed,
                " computed.\n");
  if (outcome.stopped_early) text += cat("Stopped early: no better evaluation since step ", outcome.best_step, ".\n");
  for (const auto& [metric, value] : outcome.last.values)
    if (metric == finetune::metric::kLoss || metric == finetune::metric::kRewardsMargins ||
        metric == finetune::metric::kRewardsAccuracies || metric.ends_with("_loss") ||
        (metric.starts_with("eval_") && (metric.ends_with("margins") || metric.ends_with("accuracies"))))
      text += cat("  ", metric, " ", short_number(value), "\n");
  for (const auto& verdict : outcome.verdicts)
    text += cat("  ! ", verdict.sentence, " ", verdict.advice, "\n");
  text += cat("Metrics: ", (job.out() / "metrics.jsonl").string(), "\n");
  text += cat("Adapter: ", report.adapter.string(), " (PEFT, SHA-256 ", report.adapter_sha256.substr(0, 12), ")\n");
  if (storage.database) text += cat("Registered as \"", name, "\" in ", storage.database->describe(), ".\n");
  print(text);
}

}  // namespace afina::app
