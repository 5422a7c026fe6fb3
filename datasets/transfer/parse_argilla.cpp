// SPDX-License-Identifier: Apache-2.0
// Records of Argilla, v1 and v2. Its exports do not say of what kind a question is: verdict_words.h does, or nobody.
#include "base/error.h"
#include "datasets/transfer/argilla_responses.h"
#include "datasets/transfer/verdict_words.h"

namespace afina::datasets {
namespace {

struct Place {
  std::string answer;
  int64_t rank = 0;
};

// [{value, rank}], {value: [...], rank: [...]} as the tables of v1 have it, or ["best", "next", …] of v2.
bool places_of(const Json& value, std::vector<Place>& out) {
  if (value.is_object()) {
    if (!value.contains("value") || !value.contains("rank")) return false;
    const Json &names = value["value"], &ranks = value["rank"];
    if (!names.is_array() || !ranks.is_array() || names.size() != ranks.size()) return false;
    for (size_t i = 0; i < names.size(); ++i) {
      const auto rank = whole_number(ranks[i]);
      if (!names[i].is_string() || !rank) return false;
      out.push_back({names[i].get<std::string>(), *rank});
    }
    return true;
  }
  for (const Json& entry : value) {
    if (entry.is_string()) {
      out.push_back({entry.get<std::string>(), static_cast<int64_t>(out.size()) + 1});
      continue;
    }
    const auto rank = entry.is_object() && entry.contains("rank") ? whole_number(entry["rank"]) : std::nullopt;
    if (!rank) return false;
    out.push_back({text_at(entry, "value"), *rank});
  }
  return true;
}

bool read_ranking(const FieldMap& map, QuestionRole role, const Json& value, ImportJudgement& j) {
  std::vector<Place> places;
  if (role == QuestionRole::adverse || !places_of(value, places) || places.size() < 2) return false;
  // Names alone may also be a choice of several; an order of all answers is a ranking under any name.
  const bool bare = value.is_array() && value[0].is_string();
  if (bare && role != QuestionRole::preference && places.size() != map.answers.size()) return false;
  j.kind = ImportJudgement::Kind::ranking;
  j.ranks.assign(map.answers.size(), -1);
  for (const Place& place : places) {
    const int answer = answer_named(map, place.answer, true);
    if (answer < 0) return false;
    if (place.rank < 1 || place.rank > kMostRank + 1)
      refuse_row(cat("have ranks of 1 to ", kMostRank + 1, ", but one is ", place.rank, "."));
    int& rank = j.ranks[static_cast<size_t>(answer)];
    if (rank >= 0) refuse_row(cat("rank each answer once, but ranks \"", printable(place.answer, 40), "\" twice."));
    rank = static_cast<int>(place.rank) - 1;
  }
  return true;
}

bool read_rating(const FieldMap& map, const std::string& question, double value, double rating_max,
                 ImportJudgement& j) {
  j.kind = ImportJudgement::Kind::score;
  j.answer = map.answers.size() == 1 ? 0 : answer_in_name(map, question);
  if (j.answer < 0) return false;
  if (value < 1 || value > rating_max)
    refuse_row(cat("have ratings of 1 to ", rating_max, ", but one is ", value, "."),
               "name the best one with rating_max");
  j.score = (value - 1) / (rating_max - 1);
  return true;
}

void read_response(const FieldMap& map, const ArgillaResponse& response, double rating_max, PersonSaid& said,
                   const Remark& remark) {
  const QuestionRole role = role_of_question(response.question);
  const Json& value = response.value;
  ImportJudgement j;
  j.annotator = response.annotator;
  j.question = response.question;
  bool judged = false;
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    if (read_label(map, role, text, j)) return said.judged(std::move(j));
    return role == QuestionRole::rewrite ? said.rewrote(response.question, text) : said.wrote(response.question, text);
  }
  if (value.is_number()) judged = read_rating(map, response.question, value.get<double>(), rating_max, j);
  if (value.is_structured()) judged = read_ranking(map, role, value, j);
  if (judged) return said.judged(std::move(j));
  remark(cat("[row] must answer question \"", printable(response.question, 60),
             "\" with a judgement of its answers, but does not."));
}

void read_record(const Json& row, const ParseOptions& options, const Emit& emit, const Remark& remark) {
  const FieldMap map = map_fields(argilla_fields(row));
  ImportRecord record;
  record.messages = map.prompt;
  record.answers = map.answers;
  for (const char* name : {"external_id", "id", "_server_id"})
    if (record.external_id.empty()) record.external_id = id_at(row, name);
  record.locale = argilla_locale(row);
  std::vector<std::pair<std::string, PersonSaid>> people;
  for (const ArgillaResponse& response : argilla_responses(row, options.suggestions)) {
    auto person = std::find_if(people.begin(), people.end(),
                               [&](const auto& known) { return known.first == response.annotator; });
    if (person == people.end()) person = people.insert(people.end(), {response.annotator, PersonSaid()});
    try {
      read_response(map, response, options.rating_max, person->second, remark);
    } catch (const DataError& error) {
      remark(error.what());  // one person's slip takes nothing from the others
    }
  }
  for (auto& [annotator, said] : people) {
    for (ImportJudgement& j : said.settle(remark))
      record.judgements.push_back(std::move(j));
  }
  emit(std::move(record));
}

}  // namespace

void parse_argilla_row(const Json& row, const ParseOptions& options, const Emit& emit, const Remark& remark) {
  const auto items = row.find("items");
  if (items == row.end() || !items->is_array() || row.contains("fields"))
    return read_record(row, options, emit, remark);
  // A page of the records route of its server.
  for (const Json& item : *items) {
    try {
      if (!item.is_object()) refuse_row(cat("hold records, but one is a JSON ", item.type_name(), "."));
      read_record(item, options, emit, remark);
    } catch (const DataError& error) {
      remark(error.what());
    }
  }
}

}  // namespace afina::datasets
