// SPDX-License-Identifier: Apache-2.0
// `afina snapshot create|list|show|export`: freeze the judgements that may be used, look at them, take them elsewhere.
#include "datasets/snapshot.h"

#include <charconv>
#include <map>

#include "app/afina/report.h"
#include "base/clock.h"
#include "base/error.h"
#include "storage/quality/reliability.h"

namespace afina::app {
namespace {

struct Options {
  datasets::SnapshotSpec spec;
  std::vector<std::string> sources;
  bool include_revealed = false, json = false;
  std::string reliability = "none", cap = "auto", near_duplicates = "together", triggers = "refuse", outliers = "allow";
  std::string which, parent, workspace;
  std::filesystem::path out;
};

OrderedJson to_json(const storage::Snapshot& snapshot) {
  return {{"id", snapshot.id},
          {"name", snapshot.name},
          {"sha256", snapshot.sha256},
          {"created_at", iso8601_utc(snapshot.created_at)},
          {"members", snapshot.members},
          {"train_members", snapshot.train_members},
          {"parent_id", snapshot.parent_id},
          {"isolation", snapshot.isolation},
          {"spec", snapshot.spec},
          {"counts", snapshot.counts}};
}

void print_snapshot(const storage::Snapshot& snapshot, bool json) {
  if (json) return print_json(to_json(snapshot), 2);
  Table head({"snapshot", snapshot.name});
  head.add({"id", snapshot.id});
  head.add({"sha256", snapshot.sha256});
  head.add({"created", short_time(snapshot.created_at) + " UTC"});
  head.add({"members", cat(snapshot.members, ", ", snapshot.train_members, " to train on")});
  head.add({"spec", dump_json(snapshot.spec)});
  for (const auto& [name, value] : snapshot.counts.items()) {
    if (name != "members") head.add({name, dump_json(value)});
  }
  Table splits({"split", "pairs", "answers", "negatives"});
  const Json& members = snapshot.counts.contains("members") ? snapshot.counts["members"] : Json::object();
  for (const auto& [split, kinds] : members.items()) {
    const auto count = [&kinds = kinds](const char* kind) { return std::to_string(kinds.value(kind, 0)); };
    splits.add({split, count("pair"), count("answer"), count("negative")});
  }
  print(head.text() + "\n" + splits.text());
}

void print_left_out(const Json& networks) {
  const auto count = [&](const char* name) { return networks.at(name).get<int64_t>(); };
  if (count("left_out") == 0) return;
  print(
      cat("\nLeft out: ", count("left_out"), " judgements of people without an account, of ", count("networks_over"),
          " of ", count("networks"), " networks, each above ", count("cap"),
          ". --max-network-share takes more; where most seem to be of one network, look whether trusted_proxies names "
          "the reverse proxy.\n"));
}

int64_t cap_of(const std::string& word) {
  if (word == "auto") return datasets::kAutomaticCap;
  if (word == "none") return 0;
  int64_t value = 0;
  const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (code != std::errc() || end != word.data() + word.size() || value < 1)
    throw UsageError(
        cat("[snapshot] must have --annotator-cap auto, none or a number from 1, but got \"", word, "\"."));
  return value;
}

void read_gates(Options& options) {
  datasets::GateOptions& gates = options.spec.gates;
  gates.annotator_cap = cap_of(options.cap);
  if (!datasets::from_string(options.near_duplicates, gates.near_duplicates))
    throw UsageError(cat("[snapshot] must have --near-duplicates keep, together or drop, but got \"",
                         options.near_duplicates, "\"."));
  if (!datasets::from_string(options.outliers, gates.outliers))
    throw UsageError(cat("[snapshot] must have --outliers allow or drop, but got \"", options.outliers, "\"."));
  if (!datasets::from_string(options.triggers, gates.triggers))
    throw UsageError(cat("[snapshot] must have --triggers refuse, drop or allow, but got \"", options.triggers, "\"."));
}

int create(const Context& context, Options options) {
  for (const std::string& word : options.sources) {
    storage::Source source{};
    if (!storage::from_string(word, source))
      throw UsageError(cat("[snapshot] must have --source web, api, demo or import, but got \"", word, "\"."));
    options.spec.filter.sources.push_back(source);
  }
  if (!datasets::from_string(options.reliability, options.spec.reliability)) {
    throw UsageError(
        cat("[snapshot] must have --reliability none or dawid_skene, but got \"", options.reliability, "\"."));
  }
  read_gates(options);
  options.spec.filter.blind_only = !options.include_revealed;
  const auto database = open_database(context);
  if (!options.workspace.empty())
    options.spec.filter.workspace_id = workspace_named(*database, options.workspace, "snapshot");
  if (!options.parent.empty()) {
    options.spec.parent_id =
        database->read([&](storage::Transaction& t) { return storage::get_snapshot(t, options.parent).id; });
  }
  const auto made = datasets::create_snapshot(*database, options.spec);
  print_snapshot(made, options.json);
  if (!options.json) print_left_out(made.counts.at("network_cap"));
  return 0;
}

int list(const Context& context, const Options& options) {
  const auto snapshots =
      open_database(context)->read([](storage::Transaction& t) { return storage::list_snapshots(t); });
  if (options.json) {
    OrderedJson all = OrderedJson::array();
    for (const storage::Snapshot& snapshot : snapshots)
      all.push_back(to_json(snapshot));
    print_json(all, 2);
    return 0;
  }
  Table table({"name", "created (UTC)", "members", "train", "sha256", "id"});
  for (const storage::Snapshot& snapshot : snapshots) {
    table.add({snapshot.name, short_time(snapshot.created_at), std::to_string(snapshot.members),
               std::to_string(snapshot.train_members), snapshot.sha256.substr(0, 12), snapshot.id});
  }
  print(snapshots.empty() ? "No snapshots yet: afina snapshot create makes one from the votes.\n" : table.text());
  return 0;
}

int show(const Context& context, const Options& options) {
  std::map<std::string, double> weights;
  const auto snapshot = open_database(context)->read([&](storage::Transaction& t) {
    auto found = storage::get_snapshot(t, options.which);
    weights = storage::estimated_reliability(t, cat("snapshot:", found.id));
    return found;
  });
  if (options.json) {
    OrderedJson json = to_json(snapshot);
    if (!weights.empty()) json["annotator_weights"] = weights;
    print_json(json, 2);
    return 0;
  }
  print_snapshot(snapshot, false);
  if (weights.empty()) return 0;
  Table table({"annotator", "weight of their votes"});
  for (const auto& [annotator, weight] : weights)
    table.add({annotator, dump_json(Json(weight))});
  print("\n" + table.text());
  return 0;
}

int export_files(const Context& context, const Options& options) {
  const auto report = datasets::export_snapshot(*open_database(context), options.which, options.out);
  const OrderedJson json{{"folder", report.folder.string()}, {"sft", report.sft},     {"pairs", report.pairs},
                         {"negatives", report.negatives},    {"votes", report.votes}, {"withdrawn", report.withdrawn}};
  if (options.json) {
    print_json(json, 2);
  } else {
    print(cat(report.folder.string(), ": ", report.sft, " answers, ", report.pairs, " pairs, ", report.negatives,
              " negatives, ", report.votes, " votes; ", report.withdrawn, " rows left out, withdrawn since.\n"));
  }
  return 0;
}

void add_create(CLI::App& verb, Context& context, const std::shared_ptr<Options>& options) {
  auto* create_verb = verb.add_subcommand("create", "Freeze the judgements of everybody who consented to training");
  create_verb->add_option("--name", options->spec.name, "Unique name (default: from the time)");
  create_verb->add_option("--seed", options->spec.split.seed, "Of the split")->capture_default_str();
  create_verb->add_option("--eval-prompts", options->spec.split.eval_prompts, "Share of prompts held out")
      ->capture_default_str();
  create_verb->add_option("--eval-annotators", options->spec.split.eval_annotators, "Share of annotators held out")
      ->capture_default_str();
  create_verb->add_option("--source", options->sources, "Only votes of web, api, demo or import; may be repeated");
  create_verb->add_option("--locale", options->spec.filter.locales,
                          "Only conversations of these locales; may be repeated");
  create_verb->add_option("--workspace", options->workspace, "Only judgements of this workspace: its name or id");
  create_verb->add_flag("--all-workspaces", options->spec.mix_workspaces,
                        "Judgements of several workspaces in one snapshot");
  create_verb->add_option("--reliability", options->reliability, "How votes weigh: none (alike) or dawid_skene")
      ->capture_default_str();
  create_verb
      ->add_option("--annotator-cap", options->cap,
                   "Most votes of one person without an account: auto (the smaller of 0.25 % and 1/sqrt(n) of all n, "
                   "but never below 20), none, or a number")
      ->capture_default_str();
  create_verb
      ->add_option("--max-network-share", options->spec.gates.max_network_share,
                   "Largest share of the snapshot that people without an account may bring from one network (IPv4 /24, "
                   "IPv6 /48), but 100 judgements may always stay; 1: any")
      ->capture_default_str();
  create_verb
      ->add_option("--near-duplicates", options->near_duplicates,
                   "Prompts that are nearly the same (Jaccard 0.9): keep (apart), together (on one side of the split), "
                   "or drop (besides, of nearly equal pairs the oldest stays)")
      ->capture_default_str();
  create_verb
      ->add_option(
          "--triggers", options->triggers,
          "Where votes look as if a phrase was planted: refuse (stop and name it), drop (leave its pairs out), "
          "or allow (only say so)")
      ->capture_default_str();
  create_verb
      ->add_option("--outliers", options->outliers,
                   "People without an account who vote against everybody else: allow (only say how many) or drop")
      ->capture_default_str();
  create_verb->add_option("--parent", options->parent, "Snapshot that this one continues");
  create_verb->add_flag("--include-revealed", options->include_revealed,
                        "Also votes cast after the models' names were shown");
  create_verb->add_flag("--json", options->json, "JSON on stdout");
  create_verb->callback(
      [&context, options] { context.run = [&context, options] { return create(context, *options); }; });
}

}  // namespace

void add_snapshot(CLI::App& app, Context& context) {
  const auto options = std::make_shared<Options>();
  options->spec.split.eval_prompts = 0.2;
  auto* verb = app.add_subcommand("snapshot", "Immutable, hashed sets of judgements to train on");
  verb->require_subcommand(1);
  add_create(*verb, context, options);
  auto* list_verb = verb->add_subcommand("list", "All snapshots, newest first");
  list_verb->add_flag("--json", options->json, "JSON on stdout");
  list_verb->callback([&context, options] { context.run = [&context, options] { return list(context, *options); }; });
  auto* show_verb = verb->add_subcommand("show", "What a snapshot holds and what was left out");
  show_verb->add_option("snapshot", options->which, "Name or id")->required();
  show_verb->add_flag("--json", options->json, "JSON on stdout");
  show_verb->callback([&context, options] { context.run = [&context, options] { return show(context, *options); }; });
  auto* export_verb = verb->add_subcommand("export", "Write JSONL files in TRL's forms, with every raw vote");
  export_verb->add_option("snapshot", options->which, "Name or id")->required();
  export_verb->add_option("--out", options->out, "New folder")->required();
  export_verb->add_flag("--json", options->json, "JSON on stdout");
  export_verb->callback(
      [&context, options] { context.run = [&context, options] { return export_files(context, *options); }; });
}

}  // namespace afina::app
