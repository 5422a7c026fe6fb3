// SPDX-License-Identifier: Apache-2.0
#include "storage/transfer/pair_stream.h"

#include <iterator>
#include <utility>

#include "storage/events/completions.h"
#include "storage/quality/ranked.h"
#include "storage/transaction.h"
#include "storage/transfer/export_sql.h"
#include "storage/transfer/settled.h"

namespace afina::storage {
namespace {

// Condition on pair: something was said of it since $5. Raw judgements are about votes alone.
std::string said_since(bool for_training) {
  std::string out = "EXISTS (SELECT FROM preference p WHERE p.pair_id = pair.id AND p.created_at >= $5::timestamptz)";
  if (for_training) {
    out +=
        " OR EXISTS (SELECT FROM rewrite r WHERE r.pair_id = pair.id AND r.created_at >= $5::timestamptz) OR EXISTS "
        "(SELECT FROM item i JOIN adjudication x ON x.item_id = i.id WHERE i.pair_id = pair.id AND x.created_at >= "
        "$5::timestamptz)";
  }
  return out;
}

std::string pairs_sql(bool for_training) {
  return cat(
      "SELECT pair.id, pair.conversation_id, c.locale, c.source, a.id, a.model, a.adapter_id, a.text, b.id, b.model, "
      "b.adapter_id, b.text, ",
      packed_prompt("pair.conversation_id", "pair.turn"), ", pair.turn, ",
      for_training ? cat(kRankedTogether, ",", goes_beyond_text("pair.conversation_id")) : "0, false ",
      "FROM pair JOIN conversation c ON c.id = pair.conversation_id", consented("c.visitor_id", "owner"),
      "JOIN generation a ON a.id = pair.generation_a_id JOIN generation b ON b.id = pair.generation_b_id WHERE",
      kOpenConversation,
      "AND ($4::uuid IS NULL OR pair.id IN (SELECT i.pair_id FROM item i WHERE i.project_id = $4::uuid)) "
      "AND ($5::timestamptz IS NULL OR ",
      said_since(for_training), ") ORDER BY pair.id");
}

// A vote that was cast in a task has its details under the submission that made it.
constexpr const char* kTaskVotes =
    " LEFT JOIN (SELECT id AS task_id, preference_id FROM submission WHERE preference_id IS NOT NULL) task "
    "ON task.task_id = d.act_id ";

// Details of all acts, grouped once: most acts have none, and a lookup for each would cost more than the vote.
std::string details() {
  std::string joins;
  for (const DetailTable& table : detail_tables()) {
    joins += cat(" LEFT JOIN (SELECT coalesce(preference_id, act_id) AS vote_id, string_agg(", table.entry,
                 ", '' ORDER BY ", table.order, ") AS packed FROM ", table.name, " d", kTaskVotes, "GROUP BY 1) ",
                 table.name, " ON ", table.name, ".vote_id = p.id");
  }
  return joins;
}

// Whoever allows $1, with what else they allow: made into words once a person and not once a vote.
std::string judges() {
  return cat(
      " JOIN (SELECT v.id, array_to_string(k.purposes, ' ') AS words FROM visitor v JOIN current_consent k "
      "ON k.visitor_id = v.id WHERE v.withdrawn_at IS NULL AND ",
      allows("k"), " OFFSET 0) judge ON judge.id = p.visitor_id ");
}

// Whatever took the place of a vote on a whole pair is among the rows; of one project's votes it may be said elsewhere.
// older: $6 names exposures whose votes are asked for whenever they were cast.
std::string votes_sql(const ExportFilter& filter, bool older) {
  const char* superseded =
      filter.project_id.empty() ? "false" : "EXISTS (SELECT FROM preference later WHERE later.supersedes_id = p.id)";
  return cat(
      "SELECT p.pair_id, p.id, p.exposure_id, p.annotator_id, p.outcome, p.grade, p.confidence, p.reason, "
      "p.ms_to_decide, p.supersedes_id, p.source, p.created_at, judge.words, l.language, aspect_rating.packed, "
      "answer_flag.packed, span_note.packed, p.blind, e.a_on_left, e.leak_a, e.leak_b, p.shown_layout, "
      "p.shown_width_px, p.shown_height_px, ",
      superseded, " FROM preference p JOIN exposure e ON e.id = p.exposure_id", judges(),
      "LEFT JOIN (SELECT coalesce(preference_id, act_id) AS vote_id, language FROM reason_language d", kTaskVotes,
      ") l ON l.vote_id = p.id", details(),
      // Workspace and locale are the pair's: votes of other pairs are passed over in the merge.
      " WHERE ($2::uuid IS NULL OR true) AND ($3::text IS NULL OR true) AND ($4::uuid IS NULL OR EXISTS (SELECT FROM "
      "submission s WHERE s.preference_id = p.id AND s.project_id = $4::uuid)) "
      "AND ($5::timestamptz IS NULL OR p.created_at >= $5::timestamptz",
      older ? " OR p.exposure_id = ANY ($6::uuid[])" : "", ") ORDER BY p.pair_id, p.created_at, p.id");
}

std::string rewrites_sql() {
  return cat(
      "SELECT r.pair_id, r.id, r.exposure_id, r.act_id, r.annotator_id, r.text FROM standing_rewrite r",
      consented("r.visitor_id", "writer"),
      "WHERE ($2::uuid IS NULL OR true) AND ($3::text IS NULL OR true) AND ($4::uuid IS NULL OR EXISTS (SELECT FROM "
      "submission s WHERE s.rewrite_id = r.id AND s.project_id = $4::uuid)) "
      "AND ($5::timestamptz IS NULL OR r.created_at >= $5::timestamptz) ORDER BY r.pair_id, r.id");
}

// Sorting and grouping in memory as far as this goes: the default of 4 MB sends a million votes through files.
Transaction& prepared(Transaction& t) {
  t.script("SET LOCAL work_mem = '64MB'; SET LOCAL jit = off");
  return t;
}

CursorOptions options(const ExportFilter& filter, int64_t rows_per_fetch) {
  return {.rows_per_fetch = rows_per_fetch, .ahead = filter.fetch_ahead, .binary = true};
}

// A verdict weighs as much as the votes it took the place of, also those from before ExportFilter::since.
Cursor open_votes(Transaction& t, const ExportFilter& filter, const Settled* settled) {
  const bool older = settled != nullptr && filter.since;
  Params params = export_params(filter);
  if (older) {
    std::vector<std::string> exposures;
    for (const auto& [id, pair] : settled->pairs)
      exposures.insert(exposures.end(), pair.exposures.begin(), pair.exposures.end());
    params.texts(exposures);
  }
  return {t, "export_votes", votes_sql(filter, older), params, options(filter, 512)};
}

}  // namespace

PairStream::PairStream(Transaction& t, const ExportFilter& filter, const Settled* settled)
    : settled_(settled),
      pairs_(prepared(t), "export_pairs", pairs_sql(settled != nullptr), export_params(filter), options(filter, 128)),
      vote_rows_(open_votes(t, filter, settled)),
      rewrite_rows_(t, "export_rewrites", rewrites_sql(), export_params(filter), options(filter, 128)),
      more_votes_(vote_rows_.next()),
      more_rewrites_(rewrite_rows_.next()) {}

bool PairStream::next() {
  while (pairs_.next()) {
    read_pair();
    read_votes();
    read_rewrites();
    if (vote_count_ > 0 || !rewrites_.empty()) return true;
    if (settled_ != nullptr && settled_->pairs.contains(pair_ids_[0])) return true;
  }
  return false;
}

void PairStream::read_pair() {
  const Cursor& row = pairs_;
  pair_key_ = row.uuid(0);
  pair_ = {.locale = row.text(2),
           .source = row.text(3),
           .a_model = row.text(5),
           .a_text = row.text(7),
           .b_model = row.text(9),
           .b_text = row.text(11),
           .prompt = row.text(12),
           .turn = row.whole(13),
           .ranked = row.whole(14),
           .beyond_text = row.truth(15)};
  const std::pair<size_t, std::string_view*> ids[] = {{0, &pair_.id},   {1, &pair_.conversation_id},
                                                      {4, &pair_.a_id}, {6, &pair_.a_adapter_id},
                                                      {8, &pair_.b_id}, {10, &pair_.b_adapter_id}};
  for (size_t i = 0; i < std::size(ids); ++i) {
    write_uuid(row.uuid(ids[i].first), pair_ids_[i]);
    *ids[i].second = pair_ids_[i];
  }
}

// Vectors and their texts are used again for each pair, so that no row allocates.
void PairStream::read_votes() {
  size_t count = 0;
  for (; more_votes_ && vote_rows_.uuid(0) <= pair_key_; more_votes_ = vote_rows_.next()) {
    if (vote_rows_.uuid(0) != pair_key_) continue;
    if (count == votes_.size()) votes_.emplace_back();
    read_vote(votes_[count++]);
  }
  vote_count_ = count;
  for (const ExportVote& later : votes()) {
    if (later.supersedes_id.empty()) continue;
    for (size_t i = 0; i < count; ++i)
      votes_[i].superseded |= votes_[i].id == later.supersedes_id;
  }
}

void PairStream::read_vote(ExportVote& vote) const {
  const Cursor& row = vote_rows_;
  write_uuid(row.uuid(1), vote.id);
  write_uuid(row.uuid(2), vote.exposure_id);
  write_uuid(row.uuid(3), vote.annotator_id);
  vote.outcome.assign(row.text(4));
  vote.grade = row.maybe_whole(5);
  vote.confidence = row.maybe_whole(6);
  vote.reason.assign(row.text(7));
  vote.ms_to_decide = row.maybe_whole(8);
  write_uuid(row.uuid(9), vote.supersedes_id);
  vote.source.assign(row.text(10));
  vote.created_us = row.micros(11);
  size_t column = 12;
  for (std::string* field : {&vote.purposes, &vote.reason_language, &vote.aspects, &vote.flags, &vote.spans})
    field->assign(row.text(column++));
  vote.blind = row.truth(17);
  vote.a_on_left = row.truth(18);
  vote.leak_a = row.truth(19);
  vote.leak_b = row.truth(20);
  vote.layout.assign(row.text(21));
  vote.width_px = row.maybe_whole(22);
  vote.height_px = row.maybe_whole(23);
  vote.superseded = row.truth(24);
}

void PairStream::read_rewrites() {
  rewrites_.clear();
  for (; more_rewrites_ && rewrite_rows_.uuid(0) <= pair_key_; more_rewrites_ = rewrite_rows_.next()) {
    if (rewrite_rows_.uuid(0) != pair_key_) continue;
    ExportRewrite& rewrite = rewrites_.emplace_back();
    size_t column = 1;
    for (std::string* id : {&rewrite.id, &rewrite.exposure_id, &rewrite.act_id, &rewrite.annotator_id})
      write_uuid(rewrite_rows_.uuid(column++), *id);
    rewrite.text = rewrite_rows_.text(5);
  }
}

}  // namespace afina::storage
