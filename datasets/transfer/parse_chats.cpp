// SPDX-License-Identifier: Apache-2.0
// LMSYS's two published sets and ShareGPT's form.
#include "base/error.h"
#include "datasets/transfer/parsers.h"

namespace afina::datasets {
namespace {

bool same_words(const ImportMessage& a, const ImportMessage& b) {
  return a.role == b.role && a.content == b.content;
}

// lmsys/chatbot_arena_conversations: two whole conversations and one verdict.
void parse_battle(const Json& row, const Emit& emit) {
  auto left = messages_of(row.at("conversation_a"), text_at(row, "model_a"));
  auto right = messages_of(row.at("conversation_b"), text_at(row, "model_b"));
  if (left.back().role != "assistant" || right.back().role != "assistant")
    refuse_row("end with two answers, but does not.");
  if (left.size() != right.size() || !std::equal(left.begin(), left.end() - 1, right.begin(), same_words))
    refuse_row("have two answers to the same messages, but the conversations part before the last answer.");
  ImportRecord record;
  record.external_id = id_at(row, "question_id");
  record.locale = locale_word(text_at(row, "language"));
  record.answers = {{left.back().content, left.back().model}, {right.back().content, right.back().model}};
  left.pop_back();
  for (ImportMessage& message : left)
    message.model.clear();  // what both answered before is nobody's alone
  record.messages = std::move(left);
  ImportJudgement j;
  const std::string winner = require_text_at(row, "winner");
  if (winner == "model_a" || winner == "model_b")
    j.grade = winner == "model_a" ? kPlainGrade : -kPlainGrade;
  else if (winner == "tie (bothbad)" || winner == "bothbad")
    j.kind = ImportJudgement::Kind::both_bad;
  else if (winner != "tie")
    refuse_row(cat("have a winner that is known, but it is \"", printable(winner, 40), "\"."));
  j.annotator = text_at(row, "judge");
  j.external_id = record.external_id;
  j.a_on_left = true;  // FastChat shows model_a on the left
  j.blind = truth_at(row, "anony", true);
  record.judgements.push_back(std::move(j));
  emit(std::move(record));
}

}  // namespace

void parse_lmsys_row(const Json& row, const Emit& emit) {
  if (row.contains("conversation_a") && row.contains("conversation_b")) return parse_battle(row, emit);
  if (!row.contains("conversation"))
    refuse_row("have a conversation, or conversation_a and conversation_b, but has none.");
  ImportRecord record;
  record.external_id = id_at(row, "conversation_id");
  record.locale = locale_word(text_at(row, "language"));
  record.messages = messages_of(row["conversation"], text_at(row, "model"));
  emit(std::move(record));
}

void parse_sharegpt_row(const Json& row, const Emit& emit) {
  for (const char* name : {"conversations", "conversation", "items"}) {
    if (!row.contains(name)) continue;
    ImportRecord record;
    record.external_id = id_at(row, "id");
    record.locale = locale_at(row, {"lang", "language"});
    if (row.contains("system") && row["system"].is_string() && !row["system"].get<std::string>().empty())
      record.messages.push_back({"system", row["system"].get<std::string>(), ""});
    for (ImportMessage& message : messages_of(row[name], text_at(row, "model")))
      record.messages.push_back(std::move(message));
    return emit(std::move(record));
  }
  refuse_row("have conversations, but has none.");
}

}  // namespace afina::datasets
