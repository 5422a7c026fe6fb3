// SPDX-License-Identifier: Apache-2.0
#include "datasets/row_fields.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace afina::datasets {
namespace {

constexpr double kMostWeight = 1e6;

}  // namespace

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

text::Message RowFields::message(const std::string& place, const Json& value) const {
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
  return {text_of("role"), text_of("content")};
}

// Nothing where the message says nothing about it.
std::optional<float> RowFields::message_weight(const std::string& place, const Json& value) const {
  const auto said = [&](const char* key) { return value.contains(key) && !value[key].is_null(); };
  if (said("weight") && said("train")) fail(cat("weigh a message once, but ", place, " has \"weight\" and \"train\"."));
  if (said("train")) {
    if (!value["train"].is_boolean()) fail(cat("have true or false as \"train\" of ", place, ", but has not."));
    return value["train"].get<bool>() ? 1.0F : 0.0F;
  }
  if (!said("weight")) return std::nullopt;
  const Json& weight = value["weight"];
  if (!weight.is_number() || !(weight.get<double>() >= 0.0 && weight.get<double>() <= kMostWeight)) {
    fail(cat("have a number from 0 to ", kMostWeight, " as \"weight\" of ", place, ", but got ",
             dump_json(weight).substr(0, 40), "."));
  }
  return weight.get<float>();
}

const Json& RowFields::list(const char* name) const {
  const Json& value = at(name);
  if (!value.is_array() || value.empty()) {
    fail(cat("have a list as \"", name, "\", but it is ",
             value.is_array() ? "empty." : cat("a JSON ", value.type_name(), ".")));
  }
  return value;
}

Messages RowFields::messages_in(const std::string& place, const Json& value) const {
  if (!value.is_array() || value.empty()) {
    fail(cat("have a list of messages as ", place, ", but it is ",
             value.is_array() ? "empty." : cat("a JSON ", value.type_name(), ".")));
  }
  Messages messages;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string one = cat(place, "[", i, "]");
    messages.push_back(message(one, value[i]));
    if (message_weight(one, value[i]).value_or(1.0F) != 1.0F)
      fail(cat("hold messages of weight 1, but ", one, " has another \"weight\"."),
           "weights of messages belong to \"messages\"");
  }
  return messages;
}

Messages RowFields::messages(const char* name) const {
  return messages_in(cat("\"", name, "\""), at(name));
}

ChatForm RowFields::weighted_messages(const char* name) const {
  const Json& value = at(name);
  const std::string column = cat("\"", name, "\"");
  if (!value.is_array() || value.empty()) return {messages_in(column, value), {}};
  ChatForm form;
  bool plain = true;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string place = cat(column, "[", i, "]");
    form.messages.push_back(message(place, value[i]));
    const bool trained = form.messages.back().role == "assistant";
    const auto weight = message_weight(place, value[i]);
    // 1 is what tools write for every message; anything above it on a turn of people asks for training on it.
    if (!trained && weight && (*weight > 1.0F || (*weight > 0.0F && value[i].contains("train"))))
      fail(cat("weigh assistant turns only, but ", place, " is the ", form.messages.back().role, "'s."));
    form.weights.push_back(trained ? weight.value_or(1.0F) : 0.0F);
    plain = plain && (!trained || form.weights.back() == 1.0F);
  }
  if (plain) form.weights.clear();
  return form;
}

std::vector<int> RowFields::ids_in(const std::string& place, const Json& value, int minimum) const {
  if (!value.is_array())
    fail(cat("have a list of token ids as ", place, ", but it is a JSON ", value.type_name(), "."));
  std::vector<int> ids;
  ids.reserve(value.size());
  for (const Json& item : value) {
    const bool fits = item.is_number_integer() &&
                      !(item.is_number_unsigned() && item.get<uint64_t>() > std::numeric_limits<int>::max()) &&
                      item.get<int64_t>() >= minimum;
    if (!fits)
      fail(cat("have token ids in ", place, ", but entry ", ids.size(), " is ", dump_json(item).substr(0, 40), "."));
    ids.push_back(item.get<int>());
  }
  return ids;
}

std::vector<int> RowFields::ids(const char* name, int minimum) const {
  return ids_in(cat("\"", name, "\""), at(name), minimum);
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
