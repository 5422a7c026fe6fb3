// SPDX-License-Identifier: Apache-2.0
// `afina runs list|show|tail`: training runs and their metrics, as the database has them.
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>

#include "app/afina/report.h"
#include "base/clock.h"
#include "base/error.h"
#include "storage/runs.h"

namespace afina::app {
namespace {

struct Options {
  std::string which;
  int64_t limit = 50, steps = 20;
  bool json = false, follow = false;
};

// What a person looks at first; the rest is in --json.
const std::vector<std::string> kColumns{"loss",
                                        "grad_norm",
                                        "learning_rate",
                                        "rewards/margins",
                                        "rewards/accuracies",
                                        "eval_loss",
                                        "eval_rewards/margins",
                                        "tokens_per_second"};

OrderedJson to_json(const storage::Run& run) {
  const auto time = [](const std::optional<storage::Time>& value) {
    return value ? OrderedJson(iso8601_utc(*value)) : OrderedJson(nullptr);
  };
  return {{"id", run.id},
          {"name", run.name},
          {"kind", storage::to_string(run.kind)},
          {"state", storage::to_string(run.state)},
          {"step", run.step},
          {"max_steps", run.max_steps},
          {"attempt", run.attempt},
          {"model", run.model},
          {"base_sha256", run.base_sha256},
          {"snapshot_id", run.snapshot_id},
          {"data_path", run.data_path},
          {"data_sha256", run.data_sha256},
          {"start_adapter_id", run.start_adapter_id},
          {"config_sha256", run.config_sha256},
          {"seed", run.seed},
          {"out_folder", run.out_folder},
          {"host", run.host},
          {"version", run.version},
          {"error", run.error},
          {"created_at", iso8601_utc(run.created_at)},
          {"started_at", time(run.started_at)},
          {"heartbeat_at", time(run.heartbeat_at)},
          {"finished_at", time(run.finished_at)},
          {"config", run.config}};
}

std::string progress_of(const storage::Run& run) {
  return run.max_steps > 0 ? cat(run.step, "/", run.max_steps) : std::to_string(run.step);
}

int list(const Context& context, const Options& options) {
  const auto runs =
      open_database(context)->read([&](storage::Transaction& t) { return storage::list_runs(t, options.limit); });
  if (options.json) {
    OrderedJson all = OrderedJson::array();
    for (const storage::Run& run : runs)
      all.push_back(to_json(run));
    print_json(all, 2);
    return 0;
  }
  Table table({"name", "kind", "state", "step", "created (UTC)", "model", "id"});
  for (const storage::Run& run : runs) {
    table.add({run.name, std::string(storage::to_string(run.kind)), std::string(storage::to_string(run.state)),
               progress_of(run), short_time(run.created_at), run.model, run.id});
  }
  print(runs.empty() ? "No runs yet: afina sft and afina dpo start one.\n" : table.text());
  return 0;
}

int show(const Context& context, const Options& options) {
  const auto database = open_database(context);
  std::vector<storage::Metric> metrics;
  const auto run = database->read([&](storage::Transaction& t) {
    auto found = storage::get_run(t, options.which);
    metrics = storage::latest_metrics(t, found.id, kColumns);
    return found;
  });
  OrderedJson json = to_json(run);
  json["latest"] = OrderedJson::object();
  for (const storage::Metric& metric : metrics)
    json["latest"][metric.name] = {{"step", metric.step}, {"value", metric.value}};
  if (options.json) {
    print_json(json, 2);
    return 0;
  }
  Table table({"run", run.name});
  for (const auto& [name, value] : json.items()) {
    if (name == "name" || name == "latest" || value.is_null() || value == "") continue;
    table.add({name, value.is_string() ? value.get<std::string>() : dump_json(value)});
  }
  for (const storage::Metric& metric : metrics)
    table.add({metric.name, cat(short_number(metric.value), " (step ", metric.step, ")")});
  print(table.text());
  return 0;
}

std::string step_line(int64_t step, const std::map<std::string, double>& values) {
  std::string line = cat("step ", step);
  for (const std::string& column : kColumns) {
    const auto found = values.find(column);
    if (found != values.end()) line += cat("  ", column, " ", short_number(found->second));
  }
  return line + "\n";
}

// Metrics grouped by step, ascending.
std::map<int64_t, std::map<std::string, double>> by_step(const std::vector<storage::Metric>& metrics) {
  std::map<int64_t, std::map<std::string, double>> steps;
  for (const storage::Metric& metric : metrics)
    steps[metric.step][metric.name] = metric.value;
  return steps;
}

void print_steps(const std::map<int64_t, std::map<std::string, double>>& steps, size_t skip, bool json) {
  for (const auto& [step, values] : steps) {
    if (skip > 0) {
      --skip;
      continue;
    }
    if (json) {
      OrderedJson line{{"step", step}};
      for (const auto& [name, value] : values)
        line[name] = value;
      print_json(line);
    } else {
      print(step_line(step, values));
    }
  }
}

int tail(const Context& context, const Options& options) {
  if (options.steps < 0)
    throw UsageError(cat("[runs tail] must have --steps of 0 or more, but got ", options.steps, "."));
  const auto database = open_database(context);
  int64_t after = -1;
  for (bool first = true;; first = false) {
    storage::RunState state{};
    const auto steps = by_step(database->read([&](storage::Transaction& t) {
      const auto run = storage::get_run(t, options.which);
      state = run.state;
      return storage::metrics_since(t, run.id, after);
    }));
    const auto shown = static_cast<size_t>(options.steps);
    print_steps(steps, first && steps.size() > shown ? steps.size() - shown : 0, options.json);
    if (!steps.empty()) after = steps.rbegin()->first;
    const bool ended = state != storage::RunState::queued && state != storage::RunState::running;
    if (!options.follow || ended) return 0;
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any woken;
    woken.wait_for(lock, context.stop, std::chrono::seconds(1), [] { return false; });
    if (context.stop.stop_requested()) return exit_code(ErrorKind::cancelled);
  }
}

}  // namespace

void add_runs(CLI::App& app, Context& context) {
  const auto options = std::make_shared<Options>();
  auto* verb = app.add_subcommand("runs", "Training runs and their metrics");
  verb->require_subcommand(1);
  auto* list_verb = verb->add_subcommand("list", "Newest runs");
  list_verb->add_option("--limit", options->limit, "How many")->capture_default_str()->check(CLI::Range(1, 100000));
  list_verb->add_flag("--json", options->json, "JSON on stdout");
  list_verb->callback([&context, options] { context.run = [&context, options] { return list(context, *options); }; });
  auto* show_verb = verb->add_subcommand("show", "One run: config, data, state, newest metrics");
  show_verb->add_option("run", options->which, "Name or id")->required();
  show_verb->add_flag("--json", options->json, "JSON on stdout");
  show_verb->callback([&context, options] { context.run = [&context, options] { return show(context, *options); }; });
  auto* tail_verb = verb->add_subcommand("tail", "Metrics of the last steps");
  tail_verb->add_option("run", options->which, "Name or id")->required();
  tail_verb->add_option("--steps", options->steps, "How many steps back")->capture_default_str();
  tail_verb->add_flag("-f,--follow", options->follow, "Go on until the run ends");
  tail_verb->add_flag("--json", options->json, "One JSON object a step on stdout");
  tail_verb->callback([&context, options] { context.run = [&context, options] { return tail(context, *options); }; });
}

}  // namespace afina::app
