// SPDX-License-Identifier: Apache-2.0
#include "collector/body_entry.h"

#include <algorithm>

#include "base/cat.h"
#include "collector/wire.h"

namespace afina::collector {

void bad_field(const std::string& where, const std::string& must) {
  throw refusal(400, "bad_request", cat("[body] ", where, " must be ", must, "."));
}

BodyEntry::BodyEntry(const Json& json, std::string where, std::initializer_list<std::string_view> known)
    : json_(json), where_(std::move(where)) {
  if (!json.is_object()) bad_field(where_, "an object");
  for (const auto& [name, value] : json.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      bad_field(where_, cat("without unknown fields, but has \"", name.substr(0, 60), "\""));
    }
  }
}

const Json& BodyEntry::at(const char* name) const {
  if (!has(name)) bad_field(cat(where_, ".", name), "given");
  return json_.at(name);
}

std::string BodyEntry::text(const char* name, size_t max_bytes, bool required) const {
  if (!required && !has(name)) return "";
  const Json& value = at(name);
  if (!value.is_string()) bad_field(cat(where_, ".", name), "a string");
  std::string text = value.get<std::string>();
  if (text.find('\0') != std::string::npos) bad_field(cat(where_, ".", name), "text without U+0000");
  if (text.size() > max_bytes) {
    throw refusal(400, "too_long", cat("[body] ", where_, ".", name, " must be at most ", max_bytes, " bytes."));
  }
  return text;
}

int64_t BodyEntry::whole(const char* name, int64_t minimum, int64_t maximum) const {
  const auto found = json_.find(name);
  const bool fits = found != json_.end() && found->is_number_integer() &&
                    !(found->is_number_unsigned() && found->get<uint64_t>() > INT64_MAX) &&
                    found->get<int64_t>() >= minimum && found->get<int64_t>() <= maximum;
  if (!fits) bad_field(cat(where_, ".", name), cat("a whole number from ", minimum, " to ", maximum));
  return found->get<int64_t>();
}

const Json& BodyEntry::list(const char* name, size_t most) const {
  const Json& value = at(name);
  if (!value.is_array() || value.size() > most) bad_field(cat(where_, ".", name), cat("a list of at most ", most));
  return value;
}

}  // namespace afina::collector
