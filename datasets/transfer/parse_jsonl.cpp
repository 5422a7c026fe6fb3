// SPDX-License-Identifier: Apache-2.0
// JSON Lines in TRL's forms, with the columns that our own exports add.
#include <cmath>

#include "base/error.h"
#include "datasets/labels.h"
#include "datasets/rows.h"
#include "datasets/transfer/parsers.h"

namespace afina::datasets {
namespace {

std::vector<ImportMessage> plain(const Messages& messages) {
  std::vector<ImportMessage> out;
  for (const text::Message& m : messages) {
    const std::string role = role_word(m.role);
    if (role.empty())
      refuse_row(
          cat("have messages of system, user, assistant and tool, but one is of \"", printable(m.role, 40), "\"."));
    if (!m.extra.is_null()) refuse_row("hold plain messages, but one has more than role and content.");
    out.push_back({role, m.content, ""});
  }
  return out;
}

// An answer is one text: the new turn of the assistant.
std::string answer_text(const Messages& messages) {
  if (messages.size() != 1 || messages[0].role != "assistant")
    refuse_row(cat("have one message of the assistant as an answer, but has ", messages.size(), "."),
               "conversations that part earlier are no answers to the same messages");
  return messages[0].content;
}

void set_common(const Json& row, ImportRecord& record) {
  for (const char* name : {"pair_id", "ranking_id", "conversation_id", "generation_id", "external_id", "id"})
    if (record.external_id.empty()) record.external_id = id_at(row, name);
  record.locale = locale_word(text_at(row, "locale"));
}

// The grade whose single vote gives this q (labels.h).
int grade_of(double soft_label) {
  int best = 0;
  double distance = 1.0;
  for (int grade = 0; grade <= 3; ++grade) {
    const Vote vote{VoteOutcome::graded, grade, 1.0, "x", ""};
    const double d = std::abs(judge_pair({&vote, 1}).soft_label - soft_label);
    if (d < distance) {
      distance = d;
      best = grade;
    }
  }
  return best;
}

ImportJudgement graded(int grade, const std::string& annotator) {
  ImportJudgement j;
  j.grade = grade;
  j.annotator = annotator;
  return j;
}

// "grades" are about chosen (answer 0) and rejected, one a person; without them one judgement says it all.
void add_grades(const Json& row, const PairRow& pair, bool swapped, ImportRecord& record) {
  if (!row.contains("grades") || row["grades"].is_null()) {
    const bool stated = row.contains("soft_label") && !row["soft_label"].is_null();
    record.judgements.push_back(graded(stated ? grade_of(pair.soft_label) : kPlainGrade, text_at(row, "annotator")));
    return;
  }
  const Json grades = row["grades"].is_string() ? parse_json(row["grades"].get<std::string>(), "row") : row["grades"];
  const Json names = row.contains("annotators") && row["annotators"].is_array() ? row["annotators"] : Json::array();
  if (!grades.is_array()) refuse_row("have a list as \"grades\", but it is none.");
  for (size_t i = 0; i < grades.size(); ++i) {
    const std::optional<int64_t> said = whole_number(grades[i]);
    if (!said) refuse_row("have whole numbers as \"grades\", but one is not.");
    if (*said < -3 || *said > 3) refuse_row(cat("have a grade of -3 to 3, but it is ", *said, "."));
    const bool named = i < names.size() && names[i].is_string();
    const int grade = static_cast<int>(*said);
    record.judgements.push_back(graded(swapped ? -grade : grade, named ? names[i].get<std::string>() : cat("#", i)));
  }
}

void parse_pair(const Json& row, const Emit& emit) {
  const PairRow pair = parse_pair_row(row, "row");
  ImportRecord record;
  set_common(row, record);
  if (const auto* texts = std::get_if<PairText>(&pair.form)) {
    record.messages = {{"user", texts->prompt, ""}};
    record.answers = {{texts->chosen, ""}, {texts->rejected, ""}};
  } else if (const auto* chat = std::get_if<PairChat>(&pair.form)) {
    record.messages = plain(chat->prompt);
    record.answers = {{answer_text(chat->chosen), ""}, {answer_text(chat->rejected), ""}};
  } else {
    refuse_row("hold texts, but holds token ids.");
  }
  // The reader of rows swaps the answers where q < ½.
  const auto q = row.find("soft_label");
  const bool swapped = q != row.end() && q->is_number() && q->get<double>() < 0.5;
  add_grades(row, pair, swapped, record);
  for (size_t i = 0; i < 2; ++i)
    record.answers[i].model = text_at(row, (i == 0) != swapped ? "chosen_model" : "rejected_model");
  emit(std::move(record));
}

void parse_unpaired(const Json& row, const Emit& emit) {
  const UnpairedRow unpaired = parse_unpaired_row(row, "row");
  ImportRecord record;
  set_common(row, record);
  if (const auto* texts = std::get_if<CompletionForm>(&unpaired.form)) {
    record.messages = {{"user", texts->prompt, ""}};
    record.answers = {{texts->completion, ""}};
  } else if (const auto* chat = std::get_if<ChatCompletionForm>(&unpaired.form)) {
    record.messages = plain(chat->prompt);
    record.answers = {{answer_text(chat->completion), ""}};
  } else {
    refuse_row("hold texts, but holds token ids.");
  }
  ImportJudgement j;
  j.kind = ImportJudgement::Kind::score;
  j.score = unpaired.label;
  // Our own export says it as "probability", beside a label that TRL can read.
  for (const char* name : {"probability", "soft_label"})
    if (row.contains(name) && row[name].is_number()) j.score = row[name].get<double>();
  j.annotator = text_at(row, "annotator");
  record.judgements.push_back(std::move(j));
  emit(std::move(record));
}

// Of our own export "scores": one mark of one answer.
void parse_score(const Json& row, const Emit& emit) {
  if (truth_at(row, "superseded", false))
    refuse_row("be the mark that stands, but it was superseded.", "the mark that took its place is in the same file");
  ImportRecord record;
  record.external_id = id_at(row, "generation_id");
  record.locale = locale_word(text_at(row, "locale"));
  if (!row.contains("prompt")) refuse_row("have a prompt, but has none.");
  record.messages = messages_of(row["prompt"]);
  record.answers = {{require_text_at(row, "answer"), text_at(row, "model")}};
  ImportJudgement j;
  j.kind = ImportJudgement::Kind::score;
  j.annotator = text_at(row, "annotator");
  j.external_id = require_text_at(row, "score_id");
  j.question = text_at(row, "question");
  const auto value = row.find("value");
  if (value == row.end() || !value->is_number()) refuse_row("have a number as \"value\", but has none.");
  j.score = value->get<double>();
  record.judgements.push_back(std::move(j));
  emit(std::move(record));
}

void parse_ranking(const Json& row, const Emit& emit) {
  const RankingRow ranking = parse_ranking_row(row, "row");
  ImportRecord record;
  set_common(row, record);
  if (const auto* texts = std::get_if<RankingText>(&ranking.form)) {
    record.messages = {{"user", texts->prompt, ""}};
    for (const std::string& text : texts->completions)
      record.answers.push_back({text, ""});
  } else if (const auto* chat = std::get_if<RankingChat>(&ranking.form)) {
    record.messages = plain(chat->prompt);
    for (const Messages& completion : chat->completions)
      record.answers.push_back({answer_text(completion), ""});
  } else {
    refuse_row("hold texts, but holds token ids.");
  }
  ImportJudgement j;
  j.kind = ImportJudgement::Kind::ranking;
  j.annotator = text_at(row, "annotator");
  for (size_t i = 0; i < record.answers.size(); ++i)
    j.ranks.push_back(static_cast<int>(i));
  record.judgements.push_back(std::move(j));
  emit(std::move(record));
}

void parse_sft(const Json& row, const Emit& emit) {
  const SftRow sft = parse_sft_row(row, "row");
  ImportRecord record;
  set_common(row, record);
  if (const auto* chat = std::get_if<ChatForm>(&sft.form)) {
    record.messages = plain(chat->messages);
  } else if (const auto* texts = std::get_if<CompletionForm>(&sft.form)) {
    record.messages = {{"user", texts->prompt, ""}, {"assistant", texts->completion, ""}};
  } else if (const auto* both = std::get_if<ChatCompletionForm>(&sft.form)) {
    record.messages = plain(both->prompt);
    for (ImportMessage& m : plain(both->completion))
      record.messages.push_back(std::move(m));
  } else {
    refuse_row("have a prompt and an answer, but holds bare text or token ids.", "plain text is format text");
  }
  const Json models = row.contains("models") && row["models"].is_array() ? row["models"] : Json::array();
  for (size_t i = 0; i < record.messages.size() && i < models.size(); ++i)
    if (models[i].is_string()) record.messages[i].model = models[i].get<std::string>();
  emit(std::move(record));
}

}  // namespace

void parse_jsonl_row(const Json& row, const Emit& emit) {
  if (row.contains("judgement_id")) return parse_judgement_row(row, emit);
  if (row.contains("score_id")) return parse_score(row, emit);
  if (row.contains("chosen") || row.contains("rejected")) return parse_pair(row, emit);
  if (row.contains("completions")) return parse_ranking(row, emit);
  if (row.contains("label")) return parse_unpaired(row, emit);
  if (row.contains("messages") || row.contains("completion")) return parse_sft(row, emit);
  refuse_row(
      "be of a form of TRL, but has none of chosen, completions, label, messages, completion, judgement_id and "
      "score_id.");
}

}  // namespace afina::datasets
