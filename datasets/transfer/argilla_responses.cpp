// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/argilla_responses.h"

#include <algorithm>

#include "base/error.h"

namespace afina::datasets {
namespace {

using Responses = std::vector<ArgillaResponse>;

bool submitted(const std::string& status) {
  return status.empty() || status == "submitted";
}

// The first one without a name may be anybody; two are two people. (v2 writes a missing name as the word None.)
std::string person_of(const std::string& user, size_t place) {
  return (!user.empty() && user != "None") || place == 0 ? user : cat("#", place);
}

void add(Responses& out, const std::string& question, const std::string& annotator, const Json& value) {
  if (!value.is_null()) out.push_back({question, annotator, value});
}

// v1: responses: [{user_id, status, values: {question: {value}}}]
void read_people(const Json& list, Responses& out) {
  for (size_t i = 0; i < list.size(); ++i) {
    const Json& response = list[i];
    if (!response.is_object() || !submitted(text_at(response, "status"))) continue;
    const auto values = response.find("values");
    if (values == response.end() || !values->is_object()) continue;
    for (const auto& [question, answer] : values->items())
      add(out, question, person_of(id_at(response, "user_id"), i),
          answer.is_object() && answer.contains("value") ? answer["value"] : answer);
  }
}

// [{value, user_id, status}] of v2, and of a question's column in v1's form for Hugging Face.
void read_list(const std::string& question, const Json& list, Responses& out) {
  for (size_t i = 0; i < list.size(); ++i) {
    const Json& response = list[i];
    if (response.is_object() && response.contains("value") && submitted(text_at(response, "status")))
      add(out, question, person_of(id_at(response, "user_id"), i), response["value"]);
  }
}

// Lists side by side: values, who gave them, their states.
void read_lists(const std::string& question, const Json& values, const Json& users, const Json& states,
                Responses& out) {
  const auto word = [](const Json& list, size_t i) {
    return list.is_array() && i < list.size() && list[i].is_string() ? list[i].get<std::string>() : std::string();
  };
  for (size_t i = 0; i < values.size(); ++i)
    if (submitted(word(states, i))) add(out, question, person_of(word(users, i), i), values[i]);
}

Json column(const Json& row, const std::string& name) {
  const auto found = row.find(name);
  return found == row.end() ? Json() : *found;
}

bool is_response_list(const Json& value) {
  return value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), [](const Json& entry) {
           return entry.is_object() && entry.contains("user_id") && entry.contains("value");
         });
}

bool is_response_lists(const Json& value) {
  return value.is_object() && value.contains("user_id") && value.contains("value") && value["value"].is_array();
}

void read_columns(const Json& row, Responses& out) {
  for (const auto& [name, value] : row.items()) {
    if (name.ends_with(".responses") && value.is_array())
      read_lists(name.substr(0, name.size() - 10), value, column(row, name + ".users"), column(row, name + ".status"),
                 out);
    else if (name != "responses" && is_response_list(value))
      read_list(name, value, out);
    else if (is_response_lists(value))
      read_lists(name, value["value"], value["user_id"], column(value, "status"), out);
  }
}

std::string agent(const std::string& name) {
  return "agent:" + name;
}

void read_suggestions(const Json& row, Responses& out) {
  const Json found = column(row, "suggestions");
  if (found.is_object()) {
    for (const auto& [question, suggestion] : found.items())
      if (suggestion.is_object()) add(out, question, agent(text_at(suggestion, "agent")), column(suggestion, "value"));
  } else if (found.is_array()) {
    for (const Json& suggestion : found)
      if (suggestion.is_object())
        add(out, text_at(suggestion, "question_name"), agent(text_at(suggestion, "agent")),
            column(suggestion, "value"));
  }
  for (const auto& [name, value] : row.items()) {
    if (name.ends_with(".suggestion"))
      add(out, name.substr(0, name.size() - 11), agent(text_at(row, (name + ".agent").c_str())), value);
    if (!name.ends_with("-suggestion") || !row.contains(name + "-metadata")) continue;
    const Json about = row[name + "-metadata"];
    add(out, name.substr(0, name.size() - 11), agent(about.is_object() ? text_at(about, "agent") : ""), value);
  }
}

bool is_chat(const Json& value) {
  return value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), [](const Json& entry) {
           return entry.is_object() && entry.contains("role") && entry.contains("content");
         });
}

bool is_bookkeeping(const Json& row, const std::string& name) {
  for (const char* own : {"id", "_server_id", "external_id", "status", "metadata", "inserted_at", "updated_at",
                          "locale", "language", "lang"})
    if (name == own) return true;
  return name.find('.') != std::string::npos || (name.ends_with("-suggestion") && row.contains(name + "-metadata")) ||
         name.ends_with("-suggestion-metadata");
}

}  // namespace

std::vector<ArgillaResponse> argilla_responses(const Json& row, bool suggestions) {
  Responses out;
  const Json found = column(row, "responses");
  if (found.is_array()) read_people(found, out);
  if (found.is_object()) {
    for (const auto& [question, list] : found.items())
      if (list.is_array()) read_list(question, list, out);
  }
  if (!row.contains("fields")) read_columns(row, out);
  if (suggestions) read_suggestions(row, out);
  return out;
}

OrderedJson argilla_fields(const Json& row) {
  OrderedJson fields = OrderedJson::object();
  const auto found = row.find("fields");
  if (found != row.end() && found->is_object()) {
    for (const auto& [name, value] : found->items())
      fields[name] = value;
    return fields;
  }
  for (const auto& [name, value] : row.items())
    if (!is_bookkeeping(row, name) && (value.is_string() || is_chat(value))) fields[name] = value;
  return fields;
}

std::string argilla_locale(const Json& row) {
  Json metadata = column(row, "metadata");
  if (metadata.is_string()) {  // as v1 writes it for Hugging Face
    try {
      metadata = parse_json(metadata.get<std::string>(), "metadata");
    } catch (const DataError&) {
      metadata = Json();  // a field of that name, which says nothing of languages
    }
  }
  const std::string locale = metadata.is_object() ? locale_at(metadata, {"locale", "language", "lang"}) : "";
  return locale.empty() && !row.contains("fields") ? locale_at(row, {"locale", "language", "lang"}) : locale;
}

}  // namespace afina::datasets
