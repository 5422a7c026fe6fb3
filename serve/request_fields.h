// SPDX-License-Identifier: Apache-2.0
// Fields of an OpenAI request body as checked values. A field that is absent and one that is null are the same, as the
// API's clients expect. Every fault is an http::HttpError 400 with code and param in OpenAI's words.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace afina::serve {

/// Throws http::HttpError 400 "[param] message".
[[noreturn]] void refuse(const std::string& param, const std::string& message, const std::string& code = "");
/// As refuse, with the code unsupported_parameter.
[[noreturn]] void refuse_unsupported(const std::string& param, const std::string& message);

/// The field, or null where it is absent or JSON null.
const OrderedJson* find_field(const OrderedJson& object, const char* name);
/// Throws as refuse for another type or a value outside low..high; so do the next four.
std::optional<double> number_field(const OrderedJson& body, const char* name, double low, double high);
/// A number without a fraction is an integer, also where it is written as 3.0 or 1e3.
std::optional<int64_t> integer_field(const OrderedJson& body, const char* name, int64_t low, int64_t high);
std::optional<bool> flag_field(const OrderedJson& body, const char* name);
std::optional<std::string> text_field(const OrderedJson& body, const char* name);
/// An object, or null where it is absent.
const OrderedJson* object_field(const OrderedJson& body, const char* name);

}  // namespace afina::serve
