// SPDX-License-Identifier: Apache-2.0
#include "storage/judgements/details.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "base/words.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

constexpr size_t kMaxNoteBytes = 1000, kMaxSpans = 100, kMaxRows = 26 * 7, kMaxLanguageBytes = 35;

constexpr Words<Aspect, 7> kAspects{{{Aspect::helpful, "helpful"},
                                     {Aspect::truthful, "truthful"},
                                     {Aspect::harmless, "harmless"},
                                     {Aspect::cultural_fit, "cultural_fit"},
                                     {Aspect::dialect, "dialect"},
                                     {Aspect::clarity, "clarity"},
                                     {Aspect::follows_regulation, "follows_regulation"}}};
constexpr Words<FlagKind, 3> kFlags{{{FlagKind::toxic, "toxic"},
                                     {FlagKind::personal_data, "personal_data"},
                                     {FlagKind::hallucination, "hallucination"}}};
constexpr std::array<std::string_view, 6> kSpanKinds{"good", "bad", "wrong", "personal_data", "dialect", "other"};

[[noreturn]] void refuse(const std::string& must, const std::string& got) {
  throw DataError(cat("[storage.judgements] ", must, ", but got ", got, "."));
}

bool is_language(std::string_view text) {
  const auto alpha = [](unsigned char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; };
  size_t part = 0, length = 0;
  for (const char c : text) {
    if (c == '-') {
      if (length == 0 || (part == 0 && length < 2)) return false;
      ++part;
      length = 0;
    } else if (++length > 8 || !(alpha(c) || (part > 0 && c >= '0' && c <= '9'))) {
      return false;
    }
  }
  return length >= (part == 0 ? 2U : 1U) && text.size() <= kMaxLanguageBytes;
}

void check_note(const std::string& note) {
  if (note.size() > kMaxNoteBytes) refuse(cat("a note must have at most ", kMaxNoteBytes, " bytes"), cat(note.size()));
}

// Every answer named exists, and every span lies inside its text.
void check_answers(Transaction& t, const JudgementDetails& details) {
  std::map<std::string, int64_t> lengths;  // -1: nobody asks
  for (const AspectRating& rating : details.aspects)
    lengths.emplace(rating.generation_id, -1);
  for (const Flag& flag : details.flags)
    lengths.emplace(flag.generation_id, -1);
  for (const SpanNote& span : details.spans)
    lengths[span.generation_id] = 0;
  for (auto& [id, length] : lengths) {
    require_uuid(id, "an answer");
    // The database counts characters of UTF-8 as code points: a long answer need not travel.
    const Result rows =
        t.exec("SELECT char_length(text) AS length FROM generation WHERE id = $1::uuid", Params().text(id));
    if (rows.empty()) throw_not_found(id, "an answer");
    length = rows.one().integer("length");
  }
  for (const SpanNote& span : details.spans) {
    if (span.end > lengths.at(span.generation_id)) {
      refuse(cat("a span must end within its answer of ", lengths.at(span.generation_id), " characters"),
             cat(span.start, "-", span.end));
    }
  }
}

// Whether the act's rows are there. Clients name their acts themselves: under the id of somebody else's act nothing is
// said.
bool known_act(Transaction& t, const Act& act) {
  std::string mine, others;
  for (const char* table : {"aspect_rating", "answer_flag", "span_note", "reason_language"}) {
    mine += cat(mine.empty() ? "" : " OR ", "EXISTS (SELECT FROM ", table,
                " WHERE act_id = $1::uuid AND visitor_id = $2::uuid)");
    others += cat("EXISTS (SELECT FROM ", table, " WHERE act_id = $1::uuid AND visitor_id <> $2::uuid) OR ");
  }
  for (const char* table : {"preference", "answer_note", "submission"})
    others += cat("EXISTS (SELECT FROM ", table, " WHERE id = $1::uuid AND visitor_id <> $2::uuid) OR ");
  const Result rows = t.exec(cat("SELECT ", mine, " AS mine, ", others, "false AS others"),
                             Params().text(act.act_id).text(act.visitor_id));
  if (rows.one().boolean("others"))
    throw Conflict(cat("[storage.judgements] an act's id must be new, but ", act.act_id, " is somebody else's."),
                   "use a new key");
  return rows.one().boolean("mine");
}

template <typename Rows, typename Field>
std::vector<std::string> column(const Rows& rows, Field&& field) {
  std::vector<std::string> out;
  for (const auto& row : rows)
    out.push_back(std::string(field(row)));
  return out;
}

}  // namespace

std::string_view to_string(Aspect value) {
  return word_of(kAspects, value);
}

bool from_string(std::string_view word, Aspect& out) {
  return value_of(kAspects, word, out);
}

std::string_view to_string(FlagKind value) {
  return word_of(kFlags, value);
}

bool from_string(std::string_view word, FlagKind& out) {
  return value_of(kFlags, word, out);
}

void check_details(const JudgementDetails& details) {
  std::set<std::pair<std::string, int>> seen;
  for (const AspectRating& rating : details.aspects) {
    if (rating.value < 1 || rating.value > 5) refuse("a rating must be 1 to 5", cat(rating.value));
    if (!seen.insert({rating.generation_id, static_cast<int>(rating.aspect)}).second) {
      refuse("an answer must be rated once in each aspect", cat(to_string(rating.aspect), " twice"));
    }
  }
  seen.clear();
  for (const Flag& flag : details.flags) {
    check_note(flag.note);
    if (!seen.insert({flag.generation_id, static_cast<int>(flag.kind)}).second) {
      refuse("an answer must be flagged once for each reason", cat(to_string(flag.kind), " twice"));
    }
  }
  for (const SpanNote& span : details.spans) {
    check_note(span.text);
    if (std::find(kSpanKinds.begin(), kSpanKinds.end(), span.kind) == kSpanKinds.end()) {
      refuse("a span's kind must be good, bad, wrong, personal_data, dialect or other",
             cat("'", span.kind.substr(0, 100), "'"));
    }
    if (span.start < 0 || span.end <= span.start) refuse("a span must hold something", cat(span.start, "-", span.end));
  }
  if (details.spans.size() > kMaxSpans || details.aspects.size() > kMaxRows || details.flags.size() > kMaxRows) {
    refuse(cat("an act must have at most ", kMaxSpans, " spans"), "more");
  }
  if (!details.reason_language.empty() && !is_language(details.reason_language)) {
    refuse("a reason's language must be a BCP 47 tag", cat("'", details.reason_language.substr(0, 100), "'"));
  }
}

std::string details_text(const JudgementDetails& details) {
  Json aspects = Json::array(), flags = Json::array(), spans = Json::array();
  for (const AspectRating& rating : details.aspects)
    aspects.push_back({rating.generation_id, to_string(rating.aspect), rating.value});
  for (const Flag& flag : details.flags)
    flags.push_back({flag.generation_id, to_string(flag.kind), flag.note});
  for (const SpanNote& span : details.spans)
    spans.push_back({span.generation_id, span.start, span.end, span.kind, span.text});
  // Ratings and flags are sets: the order a client names them in says nothing.
  std::sort(aspects.begin(), aspects.end());
  std::sort(flags.begin(), flags.end());
  return dump_json(Json{{"aspects", std::move(aspects)},
                        {"flags", std::move(flags)},
                        {"spans", std::move(spans)},
                        {"reason_language", details.reason_language}});
}

void put_details(Transaction& t, const Act& act, const JudgementDetails& details) {
  if (details.empty()) return;
  check_details(details);
  check_answers(t, details);
  if (known_act(t, act)) return;
  const auto start = [&] { return Params().text(act.act_id).text(act.visitor_id).text(act.annotator_id); };
  if (!details.aspects.empty()) {
    std::vector<int> values;
    for (const AspectRating& rating : details.aspects)
      values.push_back(rating.value);
    t.exec(
        "INSERT INTO aspect_rating (act_id, visitor_id, annotator_id, generation_id, aspect, value) "
        "SELECT $1::uuid, $2::uuid, $3::uuid, * FROM unnest($4::uuid[], $5::text[], $6::smallint[])",
        start()
            .texts(column(details.aspects, [](const auto& r) { return r.generation_id; }))
            .texts(column(details.aspects, [](const auto& r) { return to_string(r.aspect); }))
            .integers(values));
  }
  if (!details.flags.empty()) {
    t.exec(
        "INSERT INTO answer_flag (act_id, visitor_id, annotator_id, generation_id, kind, note) "
        "SELECT $1::uuid, $2::uuid, $3::uuid, * FROM unnest($4::uuid[], $5::text[], $6::text[])",
        start()
            .texts(column(details.flags, [](const auto& f) { return f.generation_id; }))
            .texts(column(details.flags, [](const auto& f) { return to_string(f.kind); }))
            .texts(column(details.flags, [](const auto& f) { return f.note; })));
  }
  if (!details.spans.empty()) {
    std::vector<int64_t> ordinals, starts, ends;
    for (const SpanNote& span : details.spans) {
      ordinals.push_back(static_cast<int64_t>(ordinals.size()));
      starts.push_back(span.start);
      ends.push_back(span.end);
    }
    t.exec(
        "INSERT INTO span_note (act_id, visitor_id, annotator_id, generation_id, ordinal, start_at, end_at, kind, "
        "note) "
        "SELECT $1::uuid, $2::uuid, $3::uuid, * "
        "FROM unnest($4::uuid[], $5::smallint[], $6::integer[], $7::integer[], $8::text[], $9::text[])",
        start()
            .texts(column(details.spans, [](const auto& s) { return s.generation_id; }))
            .integers(ordinals)
            .integers(starts)
            .integers(ends)
            .texts(column(details.spans, [](const auto& s) { return s.kind; }))
            .texts(column(details.spans, [](const auto& s) { return s.text; })));
  }
  if (!details.reason_language.empty()) {
    t.exec(
        "INSERT INTO reason_language (act_id, visitor_id, annotator_id, language) "
        "VALUES ($1::uuid, $2::uuid, $3::uuid, $4)",
        start().text(details.reason_language));
  }
}

JudgementDetails get_details(Transaction& t, const std::string& act_id) {
  require_uuid(act_id, "an act");
  JudgementDetails details;
  const Params act = Params().text(act_id);
  const Result aspects =
      t.exec("SELECT * FROM aspect_rating WHERE act_id = $1::uuid ORDER BY generation_id, aspect", act);
  for (size_t i = 0; i < aspects.size(); ++i) {
    details.aspects.push_back({aspects[i].text("generation_id"), word<Aspect>(aspects[i], "aspect"),
                               static_cast<int>(aspects[i].integer("value"))});
  }
  const Result flags = t.exec("SELECT * FROM answer_flag WHERE act_id = $1::uuid ORDER BY generation_id, kind", act);
  for (size_t i = 0; i < flags.size(); ++i) {
    details.flags.push_back({flags[i].text("generation_id"), word<FlagKind>(flags[i], "kind"), flags[i].text("note")});
  }
  const Result spans = t.exec("SELECT * FROM span_note WHERE act_id = $1::uuid ORDER BY ordinal", act);
  for (size_t i = 0; i < spans.size(); ++i) {
    details.spans.push_back({spans[i].text("generation_id"), spans[i].integer("start_at"), spans[i].integer("end_at"),
                             spans[i].text("kind"), spans[i].text("note")});
  }
  const Result language = t.exec("SELECT language FROM reason_language WHERE act_id = $1::uuid", act);
  if (!language.empty()) details.reason_language = language.one().text("language");
  return details;
}

}  // namespace afina::storage
