// SPDX-License-Identifier: Apache-2.0
// What the workbench shows, as plain values: the stages of the loop, conversations with their votes, runs with their
// curves. No ImGui, no SQL, no files. A DataSource fills these; panels and pure functions read them. Times are UTC.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace afina::gui {

using Time = std::chrono::system_clock::time_point;

// The loop.

struct LanguageCount {
  std::string tag;  ///< BCP 47, "es"; empty where nobody said
  int64_t conversations = 0;
  bool operator==(const LanguageCount&) const = default;
};

struct ConversationStage {
  int64_t conversations = 0;
  int64_t messages = 0;
  std::vector<LanguageCount> languages;  ///< most frequent first
  std::optional<Time> newest_at;
  bool operator==(const ConversationStage&) const = default;
};

struct VoteStage {
  int64_t votes = 0;  ///< standing votes: superseded and withdrawn ones are not counted
  int64_t pairs = 0;  ///< pairs with at least one standing vote
  int64_t annotators = 0;
  int64_t outside_newest_snapshot = 0;  ///< standing votes cast after the newest snapshot was taken
  std::optional<Time> newest_at;
  bool operator==(const VoteStage&) const = default;
};

struct SnapshotStage {
  int64_t snapshots = 0;
  std::string newest_id;
  std::string newest_name;
  int64_t newest_rows = 0;
  std::string newest_sha256;
  std::optional<Time> newest_at;
  bool operator==(const SnapshotStage&) const = default;
};

struct RunStage {
  int64_t runs = 0;
  int64_t running = 0;
  int64_t finished = 0;
  int64_t failed = 0;
  std::string newest_id;
  std::string newest_name;
  std::string newest_state;   ///< queued, running, finished, failed, cancelled
  std::string newest_method;  ///< sft or dpo
  std::string newest_snapshot_id;
  std::string newest_error;  ///< empty unless it failed
  int64_t newest_step = 0;
  int64_t newest_max_steps = 0;  ///< 0 where the run did not say
  std::optional<Time> newest_at;
  bool operator==(const RunStage&) const = default;
};

struct AdapterStage {
  int64_t adapters = 0;
  std::string newest_id;
  std::string newest_name;
  std::string newest_folder;  ///< PEFT
  std::optional<Time> newest_at;
  bool operator==(const AdapterStage&) const = default;
};

/// Blind votes on pairs where exactly one answer came from the newest adapter that has any.
struct ArenaStage {
  int64_t votes = 0;  ///< = wins + ties + losses; "cannot judge" counts nowhere
  int64_t wins = 0;
  int64_t ties = 0;
  int64_t losses = 0;
  std::string adapter_name;
  std::string adapter_id;
  std::optional<Time> newest_at;
  bool operator==(const ArenaStage&) const = default;
};

struct LoopData {
  ConversationStage conversations;
  VoteStage votes;
  SnapshotStage snapshots;
  RunStage runs;
  AdapterStage adapters;
  ArenaStage arena;
  std::string base_model;  ///< path or name of the newest run's base model; empty before the first run
  bool operator==(const LoopData&) const = default;
};

// Conversations.

struct ConversationQuery {
  std::string text;  ///< searched in messages and answers, accents ignored where the database can; empty: all
  int64_t page = 0;  ///< from 0
  int64_t page_size = 50;
  bool operator==(const ConversationQuery&) const = default;
};

struct ConversationRow {
  std::string id;
  std::string title;  ///< start of the first thing the person wrote
  std::string language;
  std::string source;  ///< where it came from: web, api, import, demo
  Time created_at;
  int64_t messages = 0;
  int64_t votes = 0;
  bool operator==(const ConversationRow&) const = default;
};

struct ConversationPage {
  ConversationQuery query;
  std::vector<ConversationRow> rows;  ///< newest first
  int64_t total = 0;
  bool operator==(const ConversationPage&) const = default;
};

enum class Outcome { graded, both_good, both_bad, cannot_judge };

struct Vote {
  std::string annotator;  ///< pseudonym
  Outcome outcome = Outcome::graded;
  int grade = 0;  ///< −3 (B much better) … 3 (A much better); only where outcome is graded
  std::string reason;
  std::string source;
  Time at;
  bool superseded = false;  ///< corrected or undone later
  bool operator==(const Vote&) const = default;
};

struct Answer {
  std::string generation_id;
  std::string model;
  std::string adapter;  ///< empty: the base model alone
  std::string text;
  std::string error;   ///< what the upstream said where there is no text
  int64_t tokens = 0;  ///< 0 where the upstream did not say
  bool operator==(const Answer&) const = default;
};

/// One line of a conversation: a message, or two answers to the message before with the votes on them.
struct Turn {
  std::string role;  ///< system, user, assistant; empty for a pair
  std::string text;
  std::string model;  ///< of an assistant message
  Time at;
  std::vector<Answer> pair;  ///< empty or two: A, B
  std::vector<Vote> votes;
  bool operator==(const Turn&) const = default;
};

struct ConversationDetail {
  std::string id;
  std::string language;
  std::string source;
  Time created_at;
  std::vector<Turn> turns;
  bool operator==(const ConversationDetail&) const = default;
};

// Runs.

struct RunRow {
  std::string id;
  std::string name;
  std::string method;  ///< sft, dpo
  std::string state;   ///< queued, running, finished, failed, cancelled
  std::string model;
  int64_t step = 0;
  int64_t max_steps = 0;
  std::optional<double> loss;      ///< newest logged
  std::optional<double> margin;    ///< rewards/margins, nats
  std::optional<double> accuracy;  ///< rewards/accuracies or mean_token_accuracy, 0..1
  std::optional<double> tokens_per_second;
  Time created_at;
  std::optional<Time> finished_at;
  std::string error;
  int attempt = 0;  ///< counts the processes that took it up
  bool operator==(const RunRow&) const = default;
};

/// Points of one metric, ascending steps, both vectors of one length.
struct Series {
  std::vector<double> steps;
  std::vector<double> values;
  bool operator==(const Series&) const = default;
};

/// A link of the chain snapshot → run → adapter → arena, for reading and copying.
struct LineageLink {
  std::string kind;   ///< model, snapshot, data, start_adapter, run, adapter
  std::string id;     ///< of a model or a data file: its path
  std::string label;  ///< short, for the screen
  bool operator==(const LineageLink&) const = default;
};

struct RunDetail {
  RunRow row;
  std::vector<std::pair<std::string, std::string>> config;  ///< in the config's own order
  std::vector<LineageLink> lineage;
  std::map<std::string, Series> series;  ///< by TRL's metric names; "eval_…" are evaluation points
  bool operator==(const RunDetail&) const = default;
};

}  // namespace afina::gui
