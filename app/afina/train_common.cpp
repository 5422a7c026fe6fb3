// SPDX-License-Identifier: Apache-2.0
#include "app/afina/train_common.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "app/afina/report.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/uuid.h"
#include "datasets/snapshot.h"
#include "finetune/config/metric_names.h"
#include "finetune/database_run.h"
#include "finetune/encoded_rows.h"
#include "finetune/train_job.h"
#include "model/threads.h"
#include "storage/adapters.h"
#include "text/text_stack.h"

namespace afina::app {
namespace {

namespace fs = std::filesystem;
using finetune::RunKind;

struct Arguments {
  RunKind kind = RunKind::sft;
  std::string model, data, snapshot, eval, start_adapter, out, config, name, base_model;
  std::vector<std::string> assignments;
  int threads = 0;
  bool resume = false, json = false;
};

/// A database where there is one, and what the run needs of it.
struct Storage {
  std::unique_ptr<storage::Database> database;  // null: --database none
  std::string snapshot_id, start_adapter_id;
};

Storage open_storage(const Arguments& arguments, const Context& context) {
  Storage out;
  const auto target = storage::database_target(context.database);
  if (target.kind != storage::DatabaseTarget::Kind::none) out.database = storage::Database::open(target);
  if (!out.database && !arguments.snapshot.empty()) {
    throw UsageError("[--snapshot] must come from a database, but --database is none.",
                     "--data FILE trains from a file");
  }
  return out;
}

/// Of a resumed run, what it began with; then --config and --set.
finetune::RunConfig read_config(const Arguments& arguments) {
  const fs::path record = fs::path(arguments.out) / "run.json";
  if (!arguments.resume || !arguments.config.empty() || !fs::exists(record)) {
    return finetune::read_run_config(arguments.kind, arguments.config, arguments.assignments);
  }
  finetune::RunConfig config = finetune::default_config(arguments.kind);
  const Json run = parse_json(read_file(record, size_t{1} << 24), record.string());
  if (run.is_object() && run.contains("config")) afina::read_config(config, run["config"], record.string());
  for (const auto& assignment : arguments.assignments)
    set_field_from_text(config, assignment, "--set");
  return config;
}

void read_snapshot(const Arguments& arguments, Storage& storage, finetune::TrainRequest& request) {
  const auto load = [&](auto loader) {
    auto train = loader("train");
    storage.snapshot_id = train.snapshot.id;
    request.source = "snapshot " + train.snapshot.name;
    if (train.withdrawn > 0) log_info("train", train.withdrawn, " rows left out: withdrawn since the snapshot");
    request.rows = std::move(train.rows);
    if (!arguments.eval.empty()) return;
    try {
      request.eval_rows = loader("eval").rows;
    } catch (const DataError&) {
      log_info("train", "the snapshot holds no held-out rows of this kind");
    }
  };
  storage::Database& database = *storage.database;
  if (arguments.kind == RunKind::sft) {
    load([&](const char* split) { return datasets::load_snapshot_sft(database, arguments.snapshot, split); });
  } else {
    load([&](const char* split) { return datasets::load_snapshot_pairs(database, arguments.snapshot, split); });
  }
}

/// A folder, or the name of a registered adapter.
fs::path find_start_adapter(const Arguments& arguments, Storage& storage) {
  if (arguments.start_adapter.empty()) return {};
  std::optional<storage::Adapter> adapter;
  if (storage.database) {
    adapter = storage.database->read(
        [&](storage::Transaction& t) { return storage::find_adapter(t, arguments.start_adapter); });
  }
  if (adapter) {
    storage.start_adapter_id = adapter->id;
    return adapter->path;
  }
  if (fs::is_directory(arguments.start_adapter)) return arguments.start_adapter;
  throw NotFound(cat("[--start-adapter] must be a PEFT folder or a registered adapter, but got \"",
                     arguments.start_adapter, "\"."));
}

finetune::TrainRequest make_request(const Arguments& arguments, Storage& storage) {
  finetune::TrainRequest request;
  request.kind = arguments.kind;
  request.config = read_config(arguments);
  finetune::validate(arguments.kind, request.config);
  request.model = arguments.model;
  request.start_adapter = find_start_adapter(arguments, storage);
  request.out = arguments.out;
  request.resume = arguments.resume;
  request.run_id = new_uuid();
  request.base_model = arguments.base_model;
  finetune::check_run_folder(request.out, request.resume);
  if (!arguments.snapshot.empty()) {
    read_snapshot(arguments, storage, request);
  } else {
    request.rows = finetune::read_rows(arguments.kind, arguments.data);
    request.source = fs::path(arguments.data).filename().string();
  }
  if (!arguments.eval.empty()) request.eval_rows = finetune::read_rows(arguments.kind, arguments.eval);
  return request;
}

std::string adapter_name(const Arguments& arguments, const std::string& run_id) {
  if (!arguments.name.empty()) return arguments.name;
  return cat(finetune::to_string(arguments.kind), "-",
             fs::absolute(arguments.out).lexically_normal().filename().string(), "-", run_id.substr(run_id.size() - 6));
}

/// Hours of training must not end in "this name is taken".
void require_free_name(const Storage& storage, const std::string& name, const std::string& run_id) {
  if (!storage.database) return;
  const auto taken = storage.database->read([&](storage::Transaction& t) { return storage::find_adapter(t, name); });
  if (taken && taken->run_id != run_id) {
    throw Conflict(cat("[--name] must be new, but an adapter \"", name, "\" is registered already."));
  }
}

storage::Run run_row(const Arguments& arguments, const Storage& storage, const finetune::TrainJob& job,
                     const std::string& name) {
  storage::Run run;
  run.id = job.run_id();
  run.name = name;
  run.kind = arguments.kind == RunKind::sft ? storage::RunKind::sft : storage::RunKind::dpo;
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

void register_adapter(const Arguments& arguments, const Storage& storage, const finetune::TrainJob& job,
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

void print_report(const Arguments& arguments, const Storage& storage, const finetune::TrainJob& job,
                  const finetune::TrainReport& report, const std::string& name) {
  const auto& outcome = report.outcome;
  OrderedJson json = {{"run_id", job.run_id()},
                      {"steps", outcome.steps},
                      {"examples", outcome.examples_seen},
                      {"num_tokens", outcome.num_tokens},
                      {"seconds", outcome.seconds},
                      {"adapter", report.adapter.string()},
                      {"adapter_sha256", report.adapter_sha256},
                      {"metrics", (job.out() / "metrics.jsonl").string()}};
  if (storage.database) json["name"] = name;
  for (const auto& [key, value] : outcome.last.values)
    json["last"][key] = value;
  if (arguments.json) return print_json(json);
  std::string text = cat("Trained ", outcome.steps, " steps on ", outcome.examples_seen, " examples in ",
                         short_number(outcome.seconds), " s.\n");
  for (const char* metric :
       {finetune::metric::kLoss, finetune::metric::kRewardsMargins, finetune::metric::kRewardsAccuracies, "eval_loss",
        "eval_rewards/margins", "eval_rewards/accuracies"}) {
    const double* value = outcome.last.find(metric);
    if (value != nullptr) text += cat("  ", metric, " ", short_number(*value), "\n");
  }
  text += cat("Metrics: ", (job.out() / "metrics.jsonl").string(), "\n");
  text += cat("Adapter: ", report.adapter.string(), " (PEFT, SHA-256 ", report.adapter_sha256.substr(0, 12), ")\n");
  if (storage.database) text += cat("Registered as \"", name, "\" in ", storage.database->describe(), ".\n");
  print(text);
}

/// Whatever the training threw is told to the database, which must not hide it.
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

/// Before a database is opened or started: a misspelt path must leave nothing behind.
void require_files(const Arguments& arguments) {
  for (const auto& [option, path] : {std::pair<const char*, const std::string&>{"--model", arguments.model},
                                     {"--data", arguments.data},
                                     {"--eval", arguments.eval},
                                     {"--config", arguments.config}}) {
    if (!path.empty() && !std::filesystem::exists(path)) {
      throw NotFound(cat("[", to_string(arguments.kind), "] ", option, " must name something that exists, but got \"",
                         path, "\"."));
    }
  }
}

/// Render, tokenise, mask, stop: the round trip of a short chat, before any weight is loaded.
void check_text(const finetune::TrainRequest& request) {
  if (!finetune::has_text(request.rows)) return;
  const text::TextStack stack = text::load_text_stack(request.model);
  if (stack.chat_template == nullptr) return;  // plain text needs none; rows of messages are refused when encoded
  for (const std::string& finding : text::check_template(stack))
    log_warning("template", finding);
  const auto* rows = std::get_if<std::vector<datasets::SftRow>>(&request.rows);
  const auto is_chat = [](const auto& row) { return std::holds_alternative<datasets::ChatForm>(row.form); };
  if (rows != nullptr && std::any_of(rows->begin(), rows->end(), is_chat) && !text::masks_answers(stack)) {
    throw ModelError(cat("[", request.model,
                         "] must have a chat template that shows which tokens to train, but a short chat gets none"),
                     "give a chat_template.jinja with {% generation %} blocks");
  }
}

int train(const Arguments& arguments, const Context& context) {
  require_files(arguments);
  model::tune_process(arguments.threads);
  Storage storage = open_storage(arguments, context);
  finetune::TrainRequest request = make_request(arguments, storage);
  check_text(request);
  finetune::TrainJob job(std::move(request));
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
  print_report(arguments, storage, job, report, name);
  return 0;
}

}  // namespace

void add_train_verb(CLI::App& app, Context& context, RunKind kind, const std::string& description) {
  const auto arguments = std::make_shared<Arguments>();
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
  verb->footer("Keys of --config and --set, with their defaults:\n" + config_help(finetune::default_config(kind)));
  verb->callback([&context, arguments] { context.run = [&context, arguments] { return train(*arguments, context); }; });
}

}  // namespace afina::app
