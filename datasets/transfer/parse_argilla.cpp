// SPDX-License-Identifier: Apache-2.0
// Records of Argilla: v1 (a list of responses with values by question) and v2 (responses by question, also flattened
// into columns "question.responses" as its exports to tables are).
#include "base/error.h"
#include "datasets/transfer/parsers.h"

namespace afina::datasets {
namespace {

struct Response {
  std::string question, annotator;
  Json value;
};

bool submitted(const Json& response) {
  const std::string status = text_at(response, "status");
  return status.empty() || status == "submitted";
}

// v1: responses: [{user_id, status, values: {question: {value}}}]
void read_v1(const Json& list, std::vector<Response>& out) {
  for (const Json& response : list) {
    if (!response.is_object() || !submitted(response)) continue;
    const auto values = response.find("values");
    if (values == response.end() || !values->is_object()) continue;
    for (const auto& [question, answer] : values->items())
      out.push_back({question, id_at(response, "user_id"),
                     answer.is_object() && answer.contains("value") ? answer["value"] : answer});
  }
}

// v2: responses: {question: [{value, user_id, status}]}
void read_v2(const Json& by_question, std::vector<Response>& out) {
  for (const auto& [question, list] : by_question.items()) {
    if (!list.is_array()) continue;
    for (const Json& response : list) {
      if (response.is_object() && response.contains("value") && submitted(response))
        out.push_back({question, id_at(response, "user_id"), response["value"]});
    }
  }
}

// Columns "question.responses", ".responses.users", ".responses.status".
void read_flat(const Json& row, std::vector<Response>& out) {
  for (const auto& [name, values] : row.items()) {
    if (!name.ends_with(".responses") || !values.is_array()) continue;
    const auto column = [&](const char* suffix) {
      const auto found = row.find(name + suffix);
      return found != row.end() && found->is_array() ? *found : Json::array();
    };
    const Json users = column(".users"), states = column(".status");
    for (size_t i = 0; i < values.size(); ++i) {
      if (i < states.size() && states[i].is_string() && states[i] != "submitted") continue;
      out.push_back({name.substr(0, name.size() - 10),
                     i < users.size() && users[i].is_string() ? users[i].get<std::string>() : "", values[i]});
    }
  }
}

void read_suggestions(const Json& row, std::vector<Response>& out) {
  const auto found = row.find("suggestions");
  if (found == row.end()) return;
  const auto add = [&](const std::string& question, const Json& suggestion) {
    if (suggestion.is_object() && suggestion.contains("value"))
      out.push_back({question, "agent:" + text_at(suggestion, "agent"), suggestion["value"]});
  };
  if (found->is_object()) {
    for (const auto& [question, suggestion] : found->items())
      add(question, suggestion);
  } else if (found->is_array()) {
    for (const Json& suggestion : *found)
      if (suggestion.is_object()) add(text_at(suggestion, "question_name"), suggestion);
  }
}

// [{value: field, rank}] of v1 and the tables, or ["best", "next", …].
bool read_ranking(const FieldMap& map, const Json& value, ImportJudgement& j) {
  if (!value.is_array() || value.size() < 2) return false;
  j.kind = ImportJudgement::Kind::ranking;
  j.ranks.assign(map.answers.size(), -1);
  int place = 0;
  for (const Json& entry : value) {
    const std::string name = entry.is_string()   ? entry.get<std::string>()
                             : entry.is_object() ? text_at(entry, "value")
                                                 : "";
    const int answer = answer_of(map, name);
    if (answer < 0) return false;
    int rank = place++;
    if (entry.is_object()) {
      if (!entry.contains("rank") || !entry["rank"].is_number_integer()) return false;
      rank = entry["rank"].get<int>() - 1;
    }
    j.ranks[static_cast<size_t>(answer)] = rank;
  }
  return true;
}

bool read_rating(const FieldMap& map, const std::string& question, double value, double rating_max,
                 ImportJudgement& j) {
  j.kind = ImportJudgement::Kind::score;
  j.answer = map.answers.size() == 1 ? 0 : answer_of(map, question);
  if (j.answer < 0) return false;
  if (value < 1 || value > rating_max)
    refuse_row(cat("have ratings of 1 to ", rating_max, ", but one is ", value, "."),
               "name the best one with rating_max");
  j.score = (value - 1) / (rating_max - 1);
  return true;
}

bool asks_for_a_rewrite(const std::string& question) {
  const std::string low = lower_ascii(question);
  for (const char* part : {"correct", "rewrite", "edit", "improve", "better", "correcc", "correg", "corrig", "reescri"})
    if (low.find(part) != std::string::npos) return true;
  return false;
}

struct Reading {
  FieldMap map;
  ImportRecord record;
  std::map<std::string, std::string> reasons, rewrites;  ///< by annotator
};

void read_response(const Response& response, const ParseOptions& options, Reading& r, const Remark& remark) {
  ImportJudgement j;
  j.annotator = response.annotator;
  const Json& value = response.value;
  bool said = false;
  if (value.is_array()) {
    said = read_ranking(r.map, value, j);
  } else if (value.is_number()) {
    said = read_rating(r.map, response.question, value.get<double>(), options.rating_max, j);
  } else if (value.is_string()) {
    said = read_label(r.map, value.get<std::string>(), j);
    if (!said) {
      auto& texts = asks_for_a_rewrite(response.question) ? r.rewrites : r.reasons;
      std::string& text = texts[response.annotator];
      text += (text.empty() ? "" : "\n") + value.get<std::string>();
      return;
    }
  }
  if (said)
    r.record.judgements.push_back(std::move(j));
  else
    remark(cat("[row] must answer question \"", printable(response.question, 60),
               "\" with a judgement of its answers, but does not."));
}

OrderedJson fields_of(const Json& row) {
  OrderedJson fields = OrderedJson::object();
  const auto found = row.find("fields");
  if (found != row.end() && found->is_object()) {
    for (const auto& [name, value] : found->items())
      fields[name] = value;
    return fields;
  }
  for (const auto& [name, value] : row.items()) {
    const bool own =
        name == "id" || name == "_server_id" || name == "external_id" || name == "status" || name == "metadata";
    if (!own && name.find('.') == std::string::npos && value.is_string()) fields[name] = value;
  }
  return fields;
}

}  // namespace

void parse_argilla_row(const Json& row, const ParseOptions& options, const Emit& emit, const Remark& remark) {
  Reading r;
  r.map = map_fields(fields_of(row));
  r.record.messages = r.map.prompt;
  r.record.answers = r.map.answers;
  for (const char* name : {"external_id", "id", "_server_id"})
    if (r.record.external_id.empty()) r.record.external_id = id_at(row, name);
  const auto metadata = row.find("metadata");
  if (metadata != row.end() && metadata->is_object()) {
    for (const char* name : {"locale", "language", "lang"})
      if (r.record.locale.empty()) r.record.locale = locale_word(text_at(*metadata, name));
  }
  std::vector<Response> responses;
  const auto found = row.find("responses");
  if (found != row.end() && found->is_array()) read_v1(*found, responses);
  if (found != row.end() && found->is_object()) read_v2(*found, responses);
  read_flat(row, responses);
  if (options.suggestions) read_suggestions(row, responses);
  for (const Response& response : responses) {
    try {
      read_response(response, options, r, remark);
    } catch (const DataError& error) {
      remark(error.what());  // one person's slip takes nothing from the others
    }
  }
  // Free words belong to what the same person decided.
  for (ImportJudgement& j : r.record.judgements) {
    j.reason = std::exchange(r.reasons[j.annotator], "");
    if (j.kind != ImportJudgement::Kind::score && j.kind != ImportJudgement::Kind::ranking)
      j.rewrite = std::exchange(r.rewrites[j.annotator], "");
  }
  for (const auto* texts : {&r.reasons, &r.rewrites})
    for (const auto& [annotator, text] : *texts)
      if (!text.empty()) remark("[row] must say which answer a free text is about, but its writer judged none.");
  emit(std::move(r.record));
}

}  // namespace afina::datasets
