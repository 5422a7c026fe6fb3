// SPDX-License-Identifier: Apache-2.0
#include "storage/quality/eligible.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "base/error.h"
#include "storage/events/completions.h"
#include "storage/people.h"
#include "storage/quality/eligible_detail.h"
#include "storage/quality/ranked.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

std::vector<std::string> source_words(const std::vector<Source>& sources) {
  std::vector<std::string> out;
  for (const Source source : sources) {
    out.emplace_back(to_string(source));
  }
  return out;
}

// Conversations and pairs that may be used: their owners allow training now, and they are text alone. An imported
// ranking's votes are pairs.
std::string eligible_sql() {
  return cat("SELECT pair.*, c.locale, c.source, c.workspace_id, ", kRankedTogether,
             " AS ranked "
             "FROM pair JOIN conversation c ON c.id = pair.conversation_id "
             "JOIN visitor v ON v.id = c.visitor_id JOIN current_consent k ON k.visitor_id = v.id "
             "WHERE c.withdrawn_at IS NULL AND v.withdrawn_at IS NULL AND k.granted AND 'train' = ANY (k.purposes) "
             "AND (cardinality($1::text[]) = 0 OR c.locale = ANY ($1::text[])) "
             "AND ($2::uuid IS NULL OR c.workspace_id = $2::uuid) AND NOT",
             goes_beyond_text("c.id"), "ORDER BY pair.id");
}

// Votes and rewrites that may be used: so do those who cast them.
constexpr const char* kCasterAllows =
    " JOIN visitor caster ON caster.id = p.visitor_id JOIN current_consent k ON k.visitor_id = caster.id "
    "WHERE caster.withdrawn_at IS NULL AND k.granted AND 'train' = ANY (k.purposes) "
    "AND (cardinality($1::text[]) = 0 OR p.source = ANY ($1::text[])) "
    "AND ($2::timestamptz IS NULL OR p.created_at < $2::timestamptz) ";

using PairIndex = std::unordered_map<std::string, size_t>;

void add_votes(Transaction& t, const EligibleFilter& filter, const PairIndex& index, std::vector<EligiblePair>& pairs) {
  Params params = Params().texts(source_words(filter.sources)).time(filter.before);
  const Result rewrites = t.exec(
      cat("SELECT DISTINCT ON (p.exposure_id) p.*, (SELECT name FROM annotator WHERE annotator.id = p.annotator_id) AS "
          "annotator_name FROM rewrite p",
          kCasterAllows,
          "AND p.exposure_id IS NOT NULL AND NOT EXISTS (SELECT FROM preference later WHERE later.supersedes_id = "
          "p.act_id AND later.visitor_id = p.visitor_id) "
          "AND NOT EXISTS (SELECT FROM submission s WHERE s.rewrite_id = p.id AND s.phase <> 'work') "
          "ORDER BY p.exposure_id, p.created_at DESC, p.id DESC"),
      params);
  for (size_t i = 0; i < rewrites.size(); ++i) {
    Rewrite rewrite = read_rewrite(rewrites[i]);
    const auto at = index.find(rewrite.pair_id);
    if (at == index.end()) continue;
    EligiblePair& pair = pairs[at->second];
    if (!is_stranger(rewrites[i].text("annotator_name"))) pair.known_rewriters.insert(rewrite.annotator_id);
    pair.rewrites.push_back(std::move(rewrite));
  }
  params.boolean(filter.blind_only);
  const Result votes =
      t.exec(cat("SELECT ", kPreferenceColumns, " FROM standing_preference p", kCasterAllows,
                 "AND (p.blind OR NOT $3::boolean) "
                 "AND NOT EXISTS (SELECT FROM submission s WHERE s.preference_id = p.id AND s.phase <> 'work') "
                 "ORDER BY p.created_at, p.id"),
             params);
  for (size_t i = 0; i < votes.size(); ++i) {
    Preference vote = read_preference(votes[i]);
    const auto at = index.find(vote.pair_id);
    if (at != index.end()) pairs[at->second].votes.push_back(std::move(vote));
  }
}

// Answers that stand in no pair, in the order of their ids, with the rewrites that people gave of them.
std::vector<EligiblePair> rewritten_answers(Transaction& t, const EligibleFilter& filter) {
  const Result rows = t.exec(
      cat("SELECT p.*, (SELECT name FROM annotator WHERE annotator.id = p.annotator_id) AS annotator_name, "
          "g.conversation_id, g.turn, c.locale, c.workspace_id, c.source AS conversation_source "
          "FROM standing_single_rewrite p JOIN generation g ON g.id = p.generation_id "
          "JOIN conversation c ON c.id = g.conversation_id JOIN visitor owner ON owner.id = c.visitor_id AND "
          "owner.withdrawn_at IS NULL JOIN current_consent allows ON allows.visitor_id = owner.id AND allows.granted "
          "AND 'train' = ANY (allows.purposes)",
          kCasterAllows,
          "AND (cardinality($3::text[]) = 0 OR c.locale = ANY ($3::text[])) "
          "AND ($4::uuid IS NULL OR c.workspace_id = $4::uuid) AND NOT",
          goes_beyond_text("c.id"), "ORDER BY p.generation_id, p.id"),
      Params()
          .texts(source_words(filter.sources))
          .time(filter.before)
          .texts(filter.locales)
          .text_or_null(filter.workspace_id));
  std::vector<EligiblePair> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    Rewrite rewrite = read_rewrite(rows[i]);
    if (out.empty() || out.back().pair.generation_a_id != rewrite.generation_id) {
      EligiblePair& p = out.emplace_back();
      p.pair.id.clear();
      p.pair.conversation_id = rows[i].text("conversation_id");
      p.pair.turn = static_cast<int>(rows[i].integer("turn"));
      p.pair.generation_a_id = rewrite.generation_id;
      p.locale = rows[i].text("locale");
      p.workspace_id = rows[i].text("workspace_id");
      p.source = word<Source>(rows[i], "conversation_source");
    }
    if (!is_stranger(rows[i].text("annotator_name"))) out.back().known_rewriters.insert(rewrite.annotator_id);
    out.back().rewrites.push_back(std::move(rewrite));
  }
  return out;
}

// Answers and earlier messages of each pair that is left, one query each.
void add_texts(Transaction& t, std::vector<EligiblePair>& pairs) {
  std::vector<std::string> answers, conversations;
  for (const EligiblePair& p : pairs) {
    answers.push_back(p.pair.generation_a_id);
    if (!p.pair.generation_b_id.empty()) answers.push_back(p.pair.generation_b_id);
    conversations.push_back(p.pair.conversation_id);
  }
  std::unordered_map<std::string, Generation> by_id;
  const Result generations = t.exec("SELECT * FROM generation WHERE id = ANY ($1::uuid[])", Params().texts(answers));
  for (size_t i = 0; i < generations.size(); ++i) {
    Generation g = read_generation(generations[i]);
    by_id.emplace(g.id, std::move(g));
  }
  std::unordered_map<std::string, std::vector<Message>> messages;
  const Result rows =
      t.exec("SELECT * FROM message WHERE conversation_id = ANY ($1::uuid[]) ORDER BY conversation_id, turn",
             Params().texts(conversations));
  for (size_t i = 0; i < rows.size(); ++i) {
    Message m = read_message(rows[i]);
    messages[m.conversation_id].push_back(std::move(m));
  }
  for (EligiblePair& p : pairs) {
    p.a = by_id.at(p.pair.generation_a_id);
    if (p.pair.generation_b_id.empty()) {
      p.b.id.clear();
    } else {
      p.b = by_id.at(p.pair.generation_b_id);
    }
    for (const Message& m : messages[p.pair.conversation_id]) {
      if (m.turn < p.pair.turn) p.prompt.push_back(m);
    }
  }
}

}  // namespace

bool is_stranger(std::string_view annotator_name) {
  return annotator_name.empty() || is_program_name(annotator_name);
}

std::vector<EligiblePair> eligible_pairs(Transaction& t, const EligibleFilter& filter) {
  std::vector<EligiblePair> pairs;
  PairIndex index;
  const Result rows = t.exec(eligible_sql(), Params().texts(filter.locales).text_or_null(filter.workspace_id));
  for (size_t i = 0; i < rows.size(); ++i) {
    EligiblePair p;
    p.pair = read_pair(rows[i]);
    p.locale = rows[i].text("locale");
    p.workspace_id = rows[i].text("workspace_id");
    p.source = word<Source>(rows[i], "source");
    p.ranked = rows[i].maybe_int("ranked").value_or(0);
    if (p.ranked > 0) p.ranking = cat(p.pair.conversation_id, "/", p.pair.turn);
    index.emplace(p.pair.id, pairs.size());
    pairs.push_back(std::move(p));
  }
  add_votes(t, filter, index, pairs);
  const auto items = adjudicated_items(t, filter, source_words(filter.sources));
  settle_pairs(t, items, index, pairs);
  settle_rewrites(t, items, pairs);
  std::erase_if(
      pairs, [](const EligiblePair& p) { return p.votes.empty() && p.rewrites.empty() && !p.adjudicated.has_value(); });
  for (EligiblePair& ranked : ranked_pairs(t, filter, source_words(filter.sources), items))
    pairs.push_back(std::move(ranked));
  std::vector<EligiblePair> single = rewritten_answers(t, filter);
  settle_rewrites(t, items, single);
  std::ranges::move(single, std::back_inserter(pairs));
  add_texts(t, pairs);
  return pairs;
}

int64_t count_practice_submissions(Transaction& t) {
  return t.exec("SELECT count(*) AS n FROM standing_submission WHERE phase <> 'work'").one().integer("n");
}

}  // namespace afina::storage
