// SPDX-License-Identifier: Apache-2.0
#include "storage/events/own_data.h"

#include <array>

#include "base/error.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

/// As the API writes times.
std::string utc(const char* column) {
  return cat("to_char(", column, " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')");
}

/// What was said about answers within one act: a vote, a note or a submission.
std::string details_of(const char* act) {
  const std::string of = cat("WHERE d.act_id = ", act, ")");
  return cat(
      "'aspects', (SELECT coalesce(json_agg(json_build_object('answer', d.generation_id, 'aspect', d.aspect, 'value', "
      "d.value) ORDER BY d.generation_id, d.aspect), '[]') FROM aspect_rating d ",
      of,
      ", 'flags', (SELECT coalesce(json_agg(json_build_object('answer', d.generation_id, 'kind', d.kind, 'note', "
      "d.note) ORDER BY d.generation_id, d.kind), '[]') FROM answer_flag d ",
      of,
      ", 'spans', (SELECT coalesce(json_agg(json_build_object('answer', d.generation_id, 'start', d.start_at, 'end', "
      "d.end_at, 'kind', d.kind, 'note', d.note) ORDER BY d.ordinal), '[]') FROM span_note d ",
      of, ", 'reason_language', (SELECT d.language FROM reason_language d ", of);
}

/// How the answers stood, where the page told.
std::string screen_of(const std::string& act) {
  return cat("'shown', CASE WHEN ", act, ".shown_layout IS NOT NULL THEN json_build_object('layout', ", act,
             ".shown_layout, 'width_px', ", act, ".shown_width_px, 'height_px', ", act, ".shown_height_px) END");
}

/// Where rows of one kind are. `$1` is the visitor; in `fields` and `from` the row's key is w.key.
struct Kind {
  std::string_view name;
  std::string keys;    ///< SELECT of the keys, oldest first
  std::string fields;  ///< arguments of json_build_object
  std::string from;    ///< joins after the wanted keys, with the fence around the visitor
};

std::vector<Kind> talk() {
  return {
      {"conversations", "SELECT id FROM conversation WHERE visitor_id = $1::uuid ORDER BY id",
       cat("'id', c.id, 'locale', c.locale, 'mode', c.mode, 'source', c.source, 'created_at', ", utc("c.created_at")),
       "JOIN conversation c ON c.id = w.key AND c.visitor_id = $1::uuid"},
      {"messages",
       "SELECT m.id FROM conversation c JOIN message m ON m.conversation_id = c.id WHERE c.visitor_id = $1::uuid "
       "ORDER BY c.id, m.turn",
       cat("'id', m.id, 'conversation', m.conversation_id, 'turn', m.turn, 'role', m.role, 'text', m.content, "
           "'answer', m.generation_id, 'created_at', ",
           utc("m.created_at")),
       "JOIN message m ON m.id = w.key JOIN conversation c ON c.id = m.conversation_id AND c.visitor_id = $1::uuid"},
      {"answers",
       "SELECT g.id FROM conversation c JOIN generation g ON g.conversation_id = c.id WHERE c.visitor_id = $1::uuid "
       "ORDER BY c.id, g.turn, g.attempt, g.id",
       cat("'id', g.id, 'conversation', g.conversation_id, 'turn', g.turn, 'attempt', g.attempt, 'text', g.text, "
           "'finish_reason', g.finish_reason, 'error', g.error, 'model', CASE WHEN EXISTS (SELECT FROM pair p JOIN "
           "exposure e ON e.pair_id = p.id WHERE p.conversation_id = g.conversation_id AND p.turn = g.turn AND g.id IN "
           "(p.generation_a_id, p.generation_b_id) AND e.visitor_id = $1::uuid AND e.revealed_at IS NOT NULL) "
           "THEN g.upstream END, 'created_at', ",
           utc("g.created_at")),
       "JOIN generation g ON g.id = w.key JOIN conversation c ON c.id = g.conversation_id "
       "AND c.visitor_id = $1::uuid"}};
}

std::vector<Kind> judgements() {
  return {// The grade is stored about the pair's A and B; people gave it about left and right.
          {"votes", "SELECT id FROM preference WHERE visitor_id = $1::uuid ORDER BY created_at, id",
           cat("'id', p.id, 'exposure', p.exposure_id, 'left', CASE WHEN e.a_on_left THEN pair.generation_a_id ELSE "
               "pair.generation_b_id END, 'right', CASE WHEN e.a_on_left THEN pair.generation_b_id ELSE "
               "pair.generation_a_id END, 'outcome', CASE WHEN p.outcome = 'graded' THEN to_json(CASE WHEN e.a_on_left "
               "THEN p.grade ELSE -p.grade END) ELSE to_json(p.outcome) END, 'confidence', p.confidence, 'reason', "
               "p.reason, 'ms_to_decide', p.ms_to_decide, ",
               screen_of("p"), ", 'source', p.source, 'supersedes', p.supersedes_id, ", details_of("p.id"),
               ", 'created_at', ", utc("p.created_at")),
           "JOIN preference p ON p.id = w.key AND p.visitor_id = $1::uuid JOIN exposure e ON e.id = p.exposure_id "
           "JOIN pair ON pair.id = p.pair_id"},
          {"rewrites", "SELECT id FROM rewrite WHERE visitor_id = $1::uuid ORDER BY created_at, id",
           cat("'id', r.id, 'exposure', r.exposure_id, 'answer', r.generation_id, 'act', r.act_id, 'text', r.text, "
               "'source', r.source, 'created_at', ",
               utc("r.created_at")),
           "JOIN rewrite r ON r.id = w.key AND r.visitor_id = $1::uuid"},
          {"notes", "SELECT id FROM answer_note WHERE visitor_id = $1::uuid ORDER BY created_at, id",
           cat("'id', n.id, 'conversation', n.conversation_id, 'turn', n.turn, 'answer', n.generation_id, 'reason', "
               "n.reason, 'rewrite', n.rewrite, 'source', n.source, 'supersedes', n.supersedes_id, ",
               details_of("n.id"), ", 'created_at', ", utc("n.created_at")),
           "JOIN answer_note n ON n.id = w.key AND n.visitor_id = $1::uuid"}};
}

/// An account's rows: of whoever has this visitor's consent now; of verdicts, under which it was given.
std::vector<Kind> tasks() {
  const std::string mine = "JOIN account a ON a.id = x.account_id AND a.visitor_id = $1::uuid ";
  const std::string given =
      "JOIN account a ON a.id = x.account_id AND coalesce(x.visitor_id, a.visitor_id) = $1::uuid ";
  return {
      {"submissions", "SELECT id FROM submission WHERE visitor_id = $1::uuid ORDER BY created_at, id",
       cat("'id', x.id, 'project', x.project_id, 'item', x.item_id, 'kind', x.kind, 'outcome', x.outcome, 'grade', "
           "x.grade, 'tiers', x.tiers, 'rewrite', x.rewrite, 'reason', x.reason, 'confidence', x.confidence, "
           "'ms_to_decide', x.ms_to_decide, 'shown_order', x.shown_order, ",
           screen_of("x"), ", 'vote', x.preference_id, ", details_of("x.id"), ", 'created_at', ", utc("x.created_at")),
       "JOIN submission x ON x.id = w.key AND x.visitor_id = $1::uuid"},
      {"drafts",
       cat("SELECT d.assignment_id AS id FROM assignment x ", mine,
           "JOIN draft d ON d.assignment_id = x.id ORDER BY d.assignment_id"),
       cat("'assignment', d.assignment_id, 'item', x.item_id, 'body', d.body, 'updated_at', ", utc("d.updated_at")),
       cat("JOIN draft d ON d.assignment_id = w.key JOIN assignment x ON x.id = w.key ", mine)},
      {"skips", cat("SELECT x.id FROM assignment x ", mine, "WHERE x.skip_reason <> '' ORDER BY x.id"),
       cat("'assignment', x.id, 'item', x.item_id, 'reason', x.skip_reason, 'ended_at', ", utc("x.ended_at")),
       cat("JOIN assignment x ON x.id = w.key ", mine)},
      {"verdicts", cat("SELECT x.id FROM adjudication x ", given, "ORDER BY x.created_at, x.id"),
       cat("'id', x.id, 'project', x.project_id, 'item', x.item_id, 'outcome', x.outcome, 'grade', x.grade, 'tiers', "
           "x.tiers, 'ratings', x.ratings, 'flags', x.flags, 'rewrite_of', x.submission_id, 'note', x.note, "
           "'supersedes', x.supersedes_id, 'created_at', ",
           utc("x.created_at")),
       cat("JOIN adjudication x ON x.id = w.key ", given)}};
}

std::vector<Kind> person() {
  return {{"account", "SELECT id FROM account WHERE visitor_id = $1::uuid",
           cat("'id', a.id, 'name', a.name, 'created_at', ", utc("a.created_at")),
           "JOIN account a ON a.id = w.key AND a.visitor_id = $1::uuid"},
          {"profile",
           // A program's name is anybody's, and so would be what stood under it.
           "SELECT f.annotator_id AS id FROM visitor v JOIN annotator_profile f ON f.annotator_id = v.annotator_id "
           "JOIN annotator n ON n.id = v.annotator_id AND n.kind IN ('anonymous', 'annotator') WHERE v.id = $1::uuid",
           cat("'country', f.country, 'languages', f.languages, 'dialect', f.dialect, 'age_band', f.age_band, "
               "'updated_at', ",
               utc("f.updated_at")),
           "JOIN annotator_profile f ON f.annotator_id = w.key JOIN visitor v ON v.annotator_id = f.annotator_id "
           "AND v.id = $1::uuid"},
          {"consents", "SELECT id FROM consent_event WHERE visitor_id = $1::uuid ORDER BY created_at, id",
           cat("'id', e.id, 'granted', e.granted, 'purposes', e.purposes, 'version', x.version, 'locale', x.locale, "
               "'sha256', x.sha256, 'created_at', ",
               utc("e.created_at")),
           "JOIN consent_event e ON e.id = w.key AND e.visitor_id = $1::uuid JOIN consent_text x ON x.id = e.text_id"}};
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> list = [] {
    std::vector<Kind> all = person();
    for (auto& group : {talk(), judgements(), tasks()})
      all.insert(all.end(), group.begin(), group.end());
    return all;
  }();
  return list;
}

const Kind& kind_of(std::string_view name) {
  for (const Kind& kind : kinds()) {
    if (kind.name == name) return kind;
  }
  throw InternalError(cat("[storage.events] a kind of own data must be known, but is \"", name, "\"."));
}

std::vector<std::string> first_column(const Result& rows, const char* column) {
  std::vector<std::string> out;
  out.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i)
    out.push_back(rows[i].text(column));
  return out;
}

}  // namespace

std::span<const std::string_view> own_data_kinds() {
  static const std::vector<std::string_view> words = [] {
    std::vector<std::string_view> names;
    for (const Kind& kind : kinds())
      names.push_back(kind.name);
    return names;
  }();
  return words;
}

std::vector<std::string> own_data_keys(Transaction& t, std::string_view kind, const std::string& visitor_id) {
  require_uuid(visitor_id, "a visitor");
  return first_column(t.exec(kind_of(kind).keys, Params().text(visitor_id)), "id");
}

std::vector<std::string> own_data_rows(Transaction& t, std::string_view kind, const std::string& visitor_id,
                                       std::span<const std::string> keys) {
  require_uuid(visitor_id, "a visitor");
  const Kind& wanted = kind_of(kind);
  return first_column(t.exec(cat("SELECT json_build_object(", wanted.fields,
                                 ")::text AS json FROM unnest($2::uuid[]) WITH ORDINALITY AS w (key, place) ",
                                 wanted.from, " ORDER BY w.place"),
                             Params().text(visitor_id).texts({keys.begin(), keys.end()})),
                      "json");
}

}  // namespace afina::storage
