// SPDX-License-Identifier: Apache-2.0
#include "storage/tasks/item_rows.h"

#include <chrono>

#include "base/hash.h"

namespace afina::storage {
namespace {

// A UUIDv7 whose time says nothing about this item: annotators see ids, and gold is often added at another hour.
std::string item_id(Time project_time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(project_time.time_since_epoch()).count();
  const std::string digits = random_hex(10);
  const uint64_t bits = std::stoull(digits.substr(0, 16), nullptr, 16);
  const auto high = static_cast<uint16_t>(std::stoul(digits.substr(16, 4), nullptr, 16));
  return uuid_v7(static_cast<uint64_t>(ms), high & 0xfff, bits & ((uint64_t{1} << 62) - 1));
}

}  // namespace

OpenBatch open_batch(Transaction& t, const ItemRequest& request, ItemSource source) {
  require_uuid(request.project_id, "a project");
  require_uuid(request.workspace_id, "a workspace");
  // What is stored now (conversations, the importer) belongs to the project's workspace, whoever calls.
  t.exec("SELECT set_config('app.workspace', $1, true)", Params().text(request.workspace_id));
  t.exec("SELECT FROM project WHERE id = $1::uuid AND workspace_id = $2::uuid FOR NO KEY UPDATE",
         Params().text(request.project_id).text(request.workspace_id));
  OpenBatch batch;
  batch.project = get_project(t, request.project_id, request.workspace_id);
  batch.source = source;
  const Result earlier = t.exec(
      "SELECT added, existing, body_sha256, source FROM item_batch WHERE project_id = $1::uuid "
      "AND account_id = $2::uuid AND idempotency_key = $3",
      Params().text(request.project_id).text(request.account_id).text(request.idempotency_key));
  if (!earlier.empty()) {
    const Row row = earlier.one();
    if (row.text("body_sha256") != request.body_sha256 || row.text("source") != to_string(source))
      throw Conflict("[storage.tasks] an idempotency key must come with the same items again, but came with others.");
    batch.repeated = ItemsAdded{row.integer("added"), row.integer("existing")};
    return batch;
  }
  batch.round = t.exec("SELECT nextval('item_queue') AS n").one().integer("n");
  return batch;
}

void write_batch(Transaction& t, const OpenBatch& batch, const ItemRequest& request, const ItemsAdded& counts) {
  t.exec(
      "INSERT INTO item_batch (id, project_id, account_id, source, added, existing, idempotency_key, body_sha256) "
      "VALUES ($1::uuid, $2::uuid, $3::uuid, $4, $5::bigint, $6::bigint, $7, $8)",
      Params()
          .text(batch.batch_id)
          .text(request.project_id)
          .text(request.account_id)
          .text(to_string(batch.source))
          .integer(counts.added)
          .integer(counts.existing)
          .text(request.idempotency_key)
          .text(request.body_sha256));
}

void insert_item(Transaction& t, OpenBatch& batch, const ItemRow& row) {
  const bool known = row.is_gold || row.training;
  const std::string id = item_id(batch.project.created_at);
  Params item;
  item.text(id).text(batch.project.id).text(batch.batch_id).text(row.conversation_id).integer(int64_t{row.turn});
  item.text_or_null(row.pair_id).text_or_null(row.external_id).integer(int64_t{row.priority}).integer(batch.round);
  item.boolean(row.is_gold).boolean(row.training);
  row.gold ? item.json(*row.gold) : item.null();
  item.text(row.feedback).integer(row.text_chars);
  item.integer(known ? std::nullopt : std::optional<int>(batch.project.settings.overlap));
  item.text(to_string(batch.source)).texts(row.generation_ids);
  t.exec(
      "WITH one AS (INSERT INTO item (id, project_id, batch_id, conversation_id, turn, pair_id, external_id, priority, "
      "random_key, is_gold, training, gold, feedback, text_chars, overlap, source) VALUES ($1::uuid, $2::uuid, "
      "$3::uuid, $4::uuid, $5::integer, $6::uuid, $7, $8::smallint, queue_key($9::bigint), $10::boolean, $11::boolean, "
      "$12::jsonb, $13, $14::integer, $15::smallint, $16)) "
      "INSERT INTO item_answer (item_id, position, generation_id) SELECT $1::uuid, ordinality - 1, answer::uuid "
      "FROM unnest($17::text[]) WITH ORDINALITY AS a (answer, ordinality)",
      item);
  (row.is_gold ? batch.gold : row.training ? batch.training : batch.work) += 1;
  if (!known) batch.priorities.insert(row.priority);
}

void close_batch(Transaction& t, const OpenBatch& batch) {
  t.exec(
      "UPDATE project SET work_items = work_items + $2::bigint, training_available = training_available + "
      "$3::integer, gold_available = gold_available + $4::integer, priorities = ARRAY(SELECT DISTINCT p FROM "
      "unnest(priorities || $5::smallint[]) AS p ORDER BY p DESC), state = CASE WHEN state = 'finished' AND "
      "$2::bigint > 0 THEN 'open' ELSE state END, finished_at = CASE WHEN $2::bigint > 0 THEN NULL ELSE finished_at "
      "END "
      "WHERE id = $1::uuid",
      Params()
          .text(batch.project.id)
          .integer(batch.work)
          .integer(batch.training)
          .integer(batch.gold)
          .integers(std::vector<int>(batch.priorities.begin(), batch.priorities.end())));
}

}  // namespace afina::storage
