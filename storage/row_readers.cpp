// SPDX-License-Identifier: Apache-2.0
#include "storage/row_readers.h"

#include "base/error.h"
#include "storage/transaction.h"

namespace afina::storage {

Conversation read_conversation(const Row& row) {
  Conversation c;
  c.id = row.text("id");
  c.visitor_id = row.text("visitor_id");
  c.consent_event_id = row.text("consent_event_id");
  c.locale = row.text("locale");
  c.mode = word<Mode>(row, "mode");
  c.source = word<Source>(row, "source");
  c.client_key = row.text("client_key");
  c.created_at = row.time("created_at");
  c.withdrawn_at = row.maybe_time("withdrawn_at");
  return c;
}

Message read_message(const Row& row) {
  Message m;
  m.id = row.text("id");
  m.conversation_id = row.text("conversation_id");
  m.turn = static_cast<int>(row.integer("turn"));
  m.role = row.text("role");
  m.content = row.text("content");
  m.sha256 = row.text("sha256");
  m.generation_id = row.text("generation_id");
  m.client_key = row.text("client_key");
  m.created_at = row.time("created_at");
  return m;
}

Generation read_generation(const Row& row) {
  Generation g;
  g.id = row.text("id");
  g.conversation_id = row.text("conversation_id");
  g.turn = static_cast<int>(row.integer("turn"));
  g.slot = static_cast<int>(row.integer("slot"));
  g.attempt = static_cast<int>(row.integer("attempt"));
  g.model = row.text("model");
  g.upstream = row.text("upstream");
  g.adapter_id = row.text("adapter_id");
  g.base_sha256 = row.text("base_sha256");
  g.params = row.json("params");
  g.seed = row.maybe_integer("seed");
  g.text = row.text("text");
  g.finish_reason = row.text("finish_reason");
  g.prompt_tokens = row.maybe_integer("prompt_tokens");
  g.completion_tokens = row.maybe_integer("completion_tokens");
  if (!row.is_null("prompt_ids")) g.prompt_ids = row.ints("prompt_ids");
  if (!row.is_null("completion_ids")) g.completion_ids = row.ints("completion_ids");
  g.template_sha256 = row.text("template_sha256");
  g.first_token_ms = row.maybe_real("first_token_ms");
  g.total_ms = row.maybe_real("total_ms");
  g.error = row.text("error");
  g.created_at = row.time("created_at");
  return g;
}

Pair read_pair(const Row& row) {
  return {row.text("id"),
          row.text("conversation_id"),
          static_cast<int>(row.integer("turn")),
          row.text("generation_a_id"),
          row.text("generation_b_id"),
          row.time("created_at")};
}

Exposure read_exposure(const Row& row) {
  return {row.text("id"),           row.text("pair_id"),  row.text("visitor_id"),        row.text("annotator_id"),
          row.boolean("a_on_left"), row.time("shown_at"), row.maybe_time("revealed_at"), row.boolean("leak_a"),
          row.boolean("leak_b")};
}

Preference read_preference(const Row& row) {
  Preference p;
  p.id = row.text("id");
  p.exposure_id = row.text("exposure_id");
  p.pair_id = row.text("pair_id");
  p.annotator_id = row.text("annotator_id");
  p.visitor_id = row.text("visitor_id");
  p.annotator_name = row.text("annotator_name");
  p.outcome = word<Outcome>(row, "outcome");
  p.grade = row.maybe_int("grade").value_or(0);
  p.confidence = row.maybe_int("confidence");
  p.reason = row.text("reason");
  p.ms_to_decide = row.maybe_integer("ms_to_decide");
  p.idempotency_key = row.text("idempotency_key");
  p.body_sha256 = row.text("body_sha256");
  p.supersedes_id = row.text("supersedes_id");
  p.source = word<Source>(row, "source");
  p.blind = row.boolean("blind");
  p.superseded = row.boolean("superseded");
  if (!row.is_null("shown_layout")) {
    p.screen = {word<Layout>(row, "shown_layout"), row.maybe_int("shown_width_px").value_or(0),
                row.maybe_int("shown_height_px").value_or(0)};
  }
  p.created_at = row.time("created_at");
  return p;
}

Rewrite read_rewrite(const Row& row) {
  Rewrite r;
  r.id = row.text("id");
  r.exposure_id = row.text("exposure_id");
  r.generation_id = row.text("generation_id");
  r.pair_id = row.text("pair_id");
  r.visitor_id = row.text("visitor_id");
  r.annotator_id = row.text("annotator_id");
  r.text = row.text("text");
  r.sha256 = row.text("sha256");
  r.idempotency_key = row.text("idempotency_key");
  r.source = word<Source>(row, "source");
  r.act_id = row.text("act_id");
  r.created_at = row.time("created_at");
  return r;
}

Snapshot read_snapshot(const Row& row) {
  Snapshot s;
  s.id = row.text("id");
  s.name = row.text("name");
  s.spec = row.json("spec");
  s.sha256 = row.text("sha256");
  s.counts = row.json("counts");
  s.members = row.integer("members");
  s.train_members = row.integer("train_members");
  s.parent_id = row.text("parent_id");
  s.isolation = row.text("isolation");
  s.created_at = row.time("created_at");
  return s;
}

Run read_run(const Row& row) {
  Run r;
  r.id = row.text("id");
  r.name = row.text("name");
  r.kind = word<RunKind>(row, "kind");
  r.config = parse_ordered_json(row.text("config"), "storage.run.config");
  r.config_sha256 = row.text("config_sha256");
  r.model = row.text("model");
  r.base_sha256 = row.text("base_sha256");
  r.snapshot_id = row.text("snapshot_id");
  r.data_path = row.text("data_path");
  r.data_sha256 = row.text("data_sha256");
  r.start_adapter_id = row.text("start_adapter_id");
  r.seed = row.integer("seed");
  r.max_steps = row.integer("max_steps");
  r.out_folder = row.text("out_folder");
  r.state = word<RunState>(row, "state");
  r.step = row.integer("step");
  r.attempt = static_cast<int>(row.integer("attempt"));
  r.host = row.text("host");
  r.version = row.text("version");
  r.error = row.text("error");
  r.heartbeat_at = row.maybe_time("heartbeat_at");
  r.started_at = row.maybe_time("started_at");
  r.finished_at = row.maybe_time("finished_at");
  r.created_at = row.time("created_at");
  return r;
}

Adapter read_adapter(const Row& row) {
  Adapter a;
  a.id = row.text("id");
  a.name = row.text("name");
  a.run_id = row.text("run_id");
  a.path = row.text("path");
  a.sha256 = row.text("sha256");
  a.base_model = row.text("base_model");
  a.base_sha256 = row.text("base_sha256");
  a.parent_id = row.text("parent_id");
  a.r = row.integer("r");
  a.lora_alpha = row.real("lora_alpha");
  a.target_modules = row.texts("modules");
  a.template_sha256 = row.text("template_sha256");
  a.created_at = row.time("created_at");
  return a;
}

Row only_named(const Result& rows, const std::string& name, const char* what) {
  if (rows.empty()) throw_not_found(name, what);
  if (rows.size() > 1 && rows[0].text("name") != name && rows[0].text("id") != name) {
    throw UsageError(cat("[storage] '", name, "' must name one row, but ", rows.size(), " ids begin so."),
                     "give more of the id");
  }
  return rows[0];
}

}  // namespace afina::storage
