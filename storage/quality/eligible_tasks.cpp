// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "storage/events/completions.h"
#include "storage/quality/eligible_detail.h"
#include "storage/row_readers.h"
#include "storage/tasks/verdict_rows.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

// An item's conversation, whose owner allows training.
constexpr const char* kOpenItem =
    " JOIN item i ON i.id = x.item_id JOIN conversation c ON c.id = i.conversation_id AND c.withdrawn_at IS NULL "
    "JOIN visitor owner ON owner.id = c.visitor_id AND owner.withdrawn_at IS NULL "
    "JOIN current_consent allows ON allows.visitor_id = owner.id AND allows.granted AND 'train' = ANY "
    "(allows.purposes) ";
constexpr const char* kItemColumns =
    "i.id AS item_id, i.pair_id, i.conversation_id, i.turn, c.workspace_id, c.locale, c.source AS conversation_source, "
    "ARRAY(SELECT ia.generation_id FROM item_answer ia WHERE ia.item_id = i.id ORDER BY ia.position) AS answers ";
constexpr const char* kAsked =
    "AND (cardinality($1::text[]) = 0 OR c.locale = ANY ($1::text[])) "
    "AND ($2::timestamptz IS NULL OR x.created_at < $2::timestamptz) "
    "AND ($3::uuid IS NULL OR c.workspace_id = $3::uuid) ";

Params asked(const EligibleFilter& filter) {
  Params params;
  params.texts(filter.locales).time(filter.before).text_or_null(filter.workspace_id);
  return params;
}

struct RankedItem {
  EligiblePair pattern;  ///< without answers and votes
  std::vector<std::string> answers;
  std::vector<Preference> rankings;  ///< without a grade
  std::vector<std::map<int, int>> places;
  std::optional<AdjudicatedItem> verdict;
};

std::map<int, int> places_of(const TaskVerdict& verdict) {
  std::map<int, int> out;
  for (size_t tier = 0; tier < verdict.tiers.size(); ++tier) {
    for (const int position : verdict.tiers[tier])
      out[position] = static_cast<int>(tier);
  }
  return out;
}

int grade_of(const std::map<int, int>& places, int a, int b) {
  const auto first = places.find(a), second = places.find(b);
  if (first == places.end() || second == places.end() || first->second == second->second) return 0;
  return first->second < second->second ? kRankingGrade : -kRankingGrade;
}

// Without answers and votes, of a row of kItemColumns.
EligiblePair pattern_of(const AdjudicatedItem& item) {
  EligiblePair out;
  out.pair.id.clear();
  out.pair.conversation_id = item.conversation_id;
  out.pair.turn = item.turn;
  out.workspace_id = item.workspace_id;
  out.locale = item.locale;
  out.source = item.source;
  out.ranked = static_cast<int>(item.answers.size());
  out.ranking = item.item_id;
  out.ranked_item = true;
  return out;
}

// The columns of kItemColumns.
AdjudicatedItem read_item(const Row& row) {
  AdjudicatedItem item;
  item.item_id = row.text("item_id");
  item.pair_id = row.text("pair_id");
  item.conversation_id = row.text("conversation_id");
  item.workspace_id = row.text("workspace_id");
  item.turn = static_cast<int>(row.integer("turn"));
  item.locale = row.text("locale");
  item.source = word<Source>(row, "conversation_source");
  item.answers = row.ids("answers");
  return item;
}

// All two answers of an item that somebody put in an order.
void add_pairs(const RankedItem& item, std::vector<EligiblePair>& out) {
  const auto count = static_cast<int>(item.answers.size());
  for (int a = 0; a < count; ++a) {
    for (int b = a + 1; b < count; ++b) {
      EligiblePair pair = item.pattern;
      pair.pair.generation_a_id = item.answers[static_cast<size_t>(a)];
      pair.pair.generation_b_id = item.answers[static_cast<size_t>(b)];
      bool strict = false;
      for (size_t i = 0; i < item.rankings.size(); ++i) {
        Preference vote = item.rankings[i];
        vote.grade = grade_of(item.places[i], a, b);
        strict |= vote.grade != 0;
        pair.votes.push_back(std::move(vote));
      }
      if (item.verdict) {
        const int grade = grade_of(places_of(item.verdict->verdict), a, b);
        strict = grade != 0;
        pair.adjudicated = Adjudicated{item.verdict->id, item.verdict->annotator_id, Outcome::graded, grade,
                                       std::exchange(pair.votes, {})};
      }
      if (strict) out.push_back(std::move(pair));
    }
  }
}

}  // namespace

std::vector<AdjudicatedItem> adjudicated_items(Transaction& t, const EligibleFilter& filter,
                                               const std::vector<std::string>& sources) {
  if (!sources.empty() && std::ranges::find(sources, to_string(Source::web)) == sources.end()) return {};
  const Result rows =
      t.exec(cat("SELECT x.id, x.outcome, x.grade, x.tiers, chosen.rewrite_id, x.created_at, reviewer.annotator_id, "
                 "w.name AS annotator_name, ",
                 kItemColumns, "FROM standing_adjudication x", kOpenItem,
                 "JOIN account reviewer ON reviewer.id = x.account_id JOIN annotator w ON w.id = reviewer.annotator_id "
                 "LEFT JOIN submission chosen ON chosen.id = x.submission_id "
                 "LEFT JOIN visitor me ON me.id = x.visitor_id LEFT JOIN current_consent mine ON mine.visitor_id = "
                 "me.id WHERE i.overlap IS NOT NULL AND x.ratings IS NULL AND x.flags IS NULL AND (me.id IS NULL OR "
                 "(me.withdrawn_at IS NULL "
                 "AND mine.granted AND 'train' = ANY (mine.purposes))) ",
                 kAsked, "AND NOT", goes_beyond_text("c.id"), "ORDER BY x.created_at, x.id"),
             asked(filter));
  std::vector<AdjudicatedItem> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    AdjudicatedItem item = read_item(row);
    item.id = row.text("id");
    item.annotator_id = row.text("annotator_id");
    item.annotator_name = row.text("annotator_name");
    item.created_at = row.time("created_at");
    item.verdict = read_verdict(row);
    item.rewrite_id = row.text("rewrite_id");
    out.push_back(std::move(item));
  }
  return out;
}

void settle_pairs(Transaction& t, const std::vector<AdjudicatedItem>& items,
                  const std::unordered_map<std::string, size_t>& index, std::vector<EligiblePair>& pairs) {
  std::vector<std::string> ids;
  for (const AdjudicatedItem& item : items) {
    if (item.verdict.outcome) ids.push_back(item.item_id);
  }
  if (ids.empty()) return;
  const Result rows = t.exec(
      "SELECT s.item_id, p.exposure_id FROM submission s JOIN preference p ON p.id = s.preference_id "
      "WHERE s.item_id = ANY ($1::uuid[])",
      Params().texts(ids));
  std::map<std::string, std::set<std::string>> exposures;
  for (size_t i = 0; i < rows.size(); ++i)
    exposures[rows[i].text("item_id")].insert(rows[i].text("exposure_id"));
  for (const AdjudicatedItem& item : items) {
    const auto at = index.find(item.pair_id);
    if (!item.verdict.outcome || at == index.end()) continue;
    EligiblePair& pair = pairs[at->second];
    Adjudicated settled{item.id, item.annotator_id, *item.verdict.outcome, item.verdict.grade, {}};
    // A pair's A need not be the item's first answer: the pair may be older than the item.
    if (item.answers.at(0) != pair.pair.generation_a_id) settled.grade = -settled.grade;
    if (pair.adjudicated) settled.replaced = std::move(pair.adjudicated->replaced);
    const auto& of_item = exposures[item.item_id];
    std::erase_if(pair.votes, [&](Preference& vote) {
      if (!of_item.contains(vote.exposure_id)) return false;
      settled.replaced.push_back(vote);
      return true;
    });
    pair.adjudicated = std::move(settled);
  }
}

void settle_rewrites(Transaction& t, const std::vector<AdjudicatedItem>& items, std::vector<EligiblePair>& pairs) {
  std::vector<std::string> ids;
  for (const AdjudicatedItem& item : items) {
    if (!item.rewrite_id.empty()) ids.push_back(item.item_id);
  }
  if (ids.empty()) return;
  const Result rows =
      t.exec("SELECT item_id, rewrite_id FROM submission WHERE item_id = ANY ($1::uuid[]) AND rewrite_id IS NOT NULL",
             Params().texts(ids));
  std::map<std::string, std::set<std::string>> rewrites;
  for (size_t i = 0; i < rows.size(); ++i)
    rewrites[rows[i].text("item_id")].insert(rows[i].text("rewrite_id"));
  std::unordered_map<std::string, EligiblePair*> holder;  // by rewrite
  for (EligiblePair& pair : pairs) {
    for (const Rewrite& rewrite : pair.rewrites)
      holder[rewrite.id] = &pair;
  }
  for (const AdjudicatedItem& item : items) {
    const auto at = holder.find(item.rewrite_id);
    if (at == holder.end()) continue;
    EligiblePair& pair = *at->second;
    const auto is_chosen = [&](const Rewrite& rewrite) { return rewrite.id == item.rewrite_id; };
    if (std::ranges::none_of(pair.rewrites, is_chosen)) continue;
    const auto& of_item = rewrites[item.item_id];
    const auto gone = std::erase_if(
        pair.rewrites, [&](const Rewrite& rewrite) { return !is_chosen(rewrite) && of_item.contains(rewrite.id); });
    pair.chosen_rewrites[item.rewrite_id] = {item.id, static_cast<int64_t>(gone)};
  }
}

std::vector<EligiblePair> ranked_pairs(Transaction& t, const EligibleFilter& filter,
                                       const std::vector<std::string>& sources,
                                       const std::vector<AdjudicatedItem>& items) {
  std::map<std::string, RankedItem> ranked;
  const Result rows =
      t.exec(cat("SELECT x.id, x.tiers, NULL AS outcome, NULL AS grade, x.annotator_id, x.visitor_id, x.created_at, "
                 "x.source, w.name AS annotator_name, ",
                 kItemColumns, "FROM standing_submission x", kOpenItem,
                 "JOIN current_consent mine ON mine.visitor_id = x.visitor_id AND mine.granted AND 'train' = ANY "
                 "(mine.purposes) JOIN annotator w ON w.id = x.annotator_id "
                 "WHERE x.kind = 'ranking' AND x.phase = 'work' ",
                 kAsked, "AND NOT", goes_beyond_text("c.id"),
                 "AND (cardinality($4::text[]) = 0 OR x.source = ANY ($4::text[])) ORDER BY x.created_at, x.id"),
             asked(filter).texts(sources));
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    RankedItem& item = ranked[row.text("item_id")];
    const AdjudicatedItem about = read_item(row);
    item.answers = about.answers;
    item.pattern = pattern_of(about);
    Preference vote;
    vote.id = row.text("id");
    vote.annotator_id = row.text("annotator_id");
    vote.annotator_name = row.text("annotator_name");
    vote.visitor_id = row.text("visitor_id");
    vote.source = word<Source>(row, "source");
    vote.created_at = row.time("created_at");
    item.rankings.push_back(std::move(vote));
    item.places.push_back(places_of(read_verdict(row)));
  }
  for (const AdjudicatedItem& verdict : items) {
    if (verdict.verdict.tiers.empty()) continue;
    RankedItem& item = ranked[verdict.item_id];
    item.answers = verdict.answers;
    item.pattern = pattern_of(verdict);
    item.verdict = verdict;
  }
  std::vector<EligiblePair> out;
  for (const auto& [id, item] : ranked)
    add_pairs(item, out);
  return out;
}

}  // namespace afina::storage
