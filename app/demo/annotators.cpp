// SPDX-License-Identifier: Apache-2.0
#include "app/demo/annotators.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/json.h"

namespace afina::app {
namespace {

// Lower case for ASCII and the accented letters of Spanish and Portuguese (U+00C0…U+00DE), enough for word lists.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool ascii_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (ascii_letter) {
      word.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c));
    } else if (c == 0xC3 && i + 1 < text.size()) {
      const auto next = static_cast<unsigned char>(text[++i]);
      word.push_back(static_cast<char>(c));
      word.push_back(static_cast<char>(next >= 0x80 && next <= 0x9E && next != 0x97 ? next + 0x20 : next));
    } else {
      end_word();
    }
  }
  end_word();
  return words;
}

bool ends_a_sentence(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n'))
    text.remove_suffix(1);
  constexpr std::array<std::string_view, 8> kEnds = {".", "!", "?", "…", "»", "\"", ")", "”"};
  return std::any_of(kEnds.begin(), kEnds.end(), [&](std::string_view end) { return text.ends_with(end); });
}

double repeated_triples(const std::vector<std::string>& words) {
  if (words.size() < 4) return 0;
  std::set<std::string> seen;
  int repeated = 0;
  for (size_t i = 0; i + 2 < words.size(); ++i) {
    if (!seen.insert(words[i] + " " + words[i + 1] + " " + words[i + 2]).second) ++repeated;
  }
  return static_cast<double>(repeated) / static_cast<double>(words.size() - 2);
}

double language_score(const AnnotatorPanel& panel, const std::string& locale, const std::vector<std::string>& words) {
  if (words.empty()) return 0;
  double own = 0, other = 0;
  for (const auto& [name, list] : panel.common_words) {
    const auto hits = std::count_if(words.begin(), words.end(), [&](const auto& word) { return list.count(word) > 0; });
    const double share = static_cast<double>(hits) / static_cast<double>(words.size());
    if (name == locale) {
      own = share;
    } else {
      other = std::max(other, share);
    }
  }
  // Running text has a share near 0.4 of such words: twice the difference fills -1 to 1.
  return std::clamp((own - other) * 2.0, -1.0, 1.0);
}

double score(const AnnotatorRules& rules, const AnswerMeasures& m) {
  const auto& w = rules.weights;
  return w.finished * m.finished + w.language * m.language + w.brevity * m.brevity + w.repetition * m.repetition;
}

AnnotatorRules read_rules(const Json& json) {
  AnnotatorRules rules;
  rules.name = json.at("name");
  rules.locale = json.at("locale");
  rules.prefers = json.at("prefers");
  const auto& w = json.at("weights");
  rules.weights = {w.at("finished"), w.at("language"), w.at("brevity"), w.at("repetition")};
  rules.tie_below = json.at("tie_below");
  rules.slight_below = json.at("slight_below");
  rules.clear_below = json.at("clear_below");
  rules.both_bad_below = json.at("both_bad_below");
  rules.both_good_above = json.at("both_good_above");
  return rules;
}

}  // namespace

AnnotatorPanel read_annotators(std::string_view text) {
  const Json json = parse_json(text, "annotators.json");
  AnnotatorPanel panel;
  try {
    for (const auto& [locale, words] : json.at("common_words").items()) {
      panel.common_words[locale] = words.get<std::set<std::string>>();
    }
    for (const auto& item : json.at("annotators"))
      panel.annotators.push_back(read_rules(item));
  } catch (const Json::exception& error) {
    throw DataError(
        cat("[demo.annotators] annotators.json must have the form of the shipped file, but got: ", error.what()));
  }
  return panel;
}

AnswerMeasures measure_answer(const AnnotatorPanel& panel, const std::string& locale, std::string_view answer) {
  const auto words = words_of(answer);
  return {ends_a_sentence(answer) ? 1.0 : 0.0, language_score(panel, locale, words),
          std::max(0.0, 1.0 - static_cast<double>(words.size()) / 60.0), repeated_triples(words)};
}

std::string judge(const AnnotatorPanel& panel, const AnnotatorRules& rules, const std::string& locale,
                  std::string_view answer_a, std::string_view answer_b) {
  const double a = score(rules, measure_answer(panel, locale, answer_a));
  const double b = score(rules, measure_answer(panel, locale, answer_b));
  const double difference = std::abs(a - b);
  if (difference < rules.tie_below) {
    if (a < rules.both_bad_below && b < rules.both_bad_below) return "both_bad";
    if (a > rules.both_good_above && b > rules.both_good_above) return "both_good";
    return "0";
  }
  const int grade = difference < rules.slight_below ? 1 : difference < rules.clear_below ? 2 : 3;
  return std::to_string(a > b ? grade : -grade);
}

}  // namespace afina::app
