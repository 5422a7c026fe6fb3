// SPDX-License-Identifier: Apache-2.0
// Items from what is there already: pairs of conversations, and pairs on which a run and the votes part.
#include <cmath>

#include "base/error.h"
#include "storage/row_readers.h"
#include "storage/tasks/item_rows.h"

namespace afina::storage {
namespace {

// Pairs of this workspace that others may judge now and that the project does not have. $1 project, $2 workspace.
constexpr const char* kUsablePairs =
    "JOIN conversation c ON c.id = pair.conversation_id JOIN visitor v ON v.id = c.visitor_id "
    "JOIN current_consent k ON k.visitor_id = v.id JOIN generation a ON a.id = pair.generation_a_id "
    "JOIN generation b ON b.id = pair.generation_b_id "
    "WHERE c.workspace_id = $2::uuid AND c.withdrawn_at IS NULL AND v.withdrawn_at IS NULL AND k.granted "
    "AND 'review' = ANY (k.purposes) AND a.error = '' AND b.error = '' "
    "AND NOT EXISTS (SELECT FROM item i WHERE i.project_id = $1::uuid AND i.pair_id = pair.id) ";
constexpr const char* kPairColumns =
    "pair.id, pair.conversation_id, pair.turn, pair.generation_a_id, pair.generation_b_id, length(a.text) + "
    "length(b.text) + (SELECT coalesce(sum(length(m.content)), 0) FROM message m WHERE m.conversation_id = "
    "pair.conversation_id AND m.turn < pair.turn) AS chars ";

ItemsAdded add_pairs(Transaction& t, OpenBatch& batch, const ItemRequest& request, const Result& rows) {
  const ItemsAdded counts{static_cast<int64_t>(rows.size()), 0};
  write_batch(t, batch, request, counts);
  for (size_t i = 0; i < rows.size(); ++i) {
    ItemRow row;
    row.pair_id = rows[i].text("id");
    row.conversation_id = rows[i].text("conversation_id");
    row.turn = static_cast<int>(rows[i].integer("turn"));
    row.text_chars = rows[i].integer("chars");
    row.generation_ids = {rows[i].text("generation_a_id"), rows[i].text("generation_b_id")};
    insert_item(t, batch, row);
  }
  close_batch(t, batch);
  return counts;
}

std::string run_with_losses(Transaction& t, const std::string& run_id) {
  if (!run_id.empty()) require_uuid(run_id, "a run");
  const Result rows = t.exec(
      "SELECT id FROM run r WHERE ($1::uuid IS NULL OR id = $1::uuid) AND EXISTS (SELECT FROM example_loss l "
      "WHERE l.run_id = r.id) ORDER BY created_at DESC, id DESC LIMIT 1",
      Params().text_or_null(run_id));
  if (rows.empty()) throw_not_found(run_id.empty() ? "any" : run_id, "a run whose example losses are known");
  return rows.one().text("id");
}

}  // namespace

ItemsAdded add_items_from_conversations(Transaction& t, const ItemRequest& request, const std::string& locale,
                                        int64_t limit) {
  OpenBatch batch = open_batch(t, request, ItemSource::conversations);
  if (batch.repeated) return *batch.repeated;
  const Result rows =
      t.exec(cat("SELECT ", kPairColumns, "FROM pair ", kUsablePairs,
                 "AND ($3::text IS NULL OR c.locale = $3) ORDER BY (SELECT count(*) FROM preference p "
                 "WHERE p.pair_id = pair.id), pair.id LIMIT $4::bigint"),
             Params().text(request.project_id).text(request.workspace_id).text_or_null(locale).integer(limit));
  return add_pairs(t, batch, request, rows);
}

ItemsAdded add_items_from_review(Transaction& t, const ItemRequest& request, const std::string& run_id, int64_t limit) {
  OpenBatch batch = open_batch(t, request, ItemSource::review);
  if (batch.repeated) return *batch.repeated;
  // A row of a snapshot names its pair; a row of a file names the votes behind it.
  const Result rows = t.exec(
      cat("WITH worst AS (SELECT coalesce(m.pair_id, (SELECT p.pair_id FROM preference p WHERE p.id = "
          "e.preference_ids[1])) AS pair_id, max(l.loss) AS loss FROM example_loss l JOIN training_example e "
          "USING (run_id, split, row) JOIN run r ON r.id = l.run_id LEFT JOIN snapshot_member m "
          "ON m.snapshot_id = r.snapshot_id AND m.position = e.snapshot_position WHERE l.run_id = $3::uuid GROUP BY 1) "
          "SELECT ",
          kPairColumns, "FROM worst JOIN pair ON pair.id = worst.pair_id ", kUsablePairs,
          "ORDER BY worst.loss DESC, pair.id LIMIT $4::bigint"),
      Params().text(request.project_id).text(request.workspace_id).text(run_with_losses(t, run_id)).integer(limit));
  return add_pairs(t, batch, request, rows);
}

void put_example_losses(Transaction& t, const std::string& run_id, const std::vector<ExampleLossRow>& rows) {
  require_uuid(run_id, "a run");
  std::vector<std::string> splits;
  std::vector<int64_t> numbers;
  std::vector<double> losses;
  for (const auto& row : rows) {
    if (!std::isfinite(row.loss)) continue;
    splits.push_back(row.split);
    numbers.push_back(row.row);
    losses.push_back(row.loss);
  }
  t.exec(
      "INSERT INTO example_loss (run_id, split, row, loss) SELECT DISTINCT ON (s, n) $1::uuid, s, n, l FROM "
      "unnest($2::text[], $3::bigint[], $4::double precision[]) WITH ORDINALITY AS x (s, n, l, place) "
      "ORDER BY s, n, place DESC ON CONFLICT (run_id, split, row) DO UPDATE SET loss = excluded.loss",
      Params().text(run_id).texts(splits).integers(numbers).reals(losses));
}

bool has_example_losses(Transaction& t, const std::string& run_id) {
  require_uuid(run_id, "a run");
  return t.exec("SELECT EXISTS (SELECT FROM example_loss WHERE run_id = $1::uuid) AS has", Params().text(run_id))
      .one()
      .boolean("has");
}

}  // namespace afina::storage
