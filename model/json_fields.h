// SPDX-License-Identifier: Apache-2.0
// Typed look-ups in one JSON object that a person or another program wrote. Every mismatch is a ModelError that names
// the file and the key. null counts as missing.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace afina::model {

/// Views into json, which must outlive it. `where` names the file.
class JsonFields {
 public:
  JsonFields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  const Json& json() const { return json_; }
  bool has(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }
  /// There, and null: for keys whose null differs from their absence.
  bool is_null(const char* key) const { return json_.contains(key) && json_[key].is_null(); }
  int64_t integer(const char* key) const {
    if (!has(key)) fail(key, "be there", "it is missing");
    return whole(key, json_[key]);
  }
  int64_t integer_or(const char* key, int64_t otherwise) const { return has(key) ? whole(key, json_[key]) : otherwise; }
  double number(const char* key) const {
    if (!has(key)) fail(key, "be there", "it is missing");
    return number_or(key, 0);
  }
  double number_or(const char* key, double otherwise) const {
    if (!has(key)) return otherwise;
    if (!json_[key].is_number()) fail(key, "be a number", dump_json(json_[key]));
    return json_[key].get<double>();
  }
  bool boolean_or(const char* key, bool otherwise) const {
    if (!has(key)) return otherwise;
    if (!json_[key].is_boolean()) fail(key, "be true or false", dump_json(json_[key]));
    return json_[key].get<bool>();
  }
  std::string text_or(const char* key, const std::string& otherwise) const {
    if (!has(key)) return otherwise;
    if (!json_[key].is_string()) fail(key, "be a string", dump_json(json_[key]));
    return json_[key].get<std::string>();
  }
  /// A whole number or a list of them.
  std::vector<int64_t> integers(const char* key) const {
    if (!has(key)) return {};
    if (!json_[key].is_array()) return {whole(key, json_[key])};
    std::vector<int64_t> out;
    for (const Json& value : json_[key])
      out.push_back(whole(key, value));
    return out;
  }
  [[noreturn]] void fail(const char* key, const std::string& what, const std::string& got) const {
    throw ModelError(cat("[", where_, "] ", key, " must ", what, ", but got ", got.substr(0, 200), "."));
  }

 private:
  int64_t whole(const char* key, const Json& value) const {
    const bool fits = value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX);
    if (!fits) fail(key, "be a whole number", dump_json(value));
    return value.get<int64_t>();
  }

  const Json& json_;
  std::string where_;
};

}  // namespace afina::model
