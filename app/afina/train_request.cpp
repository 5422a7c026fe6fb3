// SPDX-License-Identifier: Apache-2.0
#include "app/afina/train_request.h"

#include <memory>
#include <utility>
#include <variant>

#include "base/error.h"
#include "base/file.h"
#include "base/home.h"
#include "base/log.h"
#include "base/uuid.h"
#include "datasets/snapshot.h"
#include "datasets/token_cache.h"
#include "storage/adapters.h"

namespace afina::app {
namespace {

namespace fs = std::filesystem;
using finetune::RunKind;

constexpr uint64_t kTokenCacheBytes = uint64_t{20} << 30;

/// Of a resumed run, what it began with; then --config and --set.
finetune::RunConfig read_config(const TrainArguments& arguments) {
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

/// Rows of a snapshot, kept alive by whoever reads them.
template <typename Row>
finetune::RowSource keep(datasets::SnapshotRows<Row> rows) {
  const auto list = std::make_shared<const finetune::SourceRows>(std::move(rows.rows));
  finetune::RowSource source = finetune::list_source(*list, rows.identity);
  source.open = [list, open = std::move(source.open)] { return open(); };
  return source;
}

template <typename Row, typename HeldOut>
void take_snapshot(datasets::SnapshotRows<Row> train, const HeldOut& held_out, TrainStorage& storage,
                   finetune::TrainRequest& request) {
  storage.snapshot_id = train.snapshot.id;
  request.source = "snapshot " + train.snapshot.name;
  if (train.withdrawn > 0) log_info("train", train.withdrawn, " rows left out: withdrawn since the snapshot");
  request.rows = keep(std::move(train));
  auto sets = held_out();
  for (auto& set : sets)
    request.held_out.push_back({set.split + "_", keep(std::move(set.rows))});
  if (sets.empty()) log_info("train", "the snapshot holds no held-out rows of this kind");
}

void read_snapshot(const TrainArguments& arguments, TrainStorage& storage, finetune::TrainRequest& request) {
  storage::Database& database = *storage.database;
  const std::string& name = arguments.snapshot;
  switch (arguments.kind) {
    case RunKind::sft:
      return take_snapshot(
          datasets::load_snapshot_sft(database, name, "train"),
          [&] { return datasets::load_held_out_sft(database, name); }, storage, request);
    case RunKind::kto:
    case RunKind::bco:
      return take_snapshot(
          datasets::load_snapshot_unpaired(database, name, "train"),
          [&] { return datasets::load_held_out_unpaired(database, name); }, storage, request);
    default:
      return take_snapshot(
          datasets::load_snapshot_pairs(database, name, "train"),
          [&] { return datasets::load_held_out_pairs(database, name); }, storage, request);
  }
}

/// A folder, or the name of a registered adapter.
fs::path find_start_adapter(const TrainArguments& arguments, TrainStorage& storage) {
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

}  // namespace

finetune::TrainRequest make_train_request(const TrainArguments& arguments, TrainStorage& storage) {
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
    request.rows = finetune::file_source(arguments.kind, arguments.data);
    request.source = fs::path(arguments.data).filename().string();
  }
  if (!arguments.eval.empty()) {
    request.held_out.clear();
    request.held_out.push_back({"eval_", finetune::file_source(arguments.kind, arguments.eval)});
  }
  if (request.config.tokenized_cache) {
    request.token_cache = find_home(home_inputs_from_environment()) / "tokens";
    datasets::trim_token_cache(request.token_cache, kTokenCacheBytes);
  }
  return request;
}

void require_files(const TrainArguments& arguments) {
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

}  // namespace afina::app
