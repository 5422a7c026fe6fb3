// SPDX-License-Identifier: Apache-2.0
#include "storage/judgements/votes.h"

#include <map>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/json.h"
#include "storage/events/outbox.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

const std::string kNilUuid = "00000000-0000-0000-0000-000000000000";  // of nobody

/// A person's exposure with what its vote needs to know of its surroundings.
struct Seen {
  ShownPair shown;
  std::string conversation_id, workspace_id;
};

/// What the tables say about the exposures and keys of a batch.
struct Known {
  std::unordered_map<std::string, Seen> seen;                          ///< by exposure; the drafts' visitors' own only
  std::unordered_set<std::string> ended;                               ///< exposures of drafts whose session has ended
  std::map<std::pair<std::string, std::string>, Preference> by_key;    ///< annotator, key
  std::unordered_map<std::string, std::pair<std::string, bool>> last;  ///< by exposure: newest row, whether retracted
  bool listened = true;                                                ///< some webhook may be active
};

using Drafts = std::vector<const VoteDraft*>;

Seen read_seen(const Row& row) {
  return {{read_exposure(row), row.text("generation_a_id"), row.text("generation_b_id")},
          row.text("conversation_id"),
          row.text("workspace_id")};
}

// Without a lock, since most votes are the first on their pair: nothing can be revealed or taken back before a vote,
// and the table's keys let only one first vote in. Returns those on whose pair or with whose key something was said.
Drafts first_look(Transaction& t, const Drafts& drafts, Known& known) {
  std::vector<std::string> exposures, visitors, keys;
  for (const VoteDraft* draft : drafts) {
    exposures.push_back(is_uuid(draft->vote.exposure_id) ? draft->vote.exposure_id : kNilUuid);
    visitors.push_back(is_uuid(draft->vote.visitor_id) ? draft->vote.visitor_id : kNilUuid);
    keys.push_back(draft->vote.idempotency_key);
  }
  // LIMIT keeps them look-ups in an index, whatever the planner thinks of the table's size.
  const Result rows = t.exec(
      "SELECT a.place, v.session_sha256, v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL AS there, e.*, "
      "pair.generation_a_id, pair.generation_b_id, pair.conversation_id, c.workspace_id, "
      "earlier.id IS NOT NULL OR repeat.id IS NOT NULL AS said, "
      "EXISTS (SELECT FROM webhook WHERE state = 'active') AS listened "
      "FROM unnest($1::uuid[], $2::uuid[], $3::text[]) WITH ORDINALITY AS a (exposure, visitor, key, place) "
      "JOIN visitor v ON v.id = a.visitor LEFT JOIN exposure e ON e.id = a.exposure AND e.visitor_id = v.id "
      "LEFT JOIN pair ON pair.id = e.pair_id LEFT JOIN conversation c ON c.id = pair.conversation_id "
      "LEFT JOIN LATERAL (SELECT p.id FROM preference p WHERE p.exposure_id = e.id LIMIT 1) earlier ON true "
      "LEFT JOIN LATERAL (SELECT p.id FROM preference p WHERE p.annotator_id = v.annotator_id "
      "AND p.idempotency_key = a.key LIMIT 1) repeat ON true",
      Params().texts(exposures).texts(visitors).texts(keys));
  Drafts again;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    known.listened = row.boolean("listened");
    const VoteDraft& draft = *drafts[static_cast<size_t>(row.integer("place")) - 1];
    if (!draft.session_sha256.empty() && draft.session_sha256 != row.text("session_sha256")) {
      known.ended.insert(draft.vote.exposure_id);
    } else if (!row.is_null("id") && row.boolean("there")) {
      known.seen.emplace(draft.vote.exposure_id, read_seen(row));
      if (row.boolean("said")) again.push_back(&draft);
    }
  }
  return again;
}

// One act at a time on an exposure: repeats, corrections, undos and reveals of it queue here until the transaction
// ends. In the order of ids, so that two batches cannot wait for each other.
void lock_exposures(Transaction& t, const Drafts& drafts, Known& known) {
  std::vector<std::string> ids;
  for (const VoteDraft* draft : drafts) {
    if (is_uuid(draft->vote.exposure_id)) ids.push_back(draft->vote.exposure_id);
    known.seen.erase(draft->vote.exposure_id);
  }
  const Result rows = t.exec(
      "SELECT e.*, pair.generation_a_id, pair.generation_b_id, pair.conversation_id, c.workspace_id "
      "FROM exposure e JOIN visitor v ON v.id = e.visitor_id "
      "JOIN pair ON pair.id = e.pair_id JOIN conversation c ON c.id = pair.conversation_id "
      "WHERE e.id = ANY ($1::uuid[]) AND v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL "
      "ORDER BY e.id FOR NO KEY UPDATE OF e",
      Params().texts(ids));
  for (size_t i = 0; i < rows.size(); ++i)
    known.seen.emplace(rows[i].text("id"), read_seen(rows[i]));
}

const Seen* seen_by(const Known& known, const NewPreference& vote) {
  const auto found = known.seen.find(vote.exposure_id);
  return found == known.seen.end() || found->second.shown.exposure.visitor_id != vote.visitor_id ? nullptr
                                                                                                 : &found->second;
}

// After the locks: a statement of its own, so that it sees what the one before in the queue committed.
void look_up(Transaction& t, const Drafts& drafts, Known& known) {
  std::vector<std::string> annotators, keys, exposures;
  for (const VoteDraft* draft : drafts) {
    const Seen* seen = seen_by(known, draft->vote);
    if (seen == nullptr) continue;
    annotators.push_back(seen->shown.exposure.annotator_id);
    keys.push_back(draft->vote.idempotency_key);
    exposures.push_back(seen->shown.exposure.id);
  }
  if (exposures.empty()) return;
  // LIMIT keeps it a look-up in the index for each key, whatever the planner thinks of the table's size.
  const Result repeats =
      t.exec(cat("SELECT p.* FROM unnest($1::uuid[], $2::text[]) AS v (annotator, key) CROSS JOIN LATERAL (SELECT ",
                 kPreferenceColumns,
                 " FROM preference p WHERE p.annotator_id = v.annotator AND p.idempotency_key = v.key ", "LIMIT 1) p"),
             Params().texts(annotators).texts(keys));
  for (size_t i = 0; i < repeats.size(); ++i) {
    Preference stored = read_preference(repeats[i]);
    known.by_key.emplace(std::pair(stored.annotator_id, stored.idempotency_key), std::move(stored));
  }
  const Result newest = t.exec(
      "SELECT p.id, p.exposure_id, p.outcome = 'retracted' AS retracted FROM preference p "
      "WHERE p.exposure_id = ANY ($1::uuid[]) "
      "AND NOT EXISTS (SELECT FROM preference later WHERE later.supersedes_id = p.id)",
      Params().texts(exposures));
  for (size_t i = 0; i < newest.size(); ++i) {
    known.last.emplace(newest[i].text("exposure_id"), std::pair(newest[i].text("id"), newest[i].boolean("retracted")));
  }
}

// Which row the new one takes the place of; empty for the first.
VoteRefusal place_in_line(const NewPreference& vote, const Known& known, std::string& superseded) {
  const auto last = known.last.find(vote.exposure_id);
  const bool stands = last != known.last.end() && !last->second.second;
  if (last != known.last.end()) superseded = last->second.first;
  if (vote.supersedes_id.empty()) return stands ? VoteRefusal::already_voted : VoteRefusal::none;
  return stands && superseded == vote.supersedes_id ? VoteRefusal::none : VoteRefusal::not_standing;
}

Preference new_row(const NewPreference& vote, const Exposure& exposure, const std::string& superseded) {
  Preference row;
  row.id = vote.id;
  row.exposure_id = vote.exposure_id;
  row.pair_id = exposure.pair_id;
  row.annotator_id = exposure.annotator_id;
  row.visitor_id = vote.visitor_id;
  row.outcome = vote.outcome;
  row.grade = vote.grade;
  row.confidence = vote.confidence;
  row.reason = vote.reason;
  row.ms_to_decide = vote.ms_to_decide;
  row.idempotency_key = vote.idempotency_key;
  row.body_sha256 = preference_body_sha256(vote);
  row.supersedes_id = superseded;
  row.source = vote.source;
  row.screen = vote.screen;
  row.blind = !exposure.revealed_at;
  return row;
}

/// A vote's way through the batch.
struct Step {
  NewPreference vote;  ///< resolved
  VoteResult result;
  const Seen* seen = nullptr;  ///< in Known
};

Step judge(const VoteDraft& draft, const Known& known) {
  Step step{draft.vote, {}, seen_by(known, draft.vote)};
  if (step.seen == nullptr) {
    const bool ended = known.ended.contains(draft.vote.exposure_id);
    step.result.refusal = ended ? VoteRefusal::session_ended : VoteRefusal::not_found;
    return step;
  }
  const ShownPair* shown = &step.seen->shown;
  step.result.shown = *shown;
  if (draft.resolve) draft.resolve(step.vote, *shown);
  const auto earlier = known.by_key.find({shown->exposure.annotator_id, draft.vote.idempotency_key});
  if (earlier != known.by_key.end()) {
    const bool same = earlier->second.body_sha256 == preference_body_sha256(step.vote);
    if (same) step.result.put = {earlier->second, false};
    step.result.refusal = same ? VoteRefusal::none : VoteRefusal::key_reused;
    return step;
  }
  std::string superseded;
  step.result.refusal = place_in_line(step.vote, known, superseded);
  if (step.result.refusal != VoteRefusal::none) return step;
  if (draft.blind_only && shown->exposure.revealed_at) {
    step.result.refusal = VoteRefusal::revealed;
    return step;
  }
  step.result.put = {new_row(step.vote, shown->exposure, superseded), true};
  return step;
}

void insert_rows(Transaction& t, const std::vector<Preference*>& rows) {
  const auto texts = [&](auto&& field) {
    std::vector<std::string> out;
    out.reserve(rows.size());
    for (const Preference* row : rows)
      out.emplace_back(field(*row));
    return out;
  };
  const auto numbers = [&](auto&& field) {
    std::vector<int64_t> out;
    out.reserve(rows.size());
    for (const Preference* row : rows)
      out.push_back(field(*row));
    return out;
  };
  // Absent values travel as a number or word that no row may have.
  const Result stored = t.exec(
      "INSERT INTO preference (id, exposure_id, pair_id, visitor_id, annotator_id, outcome, grade, confidence, reason, "
      "ms_to_decide, idempotency_key, body_sha256, supersedes_id, source, blind, shown_layout, shown_width_px, "
      "shown_height_px) SELECT id, exposure_id, pair_id, visitor_id, annotator_id, outcome, CASE WHEN outcome = "
      "'graded' THEN grade "
      "END, "
      "nullif(confidence, 0), reason, nullif(ms, -1), key, hash, nullif(supersedes, '')::uuid, source, blind = 1, "
      "nullif(layout, ''), nullif(width, 0), nullif(height, 0) "
      "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::smallint[], "
      "$8::smallint[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::integer[], "
      "$16::text[], $17::integer[], $18::integer[]) "
      "AS v (id, exposure_id, pair_id, visitor_id, annotator_id, outcome, grade, confidence, reason, ms, key, hash, "
      "supersedes, source, blind, layout, width, height) RETURNING id, created_at",
      Params()
          .texts(texts([](const Preference& p) { return p.id; }))
          .texts(texts([](const Preference& p) { return p.exposure_id; }))
          .texts(texts([](const Preference& p) { return p.pair_id; }))
          .texts(texts([](const Preference& p) { return p.visitor_id; }))
          .texts(texts([](const Preference& p) { return p.annotator_id; }))
          .texts(texts([](const Preference& p) { return to_string(p.outcome); }))
          .integers(numbers([](const Preference& p) { return p.grade; }))
          .integers(numbers([](const Preference& p) { return p.confidence.value_or(0); }))
          .texts(texts([](const Preference& p) { return p.reason; }))
          .integers(numbers([](const Preference& p) { return p.ms_to_decide.value_or(-1); }))
          .texts(texts([](const Preference& p) { return p.idempotency_key; }))
          .texts(texts([](const Preference& p) { return p.body_sha256; }))
          .texts(texts([](const Preference& p) { return p.supersedes_id; }))
          .texts(texts([](const Preference& p) { return to_string(p.source); }))
          .integers(numbers([](const Preference& p) { return p.blind ? 1 : 0; }))
          .texts(texts([](const Preference& p) { return p.screen ? to_string(p.screen->layout) : ""; }))
          .integers(numbers([](const Preference& p) { return p.screen ? p.screen->width_px : 0; }))
          .integers(numbers([](const Preference& p) { return p.screen ? p.screen->height_px : 0; })));
  AFINA_CHECK(stored.size() == rows.size(), "votes sent ", rows.size(), ", stored ", stored.size());
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i]->created_at = stored[i].time("created_at");
}

void put_rest(Transaction& t, const Step& step) {
  const Preference& row = step.result.put.stored;
  put_details(t, {row.id, row.visitor_id, row.annotator_id}, step.vote.details);
  if (step.vote.rewrite.empty()) return;
  Rewrite rewrite;
  rewrite.act_id = row.id;
  rewrite.exposure_id = row.exposure_id;
  rewrite.visitor_id = row.visitor_id;
  rewrite.text = step.vote.rewrite;
  rewrite.idempotency_key = row.idempotency_key;
  rewrite.source = row.source;
  put_rewrite(t, rewrite);
}

Json event_payload(const Step& step) {
  const Preference& row = step.result.put.stored;
  Json payload{{"vote", row.id},
               {"exposure", row.exposure_id},
               {"pair", row.pair_id},
               {"conversation", step.seen->conversation_id},
               {"outcome", to_string(row.outcome)}};
  if (row.outcome == Outcome::graded) payload["grade"] = row.grade;
  if (!row.supersedes_id.empty()) payload["supersedes"] = row.supersedes_id;
  return payload;
}

void tell_webhooks(Transaction& t, const std::vector<Step>& steps) {
  std::vector<OutboxEvent> events;
  for (const Step& step : steps) {
    if (step.result.refusal != VoteRefusal::none || !step.result.put.created) continue;
    const bool undone = step.result.put.stored.outcome == Outcome::retracted;
    events.push_back(
        {step.seen->workspace_id, undone ? "preference.retracted" : "preference.created", event_payload(step)});
  }
  if (!events.empty()) emit_events(t, events);
}

}  // namespace

std::vector<VoteResult> put_votes(Transaction& t, const std::vector<VoteDraft>& drafts) {
  for (const VoteDraft& draft : drafts)
    check_vote(draft.vote);
  Known known;
  Drafts all;
  for (const VoteDraft& draft : drafts)
    all.push_back(&draft);
  // Alone, there is nobody to hold up: it waits for whoever acts on the same pair instead of clashing with them.
  const bool alone = drafts.size() == 1;
  Drafts again = all;
  if (!alone || !drafts[0].session_sha256.empty()) again = first_look(t, all, known);
  if (alone && seen_by(known, drafts[0].vote) != nullptr) again = all;
  if (!again.empty()) {
    lock_exposures(t, again, known);
    look_up(t, again, known);
  }
  std::vector<Step> steps;
  steps.reserve(drafts.size());
  for (const VoteDraft& draft : drafts)
    steps.push_back(judge(draft, known));
  std::vector<Preference*> rows;
  for (Step& step : steps) {
    if (step.result.refusal == VoteRefusal::none && step.result.put.created) rows.push_back(&step.result.put.stored);
  }
  if (!rows.empty()) insert_rows(t, rows);
  if (known.listened) tell_webhooks(t, steps);
  std::vector<VoteResult> results;
  results.reserve(steps.size());
  for (Step& step : steps) {
    if (step.result.refusal == VoteRefusal::none && step.result.put.created) put_rest(t, step);
    results.push_back(std::move(step.result));
  }
  return results;
}

std::optional<Preference> preference_by_key(Transaction& t, const std::string& annotator_id, const std::string& key) {
  const Result rows = t.exec(cat("SELECT ", kPreferenceColumns,
                                 " FROM preference p WHERE p.annotator_id = $1::uuid AND p.idempotency_key = $2"),
                             Params().text(annotator_id).text(key));
  return rows.empty() ? std::nullopt : std::optional(read_preference(rows.one()));
}

PutPreference put_preference(Transaction& t, const NewPreference& p) {
  require_uuid(p.exposure_id, "a pair shown to this visitor");
  require_uuid(p.visitor_id, "a visitor");
  const VoteResult result = put_votes(t, {{p, {}, false}}).front();
  if (result.refusal != VoteRefusal::none) throw_refusal(result.refusal, p);
  if (!result.put.created) return result.put;
  // Read back for what only the tables know: the pseudonym.
  const Result rows = t.exec(cat("SELECT ", kPreferenceColumns, " FROM preference p WHERE p.id = $1::uuid"),
                             Params().text(result.put.stored.id));
  return {read_preference(rows.one()), true};
}

}  // namespace afina::storage
