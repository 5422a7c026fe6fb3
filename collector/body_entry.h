// SPDX-License-Identifier: Apache-2.0
// One object of a list in a request's body, with its fields checked by name. Own API: an unknown field is an error.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/json.h"

namespace afina::collector {

/// 400 bad_request: "[body] WHERE must be MUST."
[[noreturn]] void bad_field(const std::string& where, const std::string& must);

/// Every getter throws HttpError 400 naming the field. The JSON outlives it.
class BodyEntry {
 public:
  /// where: its place in the body, for messages. Throws for what is no object and for a field not among `known`.
  BodyEntry(const Json& json, std::string where, std::initializer_list<std::string_view> known);
  bool has(const char* name) const { return json_.contains(name) && !json_.at(name).is_null(); }
  const Json& at(const char* name) const;
  /// "" where it is absent and not required; 400 too_long above max_bytes.
  std::string text(const char* name, size_t max_bytes, bool required = true) const;
  int64_t whole(const char* name, int64_t minimum, int64_t maximum) const;
  const Json& list(const char* name, size_t most) const;
  const std::string& where() const { return where_; }

 private:
  const Json& json_;
  std::string where_;
};

}  // namespace afina::collector
