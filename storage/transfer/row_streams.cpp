// SPDX-License-Identifier: Apache-2.0
#include "storage/transfer/row_streams.h"

#include <cstdlib>

#include "storage/events/completions.h"
#include "storage/transaction.h"
#include "storage/transfer/export_sql.h"
#include "storage/transfer/mark_stream.h"

namespace afina::storage {
namespace {

// Condition on conversation c for exports that are not about judgements.
constexpr const char* kSince = "AND ($5::timestamptz IS NULL OR c.created_at >= $5::timestamptz) ";

std::string conversations_sql() {
  const auto of_messages = [](const std::string& entry) {
    return cat("coalesce((SELECT string_agg(", entry,
               ", '' ORDER BY m.turn) FROM message m LEFT JOIN generation g ON g.id = m.generation_id "
               "WHERE m.conversation_id = c.id), '')");
  };
  const std::string answer = cat(packed_entry("g.turn || '/' || g.slot || '/' || g.attempt", "g.text"), " || ",
                                 packed_entry("'m'", "g.model"), " || ", packed_entry("'p'", "g.params::text"));
  return cat("SELECT c.id, c.locale, c.source, c.mode, c.created_at, array_to_string(owner_consent.purposes, ' '), ",
             of_messages(packed_entry("left(m.role, 1)", "m.content")), ", ",
             of_messages(packed_entry("'-'", "coalesce(g.model, '')")), ", coalesce((SELECT string_agg(", answer,
             ", '' ORDER BY g.turn, g.slot, g.attempt) FROM generation g WHERE g.conversation_id = c.id "
             "AND g.error = ''), '') FROM conversation c",
             consented("c.visitor_id", "owner"), "WHERE", kOpenConversation, kInProject, kSince, "ORDER BY c.id");
}

std::string rankings_sql() {
  const std::string answer = packed_entry("r.rank", "g.text");
  return cat(
      "SELECT k.id, c.id, c.locale, k.annotator_id, ", packed_prompt("c.id", "k.turn"),
      ", k.answers, k.project_id IS NULL FROM (",
      "SELECT f.id, f.conversation_id, f.turn, f.visitor_id, f.annotator_id, f.created_at, NULL::uuid AS project_id, "
      "(SELECT string_agg(",
      answer,
      ", '' ORDER BY r.rank, r.n) FROM unnest(f.generation_ids, f.ranks) WITH ORDINALITY AS r(gid, rank, n) "
      "JOIN generation g ON g.id = r.gid) AS answers FROM answer_ranking f UNION ALL "
      "SELECT s.id, i.conversation_id, i.turn, s.visitor_id, s.annotator_id, s.created_at, s.project_id, "
      "(SELECT string_agg(",
      answer,
      ", '' ORDER BY r.rank, ia.position) FROM (SELECT tier.n - 1 AS rank, place.p::smallint AS position FROM "
      "jsonb_array_elements(s.tiers) WITH ORDINALITY AS tier(list, n), jsonb_array_elements_text(tier.list) AS "
      "place(p)) r JOIN item_answer ia ON ia.item_id = s.item_id AND ia.position = r.position "
      "JOIN generation g ON g.id = ia.generation_id) FROM submission s JOIN item i ON i.id = s.item_id "
      "WHERE s.kind = 'ranking' AND s.phase = 'work') k JOIN conversation c ON c.id = k.conversation_id",
      consented("c.visitor_id", "owner"), consented("k.visitor_id", "judge"), "WHERE", kOpenConversation,
      "AND ($4::uuid IS NULL OR k.project_id = $4::uuid) "
      "AND ($5::timestamptz IS NULL OR k.created_at >= $5::timestamptz) AND NOT",
      goes_beyond_text("c.id"), "ORDER BY k.id");
}

std::string scores_sql() {
  return cat("SELECT g.id, c.id, c.locale, ", packed_prompt("c.id", "g.turn"),
             ", g.text, g.model, avg(s.value) FILTER (WHERE", kOverallMark, "), count(*) FILTER (WHERE", kOverallMark,
             ") FROM answer_score s JOIN generation g ON g.id = s.generation_id "
             "JOIN conversation c ON c.id = g.conversation_id",
             consented("c.visitor_id", "owner"), consented("s.visitor_id", "judge"), "WHERE", kOpenConversation,
             kInProject, "AND ($5::timestamptz IS NULL OR s.created_at >= $5::timestamptz) AND", kStandingMark,
             "GROUP BY g.id, c.id ORDER BY g.id");
}

std::string single_rewrites_sql() {
  return cat("SELECT r.id, c.id, c.locale, ", packed_prompt("c.id", "g.turn"),
             ", g.id, g.text, g.model, r.annotator_id, r.text FROM standing_single_rewrite r "
             "JOIN generation g ON g.id = r.generation_id JOIN conversation c ON c.id = g.conversation_id",
             consented("c.visitor_id", "owner"), consented("r.visitor_id", "writer"), "WHERE", kOpenConversation,
             kInProject, "AND ($5::timestamptz IS NULL OR r.created_at >= $5::timestamptz) AND NOT",
             goes_beyond_text("c.id"), "ORDER BY g.id, r.id");
}

std::string demonstrations_sql() {
  return cat("SELECT c.id, c.locale, ", packed_prompt("c.id", "reply.turn"),
             ", reply.content FROM message reply JOIN conversation c ON c.id = reply.conversation_id "
             "JOIN import_conversation ic ON ic.conversation_id = c.id",
             consented("c.visitor_id", "owner"), "WHERE reply.role = 'assistant' AND reply.turn > 0 AND",
             kOpenConversation, kInProject, kSince, "ORDER BY c.id, reply.turn");
}

}  // namespace

ConversationStream::ConversationStream(Transaction& t, const ExportFilter& filter)
    : rows_(t, "export_conversations", conversations_sql(), export_params(filter),
            {.rows_per_fetch = 100, .ahead = filter.fetch_ahead}) {}

bool ConversationStream::next() {
  if (!rows_.next()) return false;
  const auto cell = [&](size_t column) { return rows_.text(column); };
  row_ = {cell(0), cell(1), cell(2), cell(3), cell(4), cell(5), cell(6), cell(7), cell(8)};
  return true;
}

RankingStream::RankingStream(Transaction& t, const ExportFilter& filter)
    : rows_(t, "export_rankings", rankings_sql(), export_params(filter),
            {.rows_per_fetch = 200, .ahead = filter.fetch_ahead}) {}

bool RankingStream::next() {
  if (!rows_.next()) return false;
  const auto cell = [&](size_t column) { return rows_.text(column); };
  row_ = {cell(0), cell(1), cell(2), cell(3), cell(4), cell(5), rows_.truth(6)};
  return true;
}

ScoreStream::ScoreStream(Transaction& t, const ExportFilter& filter)
    : rows_(t, "export_scores", scores_sql(), export_params(filter), {.ahead = filter.fetch_ahead}) {}

bool ScoreStream::next() {
  if (!rows_.next()) return false;
  const auto cell = [&](size_t column) { return rows_.text(column); };
  const int64_t marks = rows_.whole(7);
  const double mean = marks == 0 ? 0.0 : std::strtod(std::string(cell(6)).c_str(), nullptr);
  row_ = {cell(0), cell(1), cell(2), cell(3), cell(4), cell(5), mean, marks};
  return true;
}

SingleRewriteStream::SingleRewriteStream(Transaction& t, const ExportFilter& filter)
    : rows_(t, "export_single_rewrites", single_rewrites_sql(), export_params(filter), {.ahead = filter.fetch_ahead}) {}

bool SingleRewriteStream::next() {
  if (!rows_.next()) return false;
  const auto cell = [&](size_t column) { return rows_.text(column); };
  row_ = {cell(0), cell(1), cell(2), cell(3), cell(4), cell(5), cell(6), cell(7), cell(8)};
  return true;
}

DemonstrationStream::DemonstrationStream(Transaction& t, const ExportFilter& filter)
    : rows_(t, "export_demonstrations", demonstrations_sql(), export_params(filter), {.ahead = filter.fetch_ahead}) {}

bool DemonstrationStream::next() {
  if (!rows_.next()) return false;
  const auto cell = [&](size_t column) { return rows_.text(column); };
  row_ = {cell(0), cell(1), cell(2), cell(3)};
  return true;
}

}  // namespace afina::storage
