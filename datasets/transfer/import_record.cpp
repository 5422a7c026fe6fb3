// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/import_record.h"

#include <array>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "storage/judgements/details.h"

namespace afina::datasets {
namespace {

constexpr size_t kMostMessages = 2000, kMostAnswers = 26, kMostTextBytes = size_t{4} << 20, kMostReasonBytes = 4000,
                 kMostQuestionBytes = 200, kMostRewriteBytes = 32'768, kMostNotes = 100;

constexpr std::array<std::pair<ImportFormat, std::string_view>, 9> kFormats{
    {{ImportFormat::text, "text"},
     {ImportFormat::markdown, "markdown"},
     {ImportFormat::qa, "qa"},
     {ImportFormat::jsonl, "jsonl"},
     {ImportFormat::argilla, "argilla"},
     {ImportFormat::label_studio, "label_studio"},
     {ImportFormat::open_assistant, "open_assistant"},
     {ImportFormat::lmsys, "lmsys"},
     {ImportFormat::sharegpt, "sharegpt"}}};

[[noreturn]] void fail(const std::string& what) {
  throw DataError("[row] must " + what);
}

void check_text(const char* what, const std::string& text, size_t most) {
  if (text.size() > most) fail(cat("have a ", what, " of at most ", most, " bytes, but it has ", text.size(), "."));
  if (text.find('\0') != std::string::npos) fail(cat("have no U+0000 in a ", what, ", but it has one."));
  if (!is_valid_utf8(text)) fail(cat("have a ", what, " in UTF-8, but it is not."));
}

void check_answer(const ImportRecord& record, int answer) {
  if (answer < 0 || static_cast<size_t>(answer) >= record.answers.size())
    fail(cat("judge one of its ", record.answers.size(), " answers, but names number ", answer, "."));
}

void check_judgement(const ImportRecord& record, const ImportJudgement& j) {
  using Kind = ImportJudgement::Kind;
  check_text("reason", j.reason, kMostReasonBytes);
  check_text("question", j.question, kMostQuestionBytes);
  check_text("rewrite", j.rewrite, kMostRewriteBytes);
  if (j.kind == Kind::score) {
    check_answer(record, j.answer);
    if (!(j.score >= 0.0 && j.score <= 1.0)) fail("have a score within its scale, but it is outside.");
  } else if (j.kind == Kind::ranking) {
    size_t ranked = 0;
    for (const int rank : j.ranks) {
      ranked += rank >= 0 ? 1 : 0;
      if (rank > kMostRank) fail(cat("have ranks of at most ", kMostRank + 1, ", but one is ", rank, "."));
    }
    if (j.ranks.size() != record.answers.size() || ranked < 2)
      fail(cat("rank two or more of its ", record.answers.size(), " answers, but ranks ", ranked, "."));
  } else {
    check_answer(record, j.a);
    check_answer(record, j.b);
    if (j.a >= j.b) fail("compare two answers in their order, but does not.");
    if (j.kind == Kind::graded && (j.grade < -3 || j.grade > 3))
      fail(cat("have a grade of -3 to 3, but it is ", j.grade, "."));
  }
  if (j.confidence && (*j.confidence < 1 || *j.confidence > 4)) fail("have a confidence of 1 to 4, but it is outside.");
  if (j.ms_to_decide && *j.ms_to_decide < 0) fail("have a time to decide of 0 or more, but it is negative.");
  storage::check_screen(j.screen);
  if (j.flags.size() + j.spans.size() + j.aspects.size() > kMostNotes) fail("have at most 100 notes, but has more.");
  for (const auto* notes : {&j.flags, &j.spans}) {
    for (const ImportNote& note : *notes) {
      check_answer(record, note.answer);
      check_text("note", note.text, 1000);
    }
  }
  for (const ImportNote& span : j.spans) {
    const auto length = static_cast<int64_t>(code_points(record.answers[static_cast<size_t>(span.answer)].text).size());
    if (span.start < 0 || span.end <= span.start || span.end > length)
      fail(cat("mark a span within its answer's ", length, " characters, but it is ", span.start, "..", span.end, "."));
  }
  for (const ImportAspect& aspect : j.aspects) {
    storage::Aspect known{};
    check_answer(record, aspect.answer);
    if (!storage::from_string(aspect.aspect, known) || aspect.value < 1 || aspect.value > 5)
      fail("rate a known aspect with 1 to 5, but does not.");
  }
  for (const ImportNote& flag : j.flags) {
    storage::FlagKind known{};
    if (!storage::from_string(flag.kind, known)) fail("name a known flag, but does not.");
  }
}

}  // namespace

std::string_view to_string(ImportFormat format) {
  for (const auto& [value, word] : kFormats)
    if (value == format) return word;
  return "";
}

bool from_string(std::string_view word, ImportFormat& out) {
  for (const auto& [value, name] : kFormats) {
    if (name != word) continue;
    out = value;
    return true;
  }
  return false;
}

std::string_view to_string(ImportJudgement::Kind kind) {
  constexpr std::string_view kWords[] = {"graded",    "both_good", "both_bad", "cannot_judge",
                                         "retracted", "ranking",   "score"};
  return kWords[static_cast<size_t>(kind)];
}

std::string printable(std::string_view text, size_t max_bytes) {
  std::string out;
  const std::string whole = repair_utf8(text);
  for (const char32_t c : code_points(whole)) {
    const bool control = c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 ||
                         (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
    std::string one;
    append_utf8(one, control ? U'\uFFFD' : c);
    if (out.size() + one.size() > max_bytes) break;
    out += one;
  }
  return out;
}

void check_record(const ImportRecord& record) {
  if (record.messages.empty()) fail("have a prompt, but has none.");
  if (record.messages.size() > kMostMessages)
    fail(cat("have at most ", kMostMessages, " messages, but has ", record.messages.size(), "."));
  if (record.answers.size() > kMostAnswers)
    fail(cat("have at most ", kMostAnswers, " answers, but has ", record.answers.size(), "."));
  for (const ImportMessage& message : record.messages) {
    check_text("message", message.content, kMostTextBytes);
    check_text("model name", message.model, 500);
    if (message.content.empty() && message.role != "assistant" && message.role != "tool")
      fail("have words in each message, but one is empty.");
  }
  for (const ImportAnswer& answer : record.answers) {
    check_text("answer", answer.text, kMostTextBytes);
    if (answer.text.empty()) fail("have words in each answer, but one is empty.");
    check_text("model name", answer.model, 500);
  }
  for (const ImportJudgement& judgement : record.judgements)
    check_judgement(record, judgement);
}

OrderedJson record_json(const ImportRecord& record) {
  OrderedJson out{{"line", record.line}};
  if (!record.external_id.empty()) out["external_id"] = record.external_id;
  if (!record.locale.empty()) out["locale"] = record.locale;
  for (const ImportMessage& m : record.messages) {
    OrderedJson message{{"role", m.role}, {"content", m.content}};
    if (!m.model.empty()) message["model"] = m.model;
    out["messages"].push_back(message);
  }
  for (const ImportAnswer& a : record.answers) {
    OrderedJson answer{{"text", a.text}};
    if (!a.model.empty()) answer["model"] = a.model;
    out["answers"].push_back(answer);
  }
  for (const ImportJudgement& j : record.judgements) {
    using Kind = ImportJudgement::Kind;
    OrderedJson said{{"kind", to_string(j.kind)}};
    if (j.kind == Kind::ranking) said["ranks"] = j.ranks;
    if (j.kind == Kind::score) said.update({{"answer", j.answer}, {"score", j.score}});
    if (j.kind != Kind::ranking && j.kind != Kind::score) said.update({{"a", j.a}, {"b", j.b}});
    if (j.kind == Kind::graded) said["grade"] = j.grade;
    const std::pair<const char*, const std::string&> words[] = {
        {"annotator", j.annotator}, {"id", j.external_id}, {"supersedes", j.supersedes},
        {"question", j.question},   {"reason", j.reason},  {"reason_language", j.reason_language},
        {"rewrite", j.rewrite}};
    for (const auto& [name, word] : words)
      if (!word.empty()) said[name] = word;
    if (j.confidence) said["confidence"] = *j.confidence;
    if (j.ms_to_decide) said["ms_to_decide"] = *j.ms_to_decide;
    if (j.a_on_left) said["a_on_left"] = *j.a_on_left;
    if (j.screen) said["screen"] = storage::screen_text(*j.screen);
    if (!j.blind) said["blind"] = false;
    for (const ImportAspect& x : j.aspects)
      said["aspects"].push_back({{"answer", x.answer}, {"aspect", x.aspect}, {"value", x.value}});
    for (const ImportNote& x : j.flags)
      said["flags"].push_back({{"answer", x.answer}, {"kind", x.kind}, {"note", x.text}});
    for (const ImportNote& x : j.spans)
      said["spans"].push_back(
          {{"answer", x.answer}, {"kind", x.kind}, {"start", x.start}, {"end", x.end}, {"text", x.text}});
    out["judgements"].push_back(said);
  }
  return out;
}

}  // namespace afina::datasets
