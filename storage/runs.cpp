// SPDX-License-Identifier: Apache-2.0
#include "storage/runs.h"

#include <map>

#include "base/error.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

// Takes the run's row for this transaction, so that a claim and a write of an older holder cannot pass each other.
void require_attempt(Transaction& t, const std::string& run_id, int attempt) {
  require_uuid(run_id, "a run");
  const Result rows =
      t.exec("SELECT attempt, state FROM run WHERE id = $1::uuid FOR NO KEY UPDATE", Params().text(run_id));
  if (rows.empty()) throw_not_found(run_id, "a run");
  const Row row = rows.one();
  if (row.integer("attempt") != attempt || row.text("state") != "running") {
    throw Conflict(cat("[storage.runs] attempt ", attempt, " must hold run ", run_id, ", but it is ", row.text("state"),
                       " at attempt ", row.integer("attempt"), "."),
                   "another process has taken the run up; this one must stop");
  }
}

}  // namespace

Run create_run(Transaction& t, const Run& run) {
  t.exec(
      "INSERT INTO run (id, name, kind, config, config_sha256, model, base_sha256, snapshot_id, data_path, "
      "data_sha256, "
      "start_adapter_id, seed, max_steps, out_folder) VALUES ($1::uuid, $2, $3, $4::json, $5, $6, $7, $8::uuid, $9, "
      "$10, $11::uuid, $12::bigint, $13::bigint, $14) ON CONFLICT (id) DO NOTHING",
      Params()
          .text(run.id)
          .text(run.name)
          .text(to_string(run.kind))
          .text(dump_json(run.config))
          .text(run.config_sha256)
          .text(run.model)
          .text(run.base_sha256)
          .text_or_null(run.snapshot_id)
          .text(run.data_path)
          .text(run.data_sha256)
          .text_or_null(run.start_adapter_id)
          .integer(run.seed)
          .integer(run.max_steps)
          .text(run.out_folder));
  return get_run(t, run.id);
}

int claim_run(Transaction& t, const std::string& run_id, int64_t start_step, const std::string& host,
              const std::string& version, std::chrono::seconds stale_after) {
  require_uuid(run_id, "a run");
  const Result rows = t.exec(
      "SELECT attempt, state, state = 'running' AND heartbeat_at > clock_timestamp() - make_interval(secs => "
      "$2::double precision) AS held FROM run WHERE id = $1::uuid FOR NO KEY UPDATE",
      Params().text(run_id).real(static_cast<double>(stale_after.count())));
  if (rows.empty()) throw_not_found(run_id, "a run");
  const Row row = rows.one();
  if (row.text("state") == "finished" || row.boolean("held")) {
    throw Conflict(cat("[storage.runs] run ", run_id, " must be free to take up, but is ",
                       row.boolean("held") ? "held by a living process" : "finished", "."));
  }
  const int attempt = static_cast<int>(row.integer("attempt")) + 1;
  t.exec(
      "UPDATE run SET state = 'running', attempt = $2::integer, step = $3::bigint, host = $4, version = $5, error = "
      "'', "
      "started_at = coalesce(started_at, clock_timestamp()), heartbeat_at = clock_timestamp(), finished_at = NULL "
      "WHERE id = $1::uuid",
      Params().text(run_id).integer(int64_t{attempt}).integer(start_step).text(host).text(version));
  t.exec(
      "INSERT INTO run_attempt (run_id, attempt, start_step, host, version) "
      "VALUES ($1::uuid, $2::integer, $3::bigint, $4, $5)",
      Params().text(run_id).integer(int64_t{attempt}).integer(start_step).text(host).text(version));
  return attempt;
}

void heartbeat_run(Transaction& t, const std::string& run_id, int attempt, int64_t step) {
  require_attempt(t, run_id, attempt);
  t.exec("UPDATE run SET step = $2::bigint, heartbeat_at = clock_timestamp() WHERE id = $1::uuid",
         Params().text(run_id).integer(step));
}

void describe_run(Transaction& t, const std::string& run_id, int attempt, int64_t max_steps,
                  const std::string& base_sha256, const std::string& data_sha256) {
  require_attempt(t, run_id, attempt);
  t.exec(
      "UPDATE run SET max_steps = CASE WHEN $2::bigint = 0 THEN max_steps ELSE $2::bigint END, "
      "base_sha256 = coalesce($3, base_sha256), data_sha256 = coalesce($4, data_sha256) WHERE id = $1::uuid",
      Params().text(run_id).integer(max_steps).text_or_null(base_sha256).text_or_null(data_sha256));
}

void finish_run(Transaction& t, const std::string& run_id, int attempt, RunState state, const std::string& error) {
  if (state == RunState::queued || state == RunState::running) {
    throw DataError(cat("[storage.runs] a run must end finished, failed or cancelled, but not ", to_string(state)));
  }
  require_attempt(t, run_id, attempt);
  t.exec(
      "UPDATE run SET state = $2, error = $3, finished_at = clock_timestamp(), heartbeat_at = clock_timestamp() "
      "WHERE id = $1::uuid",
      Params().text(run_id).text(to_string(state)).text(error));
}

Run get_run(Transaction& t, const std::string& id_or_name) {
  const Result rows = t.exec(cat("SELECT * FROM run WHERE ", kNamed), Params().text(id_or_name));
  return read_run(only_named(rows, id_or_name, "a run"));
}

std::vector<Run> list_runs(Transaction& t, int64_t limit) {
  std::vector<Run> out;
  const Result rows = t.exec("SELECT * FROM run ORDER BY id DESC LIMIT $1::bigint", Params().integer(limit));
  for (size_t i = 0; i < rows.size(); ++i) {
    out.push_back(read_run(rows[i]));
  }
  return out;
}

void insert_metrics(Transaction& t, const std::string& run_id, int attempt, const std::vector<Metric>& metrics) {
  require_attempt(t, run_id, attempt);
  if (metrics.empty()) return;
  // A statement may not touch a row twice: the last value of a (step, name) is the one that counts.
  std::map<std::pair<int64_t, std::string>, double> newest;
  for (const Metric& metric : metrics) {
    newest[{metric.step, metric.name}] = metric.value;
  }
  std::vector<int64_t> steps;
  std::vector<std::string> names;
  std::vector<double> values;
  for (const auto& [key, value] : newest) {
    steps.push_back(key.first);
    names.push_back(key.second);
    values.push_back(value);
  }
  t.exec(
      "INSERT INTO metric (run_id, step, attempt, name, value) SELECT $1::uuid, m.step, $2::integer, m.name, m.value "
      "FROM unnest($3::bigint[], $4::text[], $5::double precision[]) AS m (step, name, value) "
      "ON CONFLICT (run_id, step, attempt, name) DO UPDATE SET value = excluded.value",
      Params().text(run_id).integer(int64_t{attempt}).integers(steps).texts(names).reals(values));
  t.exec("UPDATE run SET step = greatest(step, $2::bigint), heartbeat_at = clock_timestamp() WHERE id = $1::uuid",
         Params().text(run_id).integer(newest.rbegin()->first.first));
}

std::vector<Metric> metrics_since(Transaction& t, const std::string& run_id, int64_t after_step) {
  require_uuid(run_id, "a run");
  const Result rows = t.exec(
      "SELECT step, name, value FROM current_metric WHERE run_id = $1::uuid AND step > $2::bigint ORDER BY step, name",
      Params().text(run_id).integer(after_step));
  std::vector<Metric> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    out.push_back({rows[i].integer("step"), rows[i].text("name"), rows[i].real("value")});
  }
  return out;
}

std::vector<Metric> latest_metrics(Transaction& t, const std::string& run_id, const std::vector<std::string>& names) {
  require_uuid(run_id, "a run");
  const Result rows = t.exec(
      "SELECT DISTINCT ON (name) step, name, value FROM current_metric WHERE run_id = $1::uuid "
      "AND name = ANY ($2::text[]) ORDER BY name, step DESC",
      Params().text(run_id).texts(names));
  std::vector<Metric> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    out.push_back({rows[i].integer("step"), rows[i].text("name"), rows[i].real("value")});
  }
  return out;
}

void insert_training_examples(Transaction& t, const std::string& run_id, const std::vector<TrainingExample>& rows) {
  require_uuid(run_id, "a run");
  Json all = Json::array();
  for (const TrainingExample& row : rows) {
    all.push_back({{"row", row.row},
                   {"split", row.split},
                   {"position", row.snapshot_position ? Json(*row.snapshot_position) : Json()},
                   {"content", row.content_sha256},
                   {"where", row.where_from},
                   {"preferences", row.preference_ids}});
  }
  t.exec(
      "INSERT INTO training_example (run_id, split, row, snapshot_position, content_sha256, where_from, "
      "preference_ids) SELECT $1::uuid, r->>'split', (r->>'row')::bigint, (r->>'position')::bigint, r->>'content', "
      "r->>'where', ARRAY(SELECT jsonb_array_elements_text(r->'preferences')::uuid) "
      "FROM jsonb_array_elements($2::jsonb) AS r ON CONFLICT DO NOTHING",
      Params().text(run_id).json(all));
}

std::vector<TrainingExample> training_examples(Transaction& t, const std::string& run_id) {
  require_uuid(run_id, "a run");
  const Result rows =
      t.exec("SELECT * FROM training_example WHERE run_id = $1::uuid ORDER BY split DESC, row", Params().text(run_id));
  std::vector<TrainingExample> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    out.push_back({rows[i].integer("row"), rows[i].text("split"), rows[i].maybe_integer("snapshot_position"),
                   rows[i].text("content_sha256"), rows[i].text("where_from"), rows[i].ids("preference_ids")});
  }
  return out;
}

std::optional<std::vector<double>> find_reference_logps(Transaction& t, const std::string& key) {
  const Result rows = t.exec("SELECT logps FROM reference_logp WHERE key = $1", Params().text(key));
  return rows.empty() ? std::nullopt : std::optional<std::vector<double>>(rows.one().reals("logps"));
}

void store_reference_logps(Transaction& t, const std::vector<std::pair<std::string, std::vector<double>>>& rows) {
  for (const auto& [key, logps] : rows) {
    t.exec("INSERT INTO reference_logp (key, logps) VALUES ($1, $2::double precision[]) ON CONFLICT (key) DO NOTHING",
           Params().text(key).reals(logps));
  }
}

}  // namespace afina::storage
