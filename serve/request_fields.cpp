// SPDX-License-Identifier: Apache-2.0
#include "serve/request_fields.h"

#include <cmath>

#include "http/message.h"

namespace afina::serve {

void refuse(const std::string& param, const std::string& message, const std::string& code) {
  throw http::HttpError(ErrorKind::usage, 400, cat("[", param, "] ", message), code, 0, param);
}

void refuse_unsupported(const std::string& param, const std::string& message) {
  refuse(param, message, "unsupported_parameter");
}

const OrderedJson* find_field(const OrderedJson& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::optional<double> number_field(const OrderedJson& body, const char* name, double low, double high) {
  const OrderedJson* value = find_field(body, name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number())
    refuse(name, cat("must be a number, but is a JSON ", value->type_name(), "."), "invalid_type");
  const double found = value->get<double>();
  if (!(found >= low && found <= high))
    refuse(name, cat("must be between ", low, " and ", high, ", but got ", found, "."));
  return found;
}

std::optional<int64_t> integer_field(const OrderedJson& body, const char* name, int64_t low, int64_t high) {
  const OrderedJson* value = find_field(body, name);
  if (value == nullptr) return std::nullopt;
  int64_t found = 0;
  if (value->is_number_unsigned()) {
    // A value above the signed range is above every bound of ours too.
    found = value->get<uint64_t>() > uint64_t{INT64_MAX} ? INT64_MAX : value->get<int64_t>();
  } else if (value->is_number_integer()) {
    found = value->get<int64_t>();
  } else if (value->is_number_float() && std::abs(value->get<double>()) <= 0x1p53 &&
             std::trunc(value->get<double>()) == value->get<double>()) {
    found = static_cast<int64_t>(value->get<double>());
  } else {
    refuse(name, "must be an integer, but is not.", "invalid_type");
  }
  if (found < low || found > high) refuse(name, cat("must be between ", low, " and ", high, ", but got ", found, "."));
  return found;
}

std::optional<bool> flag_field(const OrderedJson& body, const char* name) {
  const OrderedJson* value = find_field(body, name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) refuse(name, "must be true or false, but is neither.", "invalid_type");
  return value->get<bool>();
}

std::optional<std::string> text_field(const OrderedJson& body, const char* name) {
  const OrderedJson* value = find_field(body, name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) refuse(name, cat("must be a text, but is a JSON ", value->type_name(), "."), "invalid_type");
  return value->get<std::string>();
}

const OrderedJson* object_field(const OrderedJson& body, const char* name) {
  const OrderedJson* value = find_field(body, name);
  if (value != nullptr && !value->is_object())
    refuse(name, cat("must be an object, but is a JSON ", value->type_name(), "."), "invalid_type");
  return value;
}

}  // namespace afina::serve
