// SPDX-License-Identifier: Apache-2.0
// Verdicts between JSON and the store.
#include <algorithm>

#include "base/cat.h"
#include "base/uuid.h"
#include "collector/judgements/details_wire.h"
#include "collector/judgements/screen_wire.h"
#include "collector/tasks/wire.h"

namespace afina::collector {
namespace {

constexpr int64_t kMaxDecideMs = 24LL * 3600 * 1000;

[[noreturn]] void bad(const std::string& where, const std::string& must) {
  throw refusal(400, "bad_request", cat("[body] ", where, " must be ", must, "."));
}

void read_outcome(const Body& body, storage::TaskVerdict& verdict) {
  const Verdict given = parse_verdict(body.at("outcome"));
  verdict.outcome = given.outcome;
  verdict.grade = given.left_grade;
}

// [["b"], ["a", "c"]]: best first.
std::vector<std::vector<int>> read_tiers(const Json& tiers) {
  if (!tiers.is_array() || tiers.empty() || tiers.size() > storage::kMaxItemAnswers)
    bad("tiers", "a list of lists of sides");
  std::vector<std::vector<int>> out;
  for (const Json& tier : tiers) {
    if (!tier.is_array() || tier.empty() || tier.size() > storage::kMaxItemAnswers)
      bad("tiers", "a list of lists of sides");
    auto& sides = out.emplace_back();
    for (const Json& side : tier) {
      const bool letter = side.is_string() && side.get_ref<const std::string&>().size() == 1;
      const char c = letter ? side.get_ref<const std::string&>()[0] : '\0';
      if (c < 'a' || c > 'z') bad("tiers", "a list of lists of sides");
      sides.push_back(c - 'a');
    }
  }
  return out;
}

int side_number(const std::string& side) {
  return side == "only" ? 0 : side[0] - 'a';
}

std::vector<storage::PositionRating> read_ratings(const Json& ratings) {
  try {
    const Json wrapped{{"aspects", ratings}};
    return storage::verdict_from_json(storage::ProjectKind::rating, wrapped, storage::kMaxItemAnswers, "ratings")
        .ratings;
  } catch (const DataError& error) {
    throw refusal(400, "bad_request", error.what());
  }
}

// A reviewer's words stand in the note of the whole verdict, which is erased with its writer's withdrawal.
std::vector<storage::PositionFlag> read_flags(const Body& body) {
  std::vector<std::string> sides = side_letters(storage::kMaxItemAnswers);
  sides.emplace_back("only");
  std::vector<storage::PositionFlag> out;
  for (const auto& flag : read_details(body, sides).flags) {
    if (!flag.note.empty()) bad("flags", "without notes: the verdict's own note says why");
    out.push_back({side_number(flag.generation_id), flag.kind});
  }
  return out;
}

}  // namespace

storage::NewSubmission read_submission(const Body& body, storage::ProjectKind kind, size_t sides) {
  storage::NewSubmission s;
  using storage::ProjectKind;
  if ((kind == ProjectKind::pairwise) != body.has("outcome")) bad("outcome", "given for pairs, and for nothing else");
  if ((kind == ProjectKind::ranking) != body.has("tiers")) bad("tiers", "given for rankings, and for nothing else");
  if (body.has("outcome")) read_outcome(body, s.verdict);
  if (body.has("tiers")) s.verdict.tiers = read_tiers(body.at("tiers"));
  std::vector<std::string> letters = side_letters(sides);
  if (sides == 1) letters.emplace_back("only");
  const storage::JudgementDetails details = read_details(body, letters);
  for (const auto& r : details.aspects)
    s.verdict.ratings.push_back({side_number(r.generation_id), r.aspect, r.value});
  for (const auto& f : details.flags)
    s.flags.push_back({side_number(f.generation_id), f.kind, f.note});
  for (const auto& span : details.spans)
    s.spans.push_back({side_number(span.generation_id), span.start, span.end, span.kind, span.text});
  s.reason_language = details.reason_language;
  if (kind == ProjectKind::rating && s.verdict.ratings.empty()) bad("aspects", "given");
  s.rewrite = body.text_or("rewrite", storage::kMaxRewriteBytes, "");
  if (kind == ProjectKind::rewrite && s.rewrite.empty()) bad("rewrite", "given");
  s.reason = body.text_or("reason", 4000, "");
  if (body.has("confidence")) s.confidence = static_cast<int>(body.whole("confidence", 1, 4));
  if (body.has("ms_to_decide")) s.ms_to_decide = body.whole("ms_to_decide", 0, kMaxDecideMs);
  s.screen = read_screen(body);
  return s;
}

Json feedback_json(const storage::Feedback& feedback) {
  return {{"correct", feedback.correct}, {"expected", feedback.expected}, {"text", feedback.text}};
}

storage::NewAdjudication read_adjudication(const Body& body) {
  static constexpr const char* kVerdicts[] = {"outcome", "tiers", "ratings", "flags", "submission"};
  if (std::ranges::count_if(kVerdicts, [&](const char* name) { return body.has(name); }) != 1)
    bad("body", "with one of outcome, tiers, ratings, flags and submission");
  storage::NewAdjudication a;
  if (body.has("outcome")) read_outcome(body, a.verdict);
  if (body.has("tiers")) a.verdict.tiers = read_tiers(body.at("tiers"));
  if (body.has("ratings")) a.verdict.ratings = read_ratings(body.at("ratings"));
  a.flags_given = body.has("flags");
  if (a.flags_given) a.verdict.flags = read_flags(body);
  if (body.has("submission")) {
    a.submission_id = body.text("submission", 36);
    if (!is_uuid(a.submission_id)) bad("submission", "the id of a submission");
  }
  return a;
}

}  // namespace afina::collector
