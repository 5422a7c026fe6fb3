// SPDX-License-Identifier: Apache-2.0
// Config structs as plain aggregates with one `for_each_field(config, visitor)` each. The visitor is called as
//   visit("learning_rate", config.learning_rate, FieldInfo{"nats… unit, range and when to change it"})
// and everything else comes from here: JSON in and out, --set key=value, help text, the list of names.
// Field types: bool, int, int64_t, double, std::string, std::vector<std::string>, std::optional of these, and enums
// with `to_string(E)` and `from_string(std::string_view, E&) -> bool` found by argument-dependent lookup.
#pragma once
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace afina {

struct FieldInfo {
  const char* help = "";    ///< meaning, unit, range; one sentence
  double minimum = -1e300;  ///< inclusive, numbers only
  double maximum = 1e300;
};

namespace config_detail {

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <typename T>
void read_value(const Json& json, T& out) {
  if constexpr (IsOptional<T>::value) {
    if (json.is_null()) {
      out.reset();
    } else {
      typename T::value_type inner{};
      read_value(json, inner);
      out = std::move(inner);
    }
  } else if constexpr (std::is_enum_v<T>) {
    if (!json.is_string() || !from_string(json.get<std::string>(), out))
      throw std::invalid_argument("one of its words");
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) throw std::invalid_argument("true or false");
    out = json.get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    if (!json.is_number_integer()) throw std::invalid_argument("a whole number");
    out = json.get<T>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!json.is_number()) throw std::invalid_argument("a number");
    out = json.get<T>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!json.is_string()) throw std::invalid_argument("a string");
    out = json.get<std::string>();
  } else {
    if (!json.is_array()) throw std::invalid_argument("a list of strings");
    T list;
    for (const auto& item : json) {
      if (!item.is_string()) throw std::invalid_argument("a list of strings");
      list.push_back(item.get<std::string>());
    }
    out = std::move(list);
  }
}

template <typename T>
Json write_value(const T& value) {
  if constexpr (IsOptional<T>::value) {
    return value ? write_value(*value) : Json(nullptr);
  } else if constexpr (std::is_enum_v<T>) {
    return std::string(to_string(value));
  } else {
    return value;
  }
}

template <typename T>
constexpr bool is_number() {
  return std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;
}

}  // namespace config_detail

/// All field names, in declaration order.
template <typename Config>
std::vector<std::string> field_names(const Config& config = {}) {
  std::vector<std::string> names;
  for_each_field(config, [&](const char* name, const auto&, const FieldInfo&) { names.emplace_back(name); });
  return names;
}

/// Applies one JSON value. Throws UsageError for an unknown name (with the nearest known one) or a value that does not
/// fit.
template <typename Config>
void set_field(Config& config, const std::string& key, const Json& value, const std::string& where) {
  bool found = false;
  for_each_field(config, [&](const char* name, auto& field, const FieldInfo&) {
    if (key != name) return;
    found = true;
    try {
      config_detail::read_value(value, field);
    } catch (const std::exception& error) {
      throw UsageError(cat("[", where, "] ", key, " must be ", error.what(), ", but got ", dump_json(value), "."));
    }
  });
  if (found) return;
  const std::string near = nearest_name(key, field_names<Config>());
  throw UsageError(cat("[", where, "] must have known keys only, but got \"", key, "\"."),
                   near.empty() ? "" : cat("the nearest known key is \"", near, "\""));
}

/// Reads an object over the defaults already in `config`.
template <typename Config>
void read_config(Config& config, const Json& object, const std::string& where) {
  if (!object.is_object())
    throw UsageError(cat("[", where, "] must be a JSON object, but got ", object.type_name(), "."));
  for (const auto& [key, value] : object.items())
    set_field(config, key, value, where);
}

/// `--set key=value`: value is JSON where it parses as JSON, else a plain string; a comma list becomes a list.
template <typename Config>
void set_field_from_text(Config& config, const std::string& assignment, const std::string& where) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw UsageError(cat("[", where, "] must be key=value, but got \"", assignment, "\"."));
  }
  const std::string key = assignment.substr(0, equals), text = assignment.substr(equals + 1);
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) value = text;
  for_each_field(config, [&](const char* name, auto& field, const FieldInfo&) {
    using T = std::decay_t<decltype(field)>;
    if (key != name) return;
    if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      if (value.is_array()) return;
      Json list = Json::array();
      for (size_t from = 0; from <= text.size();) {
        const size_t comma = std::min(text.find(',', from), text.size());
        if (comma > from) list.push_back(text.substr(from, comma - from));
        from = comma + 1;
      }
      value = list;
    } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::optional<std::string>>) {
      if (!value.is_string() && !value.is_null()) value = text;
    }
  });
  set_field(config, key, value, where);
}

/// The whole config as JSON, every field written out: the stored record of a run.
template <typename Config>
OrderedJson config_json(const Config& config) {
  OrderedJson object = OrderedJson::object();
  for_each_field(config, [&](const char* name, const auto& field, const FieldInfo&) {
    object[name] = OrderedJson(config_detail::write_value(field));
  });
  return object;
}

/// Every number outside its stated range, as sentences; empty where all fit.
template <typename Config>
std::vector<std::string> range_problems(const Config& config) {
  std::vector<std::string> problems;
  for_each_field(config, [&](const char* name, const auto& field, const FieldInfo& info) {
    using T = std::decay_t<decltype(field)>;
    if constexpr (config_detail::is_number<T>()) {
      const double value = static_cast<double>(field);
      if (!(value >= info.minimum && value <= info.maximum)) {
        problems.push_back(cat(name, " must be ",
                               info.minimum > -1e299 ? cat("at least ", info.minimum) : std::string("a number"),
                               info.maximum < 1e299 ? cat(" and at most ", info.maximum) : "", ", but got ", value));
      }
    }
  });
  return problems;
}

/// "name = default   help", one line a field.
template <typename Config>
std::string config_help(const Config& defaults = {}) {
  std::string out;
  for_each_field(defaults, [&](const char* name, const auto& field, const FieldInfo& info) {
    out += cat("  ", name, " = ", dump_json(config_detail::write_value(field)), "  ", info.help, "\n");
  });
  return out;
}

}  // namespace afina
