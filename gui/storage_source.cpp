// SPDX-License-Identifier: Apache-2.0
#include "gui/storage_source.h"

#include <algorithm>

#include "base/error.h"
#include "finetune/config/metric_names.h"
#include "gui/view_model/format.h"
#include "storage/conversations.h"
#include "storage/database_url.h"
#include "storage/loop.h"

namespace afina::gui {

namespace {

namespace metric = afina::finetune::metric;
using storage::Transaction;

constexpr storage::TransactionOptions kOneView = {.isolation = storage::Isolation::repeatable_read, .read_only = true};

LoopData loop_of(const storage::LoopCounts& counts) {
  LoopData loop;
  loop.conversations = {counts.conversations, counts.messages, {}, counts.newest_conversation_at};
  for (const auto& [tag, count] : counts.conversations_by_locale)
    loop.conversations.languages.push_back({tag, count});
  loop.votes = {counts.votes, counts.voted_pairs, counts.annotators, counts.votes_outside_newest_snapshot,
                counts.newest_vote_at};
  loop.snapshots.snapshots = counts.snapshots;
  if (counts.newest_snapshot) {
    const storage::Snapshot& newest = *counts.newest_snapshot;
    loop.snapshots = {counts.snapshots, newest.id, newest.name, newest.members, newest.sha256, newest.created_at};
  }
  loop.runs.runs = counts.runs;
  loop.runs.running = counts.runs_running;
  loop.runs.finished = counts.runs_finished;
  loop.runs.failed = counts.runs_failed;
  if (counts.newest_run) {
    const storage::Run& newest = *counts.newest_run;
    loop.runs.newest_id = newest.id;
    loop.runs.newest_name = newest.name;
    loop.runs.newest_state = std::string(to_string(newest.state));
    loop.runs.newest_method = std::string(to_string(newest.kind));
    loop.runs.newest_snapshot_id = newest.snapshot_id;
    loop.runs.newest_error = newest.error;
    loop.runs.newest_step = newest.step;
    loop.runs.newest_max_steps = newest.max_steps;
    loop.runs.newest_at = newest.created_at;
    loop.base_model = newest.model;
  }
  loop.adapters.adapters = counts.adapters;
  if (counts.newest_adapter) {
    const storage::Adapter& newest = *counts.newest_adapter;
    loop.adapters = {counts.adapters, newest.id, newest.name, newest.path, newest.created_at};
  }
  loop.arena = {counts.arena_wins + counts.arena_ties + counts.arena_losses,
                counts.arena_wins,
                counts.arena_ties,
                counts.arena_losses,
                "",
                "",
                counts.newest_arena_vote_at};
  if (counts.arena_adapter) {
    loop.arena.adapter_id = counts.arena_adapter->id;
    loop.arena.adapter_name = counts.arena_adapter->name;
  }
  return loop;
}

Outcome outcome_of(storage::Outcome outcome) {
  switch (outcome) {
    case storage::Outcome::both_good:
      return Outcome::both_good;
    case storage::Outcome::both_bad:
      return Outcome::both_bad;
    case storage::Outcome::graded:
      return Outcome::graded;
    default:
      return Outcome::cannot_judge;
  }
}

Answer answer_of(const storage::Generation& generation, const std::map<std::string, std::string>& adapters) {
  const auto adapter = adapters.find(generation.adapter_id);
  return {generation.id,   generation.model, adapter == adapters.end() ? "" : adapter->second,
          generation.text, generation.error, generation.completion_tokens.value_or(0)};
}

/// The messages with each pair put where its answers stand; an assistant message that only repeats a pair's answer
/// stays, because it tells which answer the conversation went on with.
class TranscriptMaker {
 public:
  TranscriptMaker(const storage::ConversationView& view, const std::map<std::string, std::string>& adapters)
      : view_(view), adapters_(adapters) {
    for (const storage::Generation& generation : view.generations)
      generations_[generation.id] = &generation;
  }

  ConversationDetail make() const {
    const storage::Conversation& conversation = view_.conversation;
    ConversationDetail detail{
        conversation.id, conversation.locale, std::string(to_string(conversation.source)), conversation.created_at, {}};
    size_t next_pair = 0;
    for (const storage::Message& message : view_.messages) {
      for (; next_pair < view_.pairs.size() && view_.pairs[next_pair].turn <= message.turn; ++next_pair) {
        add_pair(detail, view_.pairs[next_pair]);
      }
      Turn turn;
      turn.role = message.role;
      turn.text = message.content;
      turn.at = message.created_at;
      if (const storage::Generation* answer = find(message.generation_id)) turn.model = answer->model;
      detail.turns.push_back(std::move(turn));
    }
    for (; next_pair < view_.pairs.size(); ++next_pair)
      add_pair(detail, view_.pairs[next_pair]);
    return detail;
  }

 private:
  const storage::Generation* find(const std::string& id) const {
    const auto found = generations_.find(id);
    return found == generations_.end() ? nullptr : found->second;
  }

  void add_pair(ConversationDetail& detail, const storage::Pair& pair) const {
    const storage::Generation *a = find(pair.generation_a_id), *b = find(pair.generation_b_id);
    if (a == nullptr || b == nullptr) return;
    Turn turn;
    turn.at = pair.created_at;
    turn.pair = {answer_of(*a, adapters_), answer_of(*b, adapters_)};
    for (const storage::Preference& vote : view_.preferences) {
      // A retraction is seen in what it took back, which is marked as superseded.
      if (vote.pair_id != pair.id || vote.outcome == storage::Outcome::retracted) continue;
      turn.votes.push_back({vote.annotator_name.empty() ? short_id(vote.annotator_id) : vote.annotator_name,
                            outcome_of(vote.outcome), vote.grade, vote.reason, std::string(to_string(vote.source)),
                            vote.created_at, vote.superseded});
    }
    detail.turns.push_back(std::move(turn));
  }

  const storage::ConversationView& view_;
  const std::map<std::string, std::string>& adapters_;
  std::map<std::string, const storage::Generation*> generations_;
};

std::string config_value(const OrderedJson& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return dump_json(value);
  std::string list;
  for (const auto& item : value)
    list += cat(list.empty() ? "" : ", ", item.is_string() ? item.get<std::string>() : dump_json(item));
  return list;
}

RunRow row_of(const storage::Run& run) {
  RunRow row;
  row.id = run.id;
  row.name = run.name;
  row.method = std::string(to_string(run.kind));
  row.state = std::string(to_string(run.state));
  row.model = run.model;
  row.step = run.step;
  row.max_steps = run.max_steps;
  row.created_at = run.started_at.value_or(run.created_at);
  row.finished_at = run.finished_at;
  row.error = run.error;
  row.attempt = run.attempt;
  return row;
}

void add_latest(Transaction& t, RunRow& row) {
  const std::vector<std::string> names = {metric::kLoss, metric::kRewardsMargins, metric::kRewardsAccuracies,
                                          metric::kMeanTokenAccuracy, metric::kTokensPerSecond};
  for (const storage::Metric& value : storage::latest_metrics(t, row.id, names)) {
    if (value.name == metric::kLoss) row.loss = value.value;
    if (value.name == metric::kRewardsMargins) row.margin = value.value;
    if (value.name == metric::kRewardsAccuracies) row.accuracy = value.value;
    if (value.name == metric::kMeanTokenAccuracy && row.method == "sft") row.accuracy = value.value;
    if (value.name == metric::kTokensPerSecond) row.tokens_per_second = value.value;
  }
}

// Of a path or a name, what tells it from others at a glance.
std::string file_name(const std::string& path) {
  const size_t slash = path.find_last_of('/', path.size() < 2 ? 0 : path.size() - 2);
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::vector<LineageLink> lineage_of(Transaction& t, const storage::Run& run) {
  std::vector<LineageLink> chain = {{"model", run.model, file_name(run.model)}};
  if (!run.snapshot_id.empty()) {
    const storage::Snapshot snapshot = storage::get_snapshot(t, run.snapshot_id);
    chain.push_back({"snapshot", snapshot.id, cat(snapshot.name, " · ", with_groups(snapshot.members))});
  } else if (!run.data_path.empty()) {
    chain.push_back({"data", run.data_path, file_name(run.data_path)});
  }
  const std::vector<storage::Adapter> adapters = storage::list_adapters(t);
  const auto add = [&](const char* kind, const auto& wanted) {
    for (const storage::Adapter& adapter : adapters) {
      if (wanted(adapter)) chain.push_back({kind, adapter.id, adapter.name});
    }
  };
  add("start_adapter", [&](const storage::Adapter& adapter) { return adapter.id == run.start_adapter_id; });
  chain.push_back({"run", run.id, run.name});
  add("adapter", [&](const storage::Adapter& adapter) { return adapter.run_id == run.id; });
  return chain;
}

// Only what came after the last reading, while the same process goes on: a resume may have undone steps. The newest
// step is read again, because its evaluation is written after its loss.
void add_metrics(Transaction& t, RunDetail& detail, const RunDetail* previous) {
  int64_t after = -1;
  if (previous != nullptr && previous->row.attempt == detail.row.attempt) {
    detail.series = previous->series;
    double newest = 0;
    for (const auto& [name, series] : detail.series)
      newest = std::max(newest, series.steps.empty() ? 0 : series.steps.back());
    for (auto& [name, series] : detail.series) {
      while (!series.steps.empty() && series.steps.back() >= newest) {
        series.steps.pop_back();
        series.values.pop_back();
      }
    }
    after = static_cast<int64_t>(newest) - 1;
  }
  for (const storage::Metric& value : storage::metrics_since(t, detail.row.id, after)) {
    Series& series = detail.series[value.name];
    series.steps.push_back(static_cast<double>(value.step));
    series.values.push_back(value.value);
  }
}

}  // namespace

StorageSource::StorageSource(storage::DatabaseTarget target, storage::DatabaseOptions options)
    : target_(std::move(target)), options_(std::move(options)) {
  if (target_.kind == storage::DatabaseTarget::Kind::none) {
    throw UsageError("[workbench.database] must be a database, but got \"none\".",
                     "leave --database out for the private one, or give a PostgreSQL URL");
  }
}

StorageSource::~StorageSource() = default;

std::string StorageSource::describe() const {
  return target_.kind == storage::DatabaseTarget::Kind::home
             ? cat("private PostgreSQL of ", target_.home.string())
             : cat("PostgreSQL at ", storage::without_secrets(target_.url));
}

storage::Database& StorageSource::database() {
  const std::lock_guard lock(mutex_);
  if (database_ == nullptr) database_ = storage::Database::open(target_, options_);
  return *database_;
}

LoopData StorageSource::loop() {
  return loop_of(database().transaction([](Transaction& t) { return storage::loop_counts(t); }, kOneView));
}

ConversationPage StorageSource::conversations(const ConversationQuery& query) {
  storage::ConversationFilter filter;
  filter.text = query.text;
  filter.limit = query.page_size;
  filter.offset = query.page * query.page_size;
  const storage::ConversationList list =
      database().transaction([&](Transaction& t) { return storage::list_conversations(t, filter); }, kOneView);
  ConversationPage page;
  page.query = query;
  page.total = list.total;
  for (const storage::ConversationSummary& row : list.rows) {
    page.rows.push_back({row.conversation.id, row.title, row.conversation.locale,
                         std::string(to_string(row.conversation.source)), row.conversation.created_at, row.messages,
                         row.votes});
  }
  return page;
}

ConversationDetail StorageSource::conversation(const std::string& id) {
  return database().transaction(
      [&](Transaction& t) {
        const storage::ConversationView view = storage::load_conversation(t, id);
        std::map<std::string, std::string> adapters;
        for (const storage::Adapter& adapter : storage::list_adapters(t))
          adapters[adapter.id] = adapter.name;
        return TranscriptMaker(view, adapters).make();
      },
      kOneView);
}

std::vector<RunRow> StorageSource::runs() {
  return database().transaction(
      [](Transaction& t) {
        std::vector<RunRow> rows;
        for (const storage::Run& run : storage::list_runs(t)) {
          rows.push_back(row_of(run));
          add_latest(t, rows.back());
        }
        return rows;
      },
      kOneView);
}

RunDetail StorageSource::run(const std::string& id, const RunDetail* previous) {
  return database().transaction(
      [&](Transaction& t) {
        const storage::Run run = storage::get_run(t, id);
        RunDetail detail;
        detail.row = row_of(run);
        add_latest(t, detail.row);
        for (const auto& [key, value] : run.config.items())
          detail.config.emplace_back(key, config_value(value));
        detail.lineage = lineage_of(t, run);
        add_metrics(t, detail, previous);
        return detail;
      },
      kOneView);
}

}  // namespace afina::gui
