// SPDX-License-Identifier: Apache-2.0
// JSON from people and files: parsed with caps on depth and size and without duplicate keys, written without throwing
// on broken UTF-8. Wraps nlohmann::json, whose own parser accepts depths on which its copy and dump overflow the stack.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace afina {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

struct JsonLimits {
  int max_depth = 64;               ///< 16 for HTTP bodies
  size_t max_elements = 5'000'000;  ///< values in the whole document
  bool allow_comments = false;      ///< `//` and `/* */`, for config files
};

/// Parses one document. Throws DataError "[where] must be JSON …" with the byte position for bad syntax, invalid UTF-8,
/// a duplicate key, or a document beyond the limits. `where` names the file, line or request part.
Json parse_json(std::string_view text, const std::string& where, const JsonLimits& limits = {});

/// As parse_json, and keeps the order of keys (templates and records that are shown again).
OrderedJson parse_ordered_json(std::string_view text, const std::string& where, const JsonLimits& limits = {});

/// Compact JSON; invalid UTF-8 becomes U+FFFD. indent >= 0 pretty-prints.
std::string dump_json(const Json& value, int indent = -1);
std::string dump_json(const OrderedJson& value, int indent = -1);

}  // namespace afina
