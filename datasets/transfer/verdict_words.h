// SPDX-License-Identifier: Apache-2.0
// What a question of an annotation tool asks, by its name, and what a label says, by its exact words. The exports of
// these tools tell neither: a free text and a label are both a string. So nothing is a verdict that is not one of the
// words below, and a word with many meanings ("none", "1", "yes") is one only under a question whose name asks for it.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "datasets/transfer/parsers.h"

namespace afina::datasets {

enum class QuestionRole {
  unknown,
  preference,  ///< which answer is better
  quality,     ///< whether an answer is good
  adverse,     ///< what is wrong with answers: naming one does not praise it
  words,       ///< a reason, a comment
  rewrite      ///< a better text
};
QuestionRole role_of_question(const std::string& name);

/// The answer that a label names: its field's name, or "left", "response 2", "model b", "respuesta 1 es mejor"; with
/// bare also "2" and "b". −1 for every other word, also for a sentence that ends in an answer's name.
int answer_named(const FieldMap& map, const std::string& word, bool bare);
/// The answer that a question or a tag is about, by a name such as "rating_response_2", "generations-1-rationale",
/// "txt-1"; −1 for none or several.
int answer_in_name(const FieldMap& map, const std::string& name);
/// Of two answers whose fields' names count them ("answer1", "answer2"; "text_a", "text_b"; "left", "right") the first;
/// −1 where their names tell no order.
int first_in_order(const FieldMap& map);
/// A judgement from a label: an answer's word, tie, both good, both bad, or good and bad of a single answer. False for
/// a word that says nothing of the kind under such a question.
bool read_label(const FieldMap& map, QuestionRole role, const std::string& word, ImportJudgement& out);

/// What one person said about one record, until it is clear which of it is the verdict.
class PersonSaid {
 public:
  /// One of a kind with others of its question: scores stand side by side, of verdicts on the answers one is taken.
  /// asked: the tool's own comparison, whatever its question is called.
  void judged(ImportJudgement judgement, bool asked = false);
  void wrote(const std::string& question, const std::string& text);
  void rewrote(const std::string& question, const std::string& text);
  /// The verdict first, if there is one (of a question that asks for a preference before others, else the first that
  /// came), then the scores. Texts are the verdict's reason and its rewrite. What finds no place is told.
  std::vector<ImportJudgement> settle(const Remark& remark);

 private:
  using Texts = std::vector<std::pair<std::string, std::string>>;
  struct Judged {
    ImportJudgement judgement;
    bool asked = false;
  };
  std::vector<Judged> said_;
  Texts texts_, rewrites_;
};

}  // namespace afina::datasets
