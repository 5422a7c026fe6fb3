// SPDX-License-Identifier: Apache-2.0
// The scripted annotators of the demo: rules read from annotators.json, applied to the text of two answers and to
// nothing else. They stand in for people so that the loop can be watched in minutes; their votes carry source=demo.
#pragma once
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace afina::app {

/// What is measured on one answer; meanings and ranges in annotators.json.
struct AnswerMeasures {
  double finished = 0, language = 0, brevity = 0, repetition = 0;
};

struct AnnotatorRules {
  std::string name, locale, prefers;
  AnswerMeasures weights;
  double tie_below = 0, slight_below = 0, clear_below = 0;  ///< bounds on the difference of two scores
  double both_bad_below = 0, both_good_above = 0;  ///< bounds on both scores, where they differ by less than a tie
};

struct AnnotatorPanel {
  std::map<std::string, std::set<std::string>> common_words;  ///< by locale
  std::vector<AnnotatorRules> annotators;
};

/// Throws DataError naming the place for a file that does not fit.
AnnotatorPanel read_annotators(std::string_view json);
AnswerMeasures measure_answer(const AnnotatorPanel& panel, const std::string& locale, std::string_view answer);
/// "3" (A much better) … "-3" (B much better), "both_good" or "both_bad".
std::string judge(const AnnotatorPanel& panel, const AnnotatorRules& rules, const std::string& locale,
                  std::string_view answer_a, std::string_view answer_b);

}  // namespace afina::app
