// SPDX-License-Identifier: Apache-2.0
#include "datasets/row_fields.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace afina::datasets {

RowFields::RowFields(const Json& row, std::string where) : row_(row), where_(std::move(where)) {
  if (!row.is_object()) fail(cat("be a JSON object, but is a JSON ", row.type_name(), "."));
}

void RowFields::fail(const std::string& what, const std::string& hint) const {
  throw DataError(cat("[", where_, "] must ", what), hint);
}

bool RowFields::has(const char* name) const {
  const auto found = row_.find(name);
  return found != row_.end() && !found->is_null();
}

const Json& RowFields::at(const char* name) const {
  if (!has(name)) fail(cat("have \"", name, "\", but has not."));
  return row_[name];
}

std::string RowFields::text(const char* name) const {
  const Json& value = at(name);
  if (!value.is_string()) fail(cat("have a text as \"", name, "\", but it is a JSON ", value.type_name(), "."));
  return value.get<std::string>();
}

text::Message RowFields::message(const char* name, size_t index, const Json& value) const {
  const std::string place = cat("\"", name, "\"[", index, "]");
  if (!value.is_object()) fail(cat("have messages in ", place, ", but it is a JSON ", value.type_name(), "."));
  const auto text_of = [&](const char* key) {
    const auto found = value.find(key);
    if (found == value.end() || !found->is_string()) {
      fail(cat("have a text as \"", key, "\" of ", place, ", but it ",
               found == value.end() ? "has none." : cat("is a JSON ", found->type_name(), ".")),
           std::string_view(key) == "role" && value.contains("from")
               ? "ShareGPT's from and value are role and content in TRL's form"
               : "");
    }
    return found->get<std::string>();
  };
  for (const char* key : {"tool_calls", "tool_call_id", "function_call"}) {
    if (value.contains(key) && !value[key].is_null())
      fail(cat("hold plain messages, but ", place, " has \"", key, "\"."));
  }
  if (value.contains("weight") && !value["weight"].is_null() && value["weight"] != 1) {
    fail(cat("hold messages of weight 1, but ", place, " has another \"weight\"."));
  }
  return {text_of("role"), text_of("content")};
}

Messages RowFields::messages(const char* name) const {
  const Json& value = at(name);
  if (!value.is_array() || value.empty()) {
    fail(cat("have a list of messages as \"", name, "\", but it is ",
             value.is_array() ? "empty." : cat("a JSON ", value.type_name(), ".")));
  }
  Messages messages;
  for (size_t i = 0; i < value.size(); ++i)
    messages.push_back(message(name, i, value[i]));
  return messages;
}

std::vector<int> RowFields::ids(const char* name, int minimum) const {
  const Json& value = at(name);
  if (!value.is_array())
    fail(cat("have a list of token ids as \"", name, "\", but it is a JSON ", value.type_name(), "."));
  std::vector<int> ids;
  ids.reserve(value.size());
  for (const Json& item : value) {
    const bool fits = item.is_number_integer() &&
                      !(item.is_number_unsigned() && item.get<uint64_t>() > std::numeric_limits<int>::max()) &&
                      item.get<int64_t>() >= minimum;
    if (!fits)
      fail(cat("have token ids in \"", name, "\", but entry ", ids.size(), " is ", dump_json(item).substr(0, 40), "."));
    ids.push_back(item.get<int>());
  }
  return ids;
}

std::optional<double> RowFields::number(const char* name, double minimum, double maximum) const {
  if (!has(name)) return std::nullopt;
  const Json& value = row_[name];
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  if (!(number >= minimum && number <= maximum)) {
    fail(cat("have a number from ", minimum, " to ", maximum, " as \"", name, "\", but got ",
             dump_json(value).substr(0, 40), "."));
  }
  return number;
}

std::vector<std::string> RowFields::texts(const char* name) const {
  std::vector<std::string> texts;
  if (!has(name)) return texts;
  const Json& value = row_[name];
  if (!value.is_array()) fail(cat("have a list of texts as \"", name, "\", but it is a JSON ", value.type_name(), "."));
  for (const Json& item : value) {
    if (!item.is_string()) fail(cat("have texts in \"", name, "\", but got a JSON ", item.type_name(), "."));
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

void RowFields::refuse(std::initializer_list<const char*> names) const {
  for (const char* name : names) {
    if (has(name)) {
      fail(cat("hold only columns that Afina trains on, but has \"", name,
               "\", which would change the result and is not supported."),
           "remove the column if it does not matter");
    }
  }
}

}  // namespace afina::datasets
