// SPDX-License-Identifier: Apache-2.0
#include "storage/transfer/settled.h"

#include "base/error.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"
#include "storage/transfer/export_sql.h"

namespace afina::storage {
namespace {

// SELECT columns of x, the verdict, and i, its item, which is work and neither practice nor a known answer.
std::string verdicts_sql(const std::string& columns, const std::string& condition, const std::string& joins = "") {
  return cat(
      "SELECT x.id, reviewer.annotator_id, ", columns, " FROM standing_adjudication x ", joins,
      " JOIN item i ON i.id = x.item_id AND i.overlap IS NOT NULL JOIN conversation c ON c.id = i.conversation_id",
      consented("c.visitor_id", "owner"),
      "JOIN account reviewer ON reviewer.id = x.account_id LEFT JOIN visitor me ON me.id = x.visitor_id "
      "LEFT JOIN current_consent mine ON mine.visitor_id = me.id WHERE",
      kOpenConversation, "AND (me.id IS NULL OR (me.withdrawn_at IS NULL AND ", allows("mine"),
      ")) AND ($4::uuid IS NULL OR i.project_id = $4::uuid) AND ($5::timestamptz IS NULL OR x.created_at >= "
      "$5::timestamptz) AND ",
      condition, " ORDER BY x.created_at, x.id");
}

void read_pairs(Transaction& t, const ExportFilter& filter, Settled& out) {
  const Result rows =
      t.exec(verdicts_sql("x.outcome, x.grade, i.pair_id, EXISTS (SELECT FROM item_answer ia JOIN pair ON pair.id = "
                          "i.pair_id WHERE ia.item_id = i.id AND ia.position = 0 AND ia.generation_id = "
                          "pair.generation_a_id) AS in_order, ARRAY(SELECT p.exposure_id FROM submission s "
                          "JOIN preference p ON p.id = s.preference_id WHERE s.item_id = i.id) AS exposures",
                          "x.outcome IS NOT NULL AND i.pair_id IS NOT NULL"),
             export_params(filter));
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    SettledPair& pair = out.pairs[row.text("pair_id")];
    pair.id = row.text("id");
    pair.annotator_id = row.text("annotator_id");
    pair.outcome = word<Outcome>(row, "outcome");
    pair.grade = row.maybe_int("grade").value_or(0);
    if (!row.boolean("in_order")) pair.grade = -pair.grade;
    for (std::string& id : row.ids("exposures"))
      pair.exposures.insert(std::move(id));
  }
}

void read_rankings(Transaction& t, const ExportFilter& filter, Settled& out) {
  const Result rows =
      t.exec(verdicts_sql(
                 cat("c.id AS conversation_id, c.locale, ", packed_prompt("c.id", "i.turn"),
                     " AS prompt, (SELECT string_agg(", packed_entry("tier.n - 1", "g.text"),
                     ", '' ORDER BY tier.n, ia.position) FROM jsonb_array_elements(x.tiers) WITH ORDINALITY AS "
                     "tier(list, n), jsonb_array_elements_text(tier.list) AS place(p) JOIN item_answer ia "
                     "ON ia.item_id = i.id AND ia.position = place.p::smallint JOIN generation g "
                     "ON g.id = ia.generation_id) AS answers, "
                     "ARRAY(SELECT s.id FROM submission s WHERE s.item_id = i.id AND s.kind = 'ranking') AS replaced"),
                 "x.tiers IS NOT NULL"),
             export_params(filter));
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    out.rankings.push_back({row.text("id"), row.text("conversation_id"), row.text("locale"), row.text("annotator_id"),
                            row.text("prompt"), row.text("answers")});
    for (std::string& id : row.ids("replaced"))
      out.replaced.insert(std::move(id));
  }
}

void read_rewrites(Transaction& t, const ExportFilter& filter, Settled& out) {
  const Result rows =
      t.exec(verdicts_sql("chosen.rewrite_id AS chosen, ARRAY(SELECT s.rewrite_id FROM submission s WHERE s.item_id = "
                          "i.id AND s.rewrite_id <> chosen.rewrite_id) AS others",
                          "chosen.rewrite_id IS NOT NULL", "JOIN submission chosen ON chosen.id = x.submission_id"),
             export_params(filter));
  for (size_t i = 0; i < rows.size(); ++i) {
    for (std::string& id : rows[i].ids("others"))
      out.rewrites[std::move(id)] = rows[i].text("chosen");
  }
}

}  // namespace

Settled settled_items(Transaction& t, const ExportFilter& filter) {
  Settled out;
  read_pairs(t, filter, out);
  read_rankings(t, filter, out);
  read_rewrites(t, filter, out);
  return out;
}

}  // namespace afina::storage
