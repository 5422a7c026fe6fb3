// SPDX-License-Identifier: Apache-2.0
// Items with what was said about them, for reviewers. People appear under a pseudonym that holds within the project.
#include <map>

#include "base/error.h"
#include "base/hash.h"
#include "storage/row_readers.h"
#include "storage/tasks/items.h"
#include "storage/tasks/queue_detail.h"
#include "storage/tasks/verdict_rows.h"

namespace afina::storage {
namespace {

using ById = std::map<std::string, ItemView*>;

std::string pseudonym(const std::string& project_id, const std::string& annotator_id) {
  return cat("P-", sha256_hex(cat(project_id, "/", annotator_id)).substr(0, 8));
}

ItemView read_item(const Row& row) {
  ItemView item;
  item.id = row.text("id");
  item.external_id = row.text("external_id");
  item.source = word<ItemSource>(row, "source");
  item.priority = static_cast<int>(row.integer("priority"));
  item.is_gold = row.boolean("is_gold");
  item.training = row.boolean("training");
  item.closed = row.boolean("closed");
  item.disputed = row.boolean("disputed");
  item.overlap = row.maybe_int("overlap");
  item.done_count = static_cast<int>(row.integer("done_count"));
  item.active_leases = static_cast<int>(row.integer("active_leases"));
  item.spread = row.maybe_real("spread");
  if (!row.is_null("gold")) item.gold = row.json("gold");
  return item;
}

// Texts whose owner withdrew or lets others judge them no more are not shown.
void add_texts(Transaction& t, const Params& ids, const ById& items) {
  const Result messages =
      t.exec(cat("SELECT i.id AS item_id, m.role, m.content FROM item i JOIN message m ON m.conversation_id = "
                 "i.conversation_id AND m.turn < i.turn WHERE i.id = ANY ($1::uuid[]) AND ",
                 kItemAllowed, " ORDER BY i.id, m.turn"),
             ids);
  for (size_t i = 0; i < messages.size(); ++i)
    items.at(messages[i].text("item_id"))->prompt.push_back({messages[i].text("role"), messages[i].text("content")});
  const Result answers =
      t.exec(cat("SELECT x.item_id, g.text FROM item i JOIN item_answer x ON x.item_id = i.id JOIN generation g "
                 "ON g.id = x.generation_id WHERE i.id = ANY ($1::uuid[]) AND ",
                 kItemAllowed, " ORDER BY x.item_id, x.position"),
             ids);
  for (size_t i = 0; i < answers.size(); ++i)
    items.at(answers[i].text("item_id"))->answers.push_back(answers[i].text("text"));
}

void add_submissions(Transaction& t, const std::string& project_id, const Params& ids, const ById& items) {
  const Result rows = t.exec(
      "SELECT s.*, coalesce((SELECT json_agg(json_build_object('position', x.position, 'aspect', r.aspect, 'value', "
      "r.value) ORDER BY x.position, r.aspect) FROM aspect_rating r JOIN item_answer x ON x.item_id = s.item_id AND "
      "x.generation_id = r.generation_id WHERE r.act_id = s.id), '[]') AS ratings, "
      "coalesce((SELECT json_agg(json_build_object('position', x.position, 'kind', f.kind) ORDER BY x.position, "
      "f.kind) "
      "FROM answer_flag f JOIN item_answer x ON x.item_id = s.item_id AND x.generation_id = f.generation_id "
      "WHERE f.act_id = s.id), '[]') AS flags FROM standing_submission s WHERE s.item_id = ANY ($1::uuid[]) "
      "ORDER BY s.id",
      ids);
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    SubmissionView view;
    view.id = row.text("id");
    view.annotator = pseudonym(project_id, row.text("annotator_id"));
    view.reason = row.text("reason");
    view.rewrite = row.text("rewrite");
    view.verdict = read_verdict(row);
    for (const Json& r : row.json("ratings")) {
      Aspect aspect{};
      if (from_string(r.at("aspect").get<std::string>(), aspect))
        view.verdict.ratings.push_back({r.at("position").get<int>(), aspect, r.at("value").get<int>()});
    }
    for (const Json& f : row.json("flags")) {
      FlagKind kind{};
      if (from_string(f.at("kind").get<std::string>(), kind))
        view.verdict.flags.push_back({f.at("position").get<int>(), kind});
    }
    view.hasty = row.boolean("hasty");
    if (!row.is_null("correct")) view.correct = row.boolean("correct");
    view.confidence = row.maybe_int("confidence");
    view.ms_to_decide = row.maybe_integer("ms_to_decide");
    view.created_at = row.time("created_at");
    items.at(row.text("item_id"))->submissions.push_back(std::move(view));
  }
}

void add_adjudications(Transaction& t, ProjectKind kind, const Params& ids, const ById& items) {
  const Result rows = t.exec("SELECT * FROM standing_adjudication WHERE item_id = ANY ($1::uuid[])", ids);
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    AdjudicationView view{row.text("id"), row.text("note"), Json::object(), row.time("created_at")};
    if (!row.is_null("submission_id"))
      view.verdict = Json{{"submission", row.text("submission_id")}};
    else if (!row.is_null("flags"))
      view.verdict = Json{{"flags", row.json("flags")}};
    else if (!row.is_null("ratings"))
      view.verdict = Json{{"ratings", row.json("ratings")}};
    else
      view.verdict = verdict_to_json(kind, read_verdict(row));
    items.at(row.text("item_id"))->adjudication = std::move(view);
  }
}

}  // namespace

std::vector<ItemView> list_items(Transaction& t, const Project& project, WhichItems which, int64_t limit,
                                 const std::string& before) {
  if (!before.empty()) require_uuid(before, "an item");
  const char* only = which == WhichItems::disputed ? "AND disputed "
                     : which == WhichItems::decided
                         ? "AND EXISTS (SELECT FROM standing_adjudication d WHERE d.item_id = item.id) "
                         : "";
  const Result rows =
      t.exec(cat("SELECT * FROM item WHERE project_id = $1::uuid AND ($2::uuid IS NULL OR id < $2::uuid) ", only,
                 "ORDER BY id DESC LIMIT $3::bigint"),
             Params().text(project.id).text_or_null(before).integer(limit));
  std::vector<ItemView> items;
  std::vector<std::string> ids;
  for (size_t i = 0; i < rows.size(); ++i) {
    items.push_back(read_item(rows[i]));
    ids.push_back(items.back().id);
  }
  if (items.empty()) return items;
  ById by_id;
  for (ItemView& item : items)
    by_id.emplace(item.id, &item);
  const Params params = Params().texts(ids);
  add_texts(t, params, by_id);
  add_submissions(t, project.id, params, by_id);
  add_adjudications(t, project.settings.kind, params, by_id);
  return items;
}

}  // namespace afina::storage
