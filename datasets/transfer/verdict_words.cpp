// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/verdict_words.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace afina::datasets {
namespace {

using Words = std::initializer_list<std::string_view>;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Lower case, one space between words and before a number: "Response-1", "response_1" and "response1" are one.
std::string plain_words(const std::string& text) {
  std::string out;
  for (const char c : lower_ascii(text)) {
    const bool letter = (c >= 'a' && c <= 'z') || is_digit(c) || static_cast<unsigned char>(c) >= 0x80 || c == '(' ||
                        c == ')' || c == '/' || c == '\'';
    const bool apart = !letter || (!out.empty() && out.back() != ' ' && is_digit(c) != is_digit(out.back()));
    if (apart && !out.empty() && out.back() != ' ') out += ' ';
    if (letter) out += c;
  }
  while (out.ends_with(' '))
    out.pop_back();
  return out;
}

std::vector<std::string> words_of(const std::string& plain) {
  std::vector<std::string> out;
  for (size_t at = 0; at < plain.size();) {
    const size_t end = std::min(plain.find(' ', at), plain.size());
    out.push_back(plain.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

bool is_one(const std::string& word, Words words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool has(const std::vector<std::string>& words, Words whole) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) { return is_one(word, whole); });
}

bool has_beginning(const std::vector<std::string>& words, Words beginnings) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return std::any_of(beginnings.begin(), beginnings.end(), [&](std::string_view b) { return word.starts_with(b); });
  });
}

// 1 for "1", 1 for "a", 0 for neither.
int index_word(const std::string& word) {
  if (word.size() == 1 && word[0] >= 'a' && word[0] <= 'z') return word[0] - 'a' + 1;
  if (word.empty() || word.size() > 2 || !std::all_of(word.begin(), word.end(), is_digit)) return 0;
  return std::stoi(word);
}

// By the number or letter its field's name ends with; by its place where no name has one.
int answer_numbered(const FieldMap& map, const std::string& word) {
  const int index = index_word(word);
  bool numbered = false;
  for (const auto& [name, answer] : map.answer_by_name) {
    const auto words = words_of(plain_words(name));
    const int own = words.empty() ? 0 : index_word(words.back());
    if (own > 0 && own == index) return answer;
    numbered |= own > 0;
  }
  return !numbered && index >= 1 && index <= static_cast<int>(map.answers.size()) ? index - 1 : -1;
}

bool one_answer_label(QuestionRole role, const std::string& word, ImportJudgement& out) {
  bool good = is_one(word, {"good", "correct", "thumbs up", "buena", "bueno", "correcta", "correcto", "boa", "bom",
                            "correta", "correto"});
  bool bad = is_one(word, {"bad", "incorrect", "thumbs down", "mala", "malo", "incorrecta", "incorrecto", "má", "mau",
                           "ruim", "incorreta", "incorreto"});
  if (role == QuestionRole::quality) {
    good |= is_one(word, {"yes", "true", "up", "sí", "si", "sim"});
    bad |= is_one(word, {"no", "false", "down", "não", "nao"});
  }
  out.kind = ImportJudgement::Kind::score;
  out.answer = 0;
  out.score = good ? 1.0 : 0.0;
  return good || bad;
}

bool two_answers_label(QuestionRole role, const std::string& word, ImportJudgement& out) {
  using Kind = ImportJudgement::Kind;
  const bool asked = role == QuestionRole::preference;
  if (is_one(word, {"tie", "draw", "empate"}) ||
      (asked && is_one(word, {"equal", "same", "igual", "iguales", "iguais", "both equal"}))) {
    out.kind = Kind::graded;
    out.grade = 0;
  } else if (is_one(word, {"both good", "both are good", "ambas buenas", "ambas boas"}) ||
             (asked && is_one(word, {"both", "ambas", "ambos"}))) {
    out.kind = Kind::both_good;
  } else if (is_one(word, {"both bad", "both are bad", "bothbad", "tie (bothbad)", "ambas malas", "ambas ruins"}) ||
             (asked && is_one(word, {"none", "neither", "ninguna", "ninguno", "nenhuma", "nenhum"}))) {
    out.kind = Kind::both_bad;
  } else {
    return false;
  }
  return true;
}

bool is_score(const ImportJudgement& j) {
  return j.kind == ImportJudgement::Kind::score;
}

// One text stands for itself; of several each says which question it answers.
std::string joined(const std::vector<std::pair<std::string, std::string>>& texts) {
  if (texts.size() == 1) return texts[0].second;
  std::string out;
  for (const auto& [question, text] : texts)
    out += cat(out.empty() ? "" : "\n", question, question.empty() ? "" : ": ", text);
  return out;
}

}  // namespace

QuestionRole role_of_question(const std::string& name) {
  const auto words = words_of(plain_words(name));
  if (has_beginning(words, {"reason", "why", "comment", "coment", "explan", "explic", "rationale", "justif", "motiv",
                            "razon", "razón", "razões", "razão", "porqu", "feedback", "observ", "remark"}) ||
      has(words, {"note", "notes", "notas"}))
    return QuestionRole::words;
  if (has_beginning(words, {"rewrit", "correction", "corrected", "correcc", "correç", "correg", "corrig", "edited",
                            "improve", "reescri", "mejorad", "melhorad"}) ||
      has(words, {"edit"}) ||
      (has(words, {"better"}) && has(words, {"answer", "response", "version", "text"}) &&
       !has_beginning(words, {"which", "cho", "select", "pick"})))
    return QuestionRole::rewrite;
  if (has_beginning(words, {"toxic",    "tóxic",  "worse", "worst",  "peor",  "pior",     "reject",   "harm",
                            "danger",   "peligr", "perig", "unsafe", "error", "erro",     "wrong",    "mistake",
                            "hallucin", "alucin", "bias",  "sesg",   "viés",  "incorrec", "incorret", "flag",
                            "spam",     "offens", "ofens", "hate",   "odio",  "violen",   "problem",  "issue"}) ||
      has(words, {"bad", "mala", "malo", "ruim", "pii"}))
    return QuestionRole::adverse;
  if (has_beginning(words,
                    {"prefer",  "best",     "better", "mejor",   "melhor",   "choice",   "choose", "chosen", "winner",
                     "ganador", "vencedor", "compar", "verdict", "veredict", "judg",     "juicio", "elecc",  "elig",
                     "eleg",    "escolh",   "vote",   "voto",    "rank",     "pairwise", "overall"}) ||
      has(words, {"label", "which", "cual", "cuál", "qual", "order", "orden", "ordem", "pick", "select", "selection"}))
    return QuestionRole::preference;
  if (has_beginning(words, {"good", "buen", "correct", "corret", "accept", "acept", "aceit", "help", "useful", "útil",
                            "quality", "calidad", "qualid", "thumb", "approv", "aprob", "aprov", "adecu", "adequ"}) ||
      has(words, {"util", "bom", "boa", "like", "valid", "right"}))
    return QuestionRole::quality;
  return QuestionRole::unknown;
}

int answer_named(const FieldMap& map, const std::string& word, bool bare) {
  std::string plain = plain_words(word);
  for (const std::string_view end : {" is better", " is preferred", " wins", " es mejor", " é melhor", " gana"}) {
    if (!plain.ends_with(end)) continue;
    plain.erase(plain.size() - end.size());
    bare = true;  // "a is better" can mean nothing else
    break;
  }
  if (plain.empty()) return -1;
  for (const auto& [name, answer] : map.answer_by_name)
    if (plain_words(name) == plain) return answer;
  if (map.answers.size() == 2 && is_one(plain, {"left", "izquierda", "esquerda", "chosen"})) return 0;
  if (map.answers.size() == 2 && is_one(plain, {"right", "derecha", "direita", "rejected"})) return 1;
  const auto words = words_of(plain);
  if (words.size() == 1 && bare) return index_word(words[0]) > 0 ? answer_numbered(map, words[0]) : -1;
  const bool named = words.size() == 2 && index_word(words[1]) > 0 &&
                     is_one(words[0], {"response", "answer", "model", "option", "output", "completion", "text",
                                       "generation", "candidate", "assistant", "respuesta", "resposta", "opción",
                                       "opcion", "opção", "opcao", "modelo", "texto"});
  return named ? answer_numbered(map, words[1]) : -1;
}

int answer_in_name(const FieldMap& map, const std::string& name) {
  const std::string plain = cat(" ", plain_words(name), " ");
  int found = -1;
  size_t longest = 0;
  for (const auto& [field, answer] : map.answer_by_name) {
    const std::string own = cat(" ", plain_words(field), " ");
    if (plain.find(own) == std::string::npos || own.size() < longest) continue;
    found = own.size() == longest ? -1 : answer;
    longest = own.size();
  }
  if (longest > 0) return found;
  const auto words = words_of(plain_words(name));
  if (words.empty()) return -1;
  if (map.answers.size() == 2 && is_one(words.back(), {"left", "right"})) return words.back() == "left" ? 0 : 1;
  // The second question is not a question about the second answer.
  if (words.size() < 2 || has(words, {"question", "pregunta", "pergunta", "q", "p", "item", "criterion", "criterio"}))
    return -1;
  return index_word(words.back()) > 0 ? answer_numbered(map, words.back()) : -1;
}

int first_in_order(const FieldMap& map) {
  if (map.answer_by_name.size() != 2) return -1;
  std::array<std::pair<std::string, int>, 2> names;
  std::copy(map.answer_by_name.begin(), map.answer_by_name.end(), names.begin());
  std::array<std::string, 2> last;
  for (size_t i = 0; i < 2; ++i) {
    const auto words = words_of(plain_words(names[i].first));
    last[i] = words.empty() ? "" : words.back();
  }
  const auto counts = [](const std::string& word) {
    return index_word(word) > 0 || word == "0" || word == "left" || word == "right";
  };
  if (!counts(last[0]) || !counts(last[1]) || last[0] == last[1]) return -1;
  const bool swapped = last[0].size() == last[1].size() ? last[0] > last[1] : last[0].size() > last[1].size();
  return names[(last[0] == "right" || last[1] == "left" || (swapped && last[0] != "left")) ? 1 : 0].second;
}

bool read_label(const FieldMap& map, QuestionRole role, const std::string& word, ImportJudgement& out) {
  if (role == QuestionRole::words || role == QuestionRole::adverse) return false;
  const std::string plain = plain_words(word);
  if (map.answers.size() == 1) return one_answer_label(role, plain, out);
  if (map.answers.size() != 2) return false;
  out.a = 0;
  out.b = 1;
  const int better = answer_named(map, word, role == QuestionRole::preference);
  if (better < 0) return two_answers_label(role, plain, out);
  out.kind = ImportJudgement::Kind::graded;
  out.grade = better == 0 ? kPlainGrade : -kPlainGrade;
  return true;
}

void PersonSaid::judged(ImportJudgement judgement, bool asked) {
  asked = asked || role_of_question(judgement.question) == QuestionRole::preference;
  said_.push_back({std::move(judgement), asked});
}

void PersonSaid::wrote(const std::string& question, const std::string& text) {
  if (!text.empty()) texts_.emplace_back(question, text);
}

void PersonSaid::rewrote(const std::string& question, const std::string& text) {
  if (!text.empty()) rewrites_.emplace_back(question, text);
}

std::vector<ImportJudgement> PersonSaid::settle(const Remark& remark) {
  const auto shown = [](const std::string& question) { return printable(question, 60); };
  size_t verdict = said_.size();
  for (size_t i = 0; i < said_.size(); ++i) {
    if (!is_score(said_[i].judgement) && (verdict == said_.size() || (said_[i].asked && !said_[verdict].asked)))
      verdict = i;
  }
  const bool decided = verdict < said_.size();
  std::vector<ImportJudgement> out;
  if (decided) out.push_back(said_[verdict].judgement);
  for (size_t i = 0; i < said_.size(); ++i) {
    const ImportJudgement& j = said_[i].judgement;
    if (is_score(j)) {
      out.push_back(j);
    } else if (i != verdict) {
      remark(cat("[row] must hold one verdict a person on its answers, but question \"", shown(j.question),
                 "\" gives one beside \"", shown(said_[verdict].judgement.question), "\"; it is left out."));
    }
  }
  if (decided && !texts_.empty()) out[0].reason = joined(texts_);
  for (size_t i = 0; !decided && i < texts_.size(); ++i)
    remark(cat("[row] must have a verdict on its answers that a text gives the reason of, but who wrote \"",
               shown(texts_[i].first), "\" gave none; it is left out."));
  const bool takes_rewrite = decided && out[0].kind != ImportJudgement::Kind::ranking;
  for (size_t i = 0; i < rewrites_.size(); ++i) {
    if (takes_rewrite && i == 0) {
      out[0].rewrite = rewrites_[i].second;
    } else {
      remark(cat("[row] must rewrite answers that it compares, once a person, but \"", shown(rewrites_[i].first),
                 "\" is another rewrite; it is left out."));
    }
  }
  return out;
}

}  // namespace afina::datasets
