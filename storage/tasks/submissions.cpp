// SPDX-License-Identifier: Apache-2.0
// Handing in: one transaction from the lease to the event. A pair's submission is a vote like any other, so snapshots
// train on it unchanged.
#include "storage/tasks/submissions.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "storage/events/outbox.h"
#include "storage/people.h"
#include "storage/preferences.h"
#include "storage/row_readers.h"
#include "storage/tasks/queue_detail.h"
#include "storage/tasks/verdict_rows.h"

namespace afina::storage {
namespace {

constexpr size_t kMaxReasonBytes = 4000;
constexpr int64_t kSensibleStartMs = 1000, kSensibleMsPerCodePoint = 10, kSensibleMostMs = 20'000;

struct Item {
  std::string pair_id, feedback;
  std::optional<Json> gold;
  int64_t text_chars = 0;
  std::vector<std::string> answers;  ///< generation ids by position
};

Item lock_item(Transaction& t, const std::string& item_id) {
  const Result rows = t.exec(
      "SELECT i.*, ARRAY(SELECT generation_id FROM item_answer WHERE item_id = i.id ORDER BY "
      "position) AS answers FROM item i WHERE i.id = $1::uuid FOR NO KEY UPDATE",
      Params().text(item_id));
  const Row row = rows.one();
  Item item;
  item.pair_id = row.text("pair_id");
  item.feedback = row.text("feedback");
  if (!row.is_null("gold")) item.gold = row.json("gold");
  item.text_chars = row.integer("text_chars");
  item.answers = row.ids("answers");
  return item;
}

// What is said by side, about answers.
JudgementDetails details_of(const NewSubmission& s, const TaskVerdict& stored, const HeldAssignment& a,
                            const Item& item) {
  const auto answer_at = [&](int side) {
    if (side < 0 || side >= static_cast<int>(a.shown_order.size()))
      throw DataError("[submission] a side must be one that was shown, but is not.");
    return item.answers.at(static_cast<size_t>(a.shown_order[static_cast<size_t>(side)]));
  };
  JudgementDetails details;
  for (const auto& r : stored.ratings)
    details.aspects.push_back({item.answers.at(static_cast<size_t>(r.position)), r.aspect, r.value});
  for (const auto& f : s.flags)
    details.flags.push_back({answer_at(f.side), f.kind, f.note});
  for (const auto& span : s.spans)
    details.spans.push_back({answer_at(span.side), span.start, span.end, span.kind, span.text});
  details.reason_language = s.reason_language;
  return details;
}

void check(const NewSubmission& s, ProjectKind kind) {
  if (s.reason.size() > kMaxReasonBytes)
    throw DataError(cat("[submission] a reason must have at most ", kMaxReasonBytes, " bytes, but has more."));
  if (kind == ProjectKind::rewrite && s.rewrite.empty())
    throw DataError("[submission] a rewrite must be written, but is empty.");
  if (s.rewrite.size() > kMaxRewriteBytes)
    throw DataError(cat("[submission] a rewrite must have at most ", kMaxRewriteBytes, " bytes, but has more."));
  if (s.confidence && (*s.confidence < 1 || *s.confidence > 4))
    throw DataError("[submission] a confidence must be from 1 to 4, but is not.");
  check_screen(s.screen);
}

Exposure exposure_of(Transaction& t, const NewSubmission& s, const HeldAssignment& a, const std::string& pair_id) {
  Exposure exposure;
  exposure.pair_id = pair_id;
  exposure.visitor_id = s.visitor_id;
  exposure.a_on_left = a.shown_order.at(0) == 0;
  inherit_leaks(t, exposure);
  if (s.reveals) {
    const Result texts = t.exec(
        "SELECT a.text AS a, b.text AS b FROM pair p JOIN generation a ON a.id = p.generation_a_id "
        "JOIN generation b ON b.id = p.generation_b_id WHERE p.id = $1::uuid",
        Params().text(pair_id));
    const Row row = texts.one();
    exposure.leak_a = exposure.leak_a || s.reveals(row.text("a"));
    exposure.leak_b = exposure.leak_b || s.reveals(row.text("b"));
  }
  return create_exposure(t, exposure);
}

// The vote on a pair. Who judged the pair elsewhere before corrects that vote.
std::string vote(Transaction& t, const NewSubmission& s, const TaskVerdict& stored, const Exposure& exposure) {
  NewPreference p;
  p.exposure_id = exposure.id;
  p.visitor_id = s.visitor_id;
  p.outcome = *stored.outcome;
  p.grade = stored.grade;
  p.confidence = s.confidence;
  p.reason = s.reason;
  p.ms_to_decide = s.ms_to_decide;
  p.screen = s.screen;
  p.idempotency_key = s.id;
  p.source = s.source;
  if (const auto earlier = standing_preference(t, exposure.id, s.visitor_id)) p.supersedes_id = earlier->id;
  return put_preference(t, p).stored.id;
}

Rewrite rewrite_of(const NewSubmission& s, const std::string& act_id) {
  Rewrite rewrite;
  rewrite.visitor_id = s.visitor_id;
  rewrite.text = s.rewrite;
  rewrite.idempotency_key = s.id;
  rewrite.source = s.source;
  rewrite.act_id = act_id;
  return rewrite;
}

struct Written {
  std::string preference_id, rewrite_id, annotator_id;
  bool hasty = false;
  std::optional<bool> correct;
};

void insert_submission(Transaction& t, const NewSubmission& s, const Holding& holding, const Item& item,
                       const TaskVerdict& stored, const Written& written) {
  const HeldAssignment& a = holding.assignment;
  Params p;
  p.text(s.id).text(a.id).text(a.project_id).text(a.item_id).text(s.whose.account_id).text(s.visitor_id);
  p.text(written.annotator_id).text(to_string(holding.project.kind)).text(to_string(a.phase));
  p.text_or_null(stored.outcome ? to_string(*stored.outcome) : "");
  p.integer(stored.outcome == Outcome::graded ? std::optional<int>(stored.grade) : std::nullopt);
  stored.tiers.empty() ? p.null() : p.json(Json(stored.tiers));
  p.text_or_null(s.rewrite).text(s.reason).integer(s.confidence).integer(s.ms_to_decide).integer(a.ms_on_screen);
  p.integer(sensible_ms(item.text_chars)).boolean(written.hasty);
  written.correct ? p.boolean(*written.correct) : p.null();
  p.integer(int64_t{holding.project.guidelines_version}).integers(a.shown_order).text_or_null(written.preference_id);
  p.text_or_null(written.rewrite_id).text(to_string(s.source)).text(s.idempotency_key).text(s.body_sha256);
  p.text_or_null(s.screen ? to_string(s.screen->layout) : "");
  for (const auto size : {&Screen::width_px, &Screen::height_px})
    p.integer(s.screen ? std::optional<int>((*s.screen).*size) : std::nullopt);
  t.exec(
      "INSERT INTO submission (id, assignment_id, project_id, item_id, account_id, visitor_id, annotator_id, kind, "
      "phase, outcome, grade, tiers, rewrite, reason, confidence, ms_to_decide, ms_on_screen, ms_sensible, hasty, "
      "correct, guidelines_version, shown_order, preference_id, rewrite_id, source, idempotency_key, body_sha256, "
      "shown_layout, shown_width_px, shown_height_px) "
      "VALUES ($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::uuid, $6::uuid, $7::uuid, $8, $9, $10, $11::smallint, "
      "$12::jsonb, $13, $14, $15::smallint, $16::bigint, $17::bigint, $18::bigint, $19::boolean, $20::boolean, "
      "$21::integer, $22::smallint[], $23::uuid, $24::uuid, $25, $26, $27, $28, $29::integer, $30::integer)",
      p);
}

// Counts on the item: once all its people have spoken it is finished, and what they said is compared.
bool count_on_item(Transaction& t, const Holding& holding) {
  const std::string& item_id = holding.assignment.item_id;
  const Result rows = t.exec(
      "UPDATE item SET done_count = done_count + 1, active_leases = active_leases - CASE WHEN "
      "overlap IS NULL THEN 0 ELSE 1 END WHERE id = $1::uuid "
      "RETURNING done_count, overlap, closed",
      Params().text(item_id));
  const Row row = rows.one();
  if (row.is_null("overlap")) return false;
  if (row.integer("done_count") > 1) {
    const Spread spread = spread_of_item(t, holding.project.kind, item_id);
    t.exec(
        "UPDATE item SET spread = $2::double precision, disputed = $3::boolean AND NOT EXISTS (SELECT FROM "
        "standing_adjudication WHERE item_id = $1::uuid) WHERE id = $1::uuid",
        Params().text(item_id).real(spread.value).boolean(spread.disputed));
  }
  return row.integer("done_count") == row.integer("overlap") && !row.boolean("closed");
}

void count_on_person(Transaction& t, const Holding& holding, const std::string& account_id, const Written& written,
                     bool finished) {
  const Phase phase = holding.assignment.phase;
  const bool training = phase == Phase::training, gold = phase == Phase::gold, right = written.correct.value_or(true);
  t.exec(
      "UPDATE participation SET training_seen = training_seen + $3::integer, training_passed = training_passed + "
      "$4::integer, gold_seen = gold_seen + $5::integer, gold_passed = gold_passed + $6::integer, work_done = "
      "work_done "
      "+ $7::integer, hasty = hasty + $8::integer, finished_items = finished_items + $9::integer "
      "WHERE project_id = $1::uuid AND account_id = $2::uuid",
      Params()
          .text(holding.project.id)
          .text(account_id)
          .integer(int64_t{training})
          .integer(int64_t{training && right})
          .integer(int64_t{gold})
          .integer(int64_t{gold && right})
          .integer(int64_t{phase == Phase::work})
          .integer(int64_t{written.hasty})
          .integer(int64_t{finished}));
  if (training) judge_training(t, holding.project, account_id);
  if (!gold) return;
  t.exec(
      "UPDATE participation SET state = 'gold_failed', gold_failed_at = clock_timestamp() WHERE project_id = $1::uuid "
      "AND account_id = $2::uuid AND state = 'work' AND gold_seen >= $3::integer "
      "AND gold_passed < $4::double precision * gold_seen",
      Params()
          .text(holding.project.id)
          .text(account_id)
          .integer(int64_t{kGoldMinimum})
          .real(holding.project.gold_pass));
}

std::optional<Feedback> feedback_on(const Holding& holding, const Item& item, const std::optional<bool>& correct) {
  if (holding.assignment.phase != Phase::training) return std::nullopt;
  Feedback feedback;
  feedback.correct = correct.value_or(true);
  feedback.text = item.feedback;
  if (item.gold) {
    const auto gold =
        verdict_from_json(holding.project.kind, *item.gold, static_cast<int>(item.answers.size()), "gold");
    feedback.expected = verdict_to_json(holding.project.kind, as_shown(gold, holding.assignment.shown_order));
  }
  return feedback;
}

// The same request came before. Its answer is made again from what is stored.
std::optional<PutSubmission> repeated(Transaction& t, const NewSubmission& s, const Holding& holding) {
  const Result rows = t.exec("SELECT * FROM submission WHERE account_id = $1::uuid AND idempotency_key = $2",
                             Params().text(s.whose.account_id).text(s.idempotency_key));
  if (rows.empty()) return std::nullopt;
  const Row row = rows.one();
  if (row.text("body_sha256") != s.body_sha256 || row.text("assignment_id") != holding.assignment.id)
    throw Conflict("[storage.tasks] an idempotency key must come with the same answer again, but came with another.");
  std::optional<bool> correct;
  if (!row.is_null("correct")) correct = row.boolean("correct");
  return PutSubmission{row.text("id"), false, feedback_on(holding, lock_item(t, holding.assignment.item_id), correct)};
}

void write_judgements(Transaction& t, const NewSubmission& s, const Holding& holding, const Item& item,
                      const TaskVerdict& stored, Written& written) {
  const ProjectKind kind = holding.project.kind;
  written.annotator_id = get_visitor(t, s.visitor_id).annotator_id;
  // What is known already is asked to learn about the person; it is no vote to train on.
  const bool votes = kind == ProjectKind::pairwise;
  const bool work = holding.assignment.phase == Phase::work;
  if (work && !item.pair_id.empty() && (votes || !s.rewrite.empty())) {
    const Exposure exposure = exposure_of(t, s, holding.assignment, item.pair_id);
    if (votes) written.preference_id = vote(t, s, stored, exposure);
    if (!s.rewrite.empty()) {
      Rewrite rewrite = rewrite_of(s, votes ? written.preference_id : s.id);
      rewrite.exposure_id = exposure.id;
      written.rewrite_id = put_rewrite(t, rewrite).id;
    }
  } else if (work && item.answers.size() == 1 && !s.rewrite.empty()) {
    Rewrite rewrite = rewrite_of(s, s.id);
    rewrite.generation_id = item.answers.front();
    written.rewrite_id = put_rewrite(t, rewrite).id;
  }
  insert_submission(t, s, holding, item, stored, written);
  put_details(t, {s.id, s.visitor_id, written.annotator_id}, details_of(s, stored, holding.assignment, item));
}

}  // namespace

int64_t sensible_ms(int64_t code_points) {
  return std::min(kSensibleMostMs, kSensibleStartMs + kSensibleMsPerCodePoint * std::max<int64_t>(0, code_points));
}

void judge_training(Transaction& t, const QueueProject& project, const std::string& account_id) {
  t.exec(
      "UPDATE participation SET state = CASE WHEN training_passed >= $4::double precision * training_seen THEN 'work' "
      "ELSE 'training_failed' END WHERE project_id = $1::uuid AND account_id = $2::uuid AND state = 'training' "
      "AND training_seen >= $3::integer",
      Params().text(project.id).text(account_id).integer(int64_t{project.training_items}).real(project.training_pass));
}

PutSubmission submit(Transaction& t, const NewSubmission& s) {
  const Holding holding = lock_assignment(t, s.whose);
  if (const auto earlier = repeated(t, s, holding)) return *earlier;
  const HeldAssignment& a = holding.assignment;
  require_live(a);
  check(s, holding.project.kind);
  const Item item = lock_item(t, a.item_id);
  TaskVerdict said = s.verdict;
  for (const auto& flag : s.flags)
    said.flags.push_back({flag.side, flag.kind});
  const TaskVerdict stored = as_stored(said, a.shown_order);
  check_verdict(holding.project.kind, stored, static_cast<int>(item.answers.size()), "submission");
  Written written;
  written.hasty = std::min(a.ms_on_screen, s.ms_to_decide.value_or(a.ms_on_screen)) < sensible_ms(item.text_chars);
  if (item.gold) {
    const auto gold =
        verdict_from_json(holding.project.kind, *item.gold, static_cast<int>(item.answers.size()), "gold");
    written.correct = agrees_with_gold(holding.project.kind, gold, stored);
  }
  write_judgements(t, s, holding, item, stored, written);
  t.exec(
      "UPDATE assignment SET state = 'done', ended_at = clock_timestamp(), rendered_at = coalesce(rendered_at, "
      "created_at) WHERE id = $1::uuid",
      Params().text(a.id));
  const bool finished = count_on_item(t, holding);
  count_on_person(t, holding, s.whose.account_id, written, finished);
  // Nothing in the event tells gold from work: annotators may read webhooks too.
  emit_event(t, holding.project.workspace_id, "task.submitted",
             Json{{"project", a.project_id},
                  {"item", a.item_id},
                  {"submission", s.id},
                  {"kind", to_string(holding.project.kind)},
                  {"training", a.phase == Phase::training}});
  if (finished) finish_if_done(t, holding.project);
  return {s.id, true, feedback_on(holding, item, written.correct)};
}

}  // namespace afina::storage
