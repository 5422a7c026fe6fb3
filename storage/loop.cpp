// SPDX-License-Identifier: Apache-2.0
#include "storage/loop.h"

#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

void count_collection(Transaction& t, LoopCounts& counts) {
  const Result total = t.exec(
      "SELECT count(*) AS conversations, max(created_at) AS newest, (SELECT count(*) FROM message m "
      "JOIN conversation c ON c.id = m.conversation_id WHERE c.withdrawn_at IS NULL) AS messages, "
      "(SELECT count(*) FROM pair JOIN conversation c ON c.id = pair.conversation_id WHERE c.withdrawn_at IS NULL) "
      "AS pairs FROM conversation WHERE withdrawn_at IS NULL");
  counts.conversations = total.one().integer("conversations");
  counts.messages = total.one().integer("messages");
  counts.pairs = total.one().integer("pairs");
  counts.newest_conversation_at = total.one().maybe_time("newest");
  const Result locales = t.exec(
      "SELECT locale, count(*) AS n FROM conversation WHERE withdrawn_at IS NULL GROUP BY locale "
      "ORDER BY n DESC, locale");
  for (size_t i = 0; i < locales.size(); ++i) {
    counts.conversations_by_locale.emplace_back(locales[i].text("locale"), locales[i].integer("n"));
  }
  const Result votes = t.exec(
      "SELECT count(*) AS n, count(DISTINCT pair_id) AS pairs, count(DISTINCT annotator_id) AS annotators, "
      "max(created_at) AS newest, count(*) FILTER (WHERE created_at > coalesce((SELECT max(created_at) "
      "FROM snapshot), '-infinity')) AS outside FROM standing_preference");
  counts.votes = votes.one().integer("n");
  counts.voted_pairs = votes.one().integer("pairs");
  counts.annotators = votes.one().integer("annotators");
  counts.votes_outside_newest_snapshot = votes.one().integer("outside");
  counts.newest_vote_at = votes.one().maybe_time("newest");
}

void count_training(Transaction& t, LoopCounts& counts) {
  const Result totals = t.exec(
      "SELECT (SELECT count(*) FROM snapshot) AS snapshots, (SELECT count(*) FROM adapter) AS adapters, "
      "count(*) AS runs, count(*) FILTER (WHERE state = 'running') AS running, "
      "count(*) FILTER (WHERE state = 'finished') AS finished, count(*) FILTER (WHERE state = 'failed') AS failed "
      "FROM run");
  const Row row = totals.one();
  counts.snapshots = row.integer("snapshots");
  counts.adapters = row.integer("adapters");
  counts.runs = row.integer("runs");
  counts.runs_running = row.integer("running");
  counts.runs_finished = row.integer("finished");
  counts.runs_failed = row.integer("failed");
  const Result snapshots = t.exec("SELECT * FROM snapshot ORDER BY created_at DESC, id DESC LIMIT 1");
  if (!snapshots.empty()) counts.newest_snapshot = read_snapshot(snapshots.one());
  const Result runs = t.exec("SELECT * FROM run ORDER BY created_at DESC, id DESC LIMIT 1");
  if (!runs.empty()) counts.newest_run = read_run(runs.one());
  const Result adapters = t.exec(
      "SELECT adapter.*, to_json(target_modules) AS modules FROM adapter ORDER BY created_at DESC, id DESC LIMIT 1");
  if (!adapters.empty()) counts.newest_adapter = read_adapter(adapters.one());
}

// One side from the adapter, the other not; the grade is turned to the adapter's side.
void count_arena(Transaction& t, LoopCounts& counts) {
  const Result rows = t.exec(
      "WITH judged AS (SELECT s.outcome, s.created_at, CASE WHEN a.adapter_id IS NOT DISTINCT FROM b.adapter_id "
      "THEN NULL ELSE ad.id END AS adapter, ad.created_at AS adapter_at, "
      "CASE WHEN a.adapter_id = ad.id THEN s.grade ELSE -s.grade END AS gain "
      "FROM standing_preference s JOIN pair ON pair.id = s.pair_id JOIN generation a ON a.id = pair.generation_a_id "
      "JOIN generation b ON b.id = pair.generation_b_id JOIN adapter ad ON ad.id IN (a.adapter_id, b.adapter_id) "
      "WHERE s.blind AND s.outcome <> 'cannot_judge') "
      "SELECT adapter, count(*) FILTER (WHERE outcome = 'graded' AND gain > 0) AS wins, "
      "count(*) FILTER (WHERE outcome <> 'graded' OR gain = 0) AS ties, "
      "count(*) FILTER (WHERE outcome = 'graded' AND gain < 0) AS losses, max(created_at) AS newest "
      "FROM judged WHERE adapter IS NOT NULL GROUP BY adapter, adapter_at ORDER BY adapter_at DESC, adapter DESC "
      "LIMIT 1");
  if (rows.empty()) return;
  const Row row = rows.one();
  counts.arena_adapter = get_adapter(t, row.text("adapter"));
  counts.arena_wins = row.integer("wins");
  counts.arena_ties = row.integer("ties");
  counts.arena_losses = row.integer("losses");
  counts.newest_arena_vote_at = row.maybe_time("newest");
}

std::vector<std::string> ids_of(const Result& rows) {
  std::vector<std::string> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    out.push_back(rows[i].text("id"));
  }
  return out;
}

// Snapshots in, then runs on them or from files that named the votes, then adapters and all trained on from those.
constexpr const char* kDescendants =
    "WITH RECURSIVE direct_runs AS (SELECT id FROM run WHERE snapshot_id = ANY ($1::uuid[]) "
    "UNION SELECT run_id FROM training_example WHERE preference_ids && $2::uuid[]), "
    "made (run_id, adapter_id) AS (SELECT r.id, a.id FROM direct_runs r LEFT JOIN adapter a ON a.run_id = r.id "
    "UNION SELECT r.id, a.id FROM made JOIN run r ON r.start_adapter_id = made.adapter_id "
    "LEFT JOIN adapter a ON a.run_id = r.id) ";

Descendants descendants(Transaction& t, std::vector<std::string> snapshot_ids, std::vector<std::string> preferences) {
  Descendants out;
  const Params from = Params().texts(snapshot_ids).texts(preferences);
  out.snapshot_ids = std::move(snapshot_ids);
  out.run_ids = ids_of(t.exec(cat(kDescendants, "SELECT DISTINCT run_id AS id FROM made ORDER BY 1"), from));
  out.adapter_ids = ids_of(t.exec(
      cat(kDescendants, "SELECT DISTINCT adapter_id AS id FROM made WHERE adapter_id IS NOT NULL ORDER BY 1"), from));
  return out;
}

}  // namespace

LoopCounts loop_counts(Transaction& t) {
  LoopCounts counts;
  count_collection(t, counts);
  count_training(t, counts);
  count_arena(t, counts);
  return counts;
}

Descendants descendants_of_preference(Transaction& t, const std::string& preference_id) {
  require_uuid(preference_id, "a vote");
  const Result snapshots = t.exec(
      "SELECT DISTINCT snapshot_id AS id FROM snapshot_member_preference WHERE preference_id = $1::uuid ORDER BY 1",
      Params().text(preference_id));
  return descendants(t, ids_of(snapshots), {preference_id});
}

Descendants descendants_of_visitor(Transaction& t, const std::string& visitor_id) {
  require_uuid(visitor_id, "a visitor");
  const Params visitor = Params().text(visitor_id);
  const Result snapshots = t.exec(
      "SELECT DISTINCT m.snapshot_id AS id FROM snapshot_member m LEFT JOIN pair ON pair.id = m.pair_id "
      "LEFT JOIN rewrite w ON w.id = m.chosen_rewrite_id JOIN generation g ON g.id = coalesce(pair.generation_a_id, "
      "m.rejected_generation_id, m.chosen_generation_id, w.generation_id) "
      "JOIN conversation c ON c.id = g.conversation_id WHERE c.visitor_id = $1::uuid "
      "UNION SELECT b.snapshot_id FROM snapshot_member_submission b JOIN submission s ON s.id = b.submission_id "
      "WHERE s.visitor_id = $1::uuid UNION SELECT b.snapshot_id FROM snapshot_member_adjudication b JOIN adjudication "
      "a ON a.id = b.adjudication_id WHERE a.visitor_id = $1::uuid "
      "UNION SELECT mp.snapshot_id FROM snapshot_member_preference mp JOIN preference p ON p.id = mp.preference_id "
      "WHERE p.visitor_id = $1::uuid UNION SELECT m.snapshot_id FROM snapshot_member m JOIN rewrite r "
      "ON r.id = m.chosen_rewrite_id WHERE r.visitor_id = $1::uuid ORDER BY 1",
      visitor);
  const Result votes = t.exec(
      "SELECT p.id FROM preference p JOIN pair ON pair.id = p.pair_id JOIN conversation c "
      "ON c.id = pair.conversation_id WHERE p.visitor_id = $1::uuid OR c.visitor_id = $1::uuid",
      visitor);
  return descendants(t, ids_of(snapshots), ids_of(votes));
}

std::vector<std::string> preferences_of_adapter(Transaction& t, const std::string& adapter_id) {
  require_uuid(adapter_id, "an adapter");
  return ids_of(
      t.exec("WITH RECURSIVE line AS (SELECT id, run_id, parent_id FROM adapter WHERE id = $1::uuid "
             "UNION SELECT a.id, a.run_id, a.parent_id FROM line JOIN adapter a ON a.id = line.parent_id) "
             "SELECT mp.preference_id AS id FROM line JOIN run r ON r.id = line.run_id "
             "JOIN snapshot_member_preference mp ON mp.snapshot_id = r.snapshot_id JOIN snapshot_member m "
             "ON (m.snapshot_id, m.position) = (mp.snapshot_id, mp.position) WHERE m.split = 'train' "
             "UNION SELECT unnest(e.preference_ids) FROM line JOIN training_example e ON e.run_id = line.run_id "
             "WHERE e.split = 'train' ORDER BY 1",
             Params().text(adapter_id)));
}

}  // namespace afina::storage
