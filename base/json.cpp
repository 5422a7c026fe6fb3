// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <set>
#include <vector>

#include "base/error.h"

namespace afina {
namespace {

// Builds the DOM while checking depth, count and duplicate keys, so a hostile document stops before memory does.
template <typename J>
J parse(std::string_view text, const std::string& where, const JsonLimits& limits) {
  std::vector<std::set<std::string>> keys;
  size_t elements = 0;
  std::string duplicate;
  const typename J::parser_callback_t check = [&](int depth, typename J::parse_event_t event, J& parsed) {
    using Event = typename J::parse_event_t;
    if (depth > limits.max_depth) {
      throw DataError(cat("[", where, "] must be JSON of at most ", limits.max_depth, " levels, but it is deeper."));
    }
    if (++elements > limits.max_elements) {
      throw DataError(cat("[", where, "] must be JSON of at most ", limits.max_elements, " values, but it has more."));
    }
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end && !keys.empty()) keys.pop_back();
    if (event == Event::key && !keys.empty()) {
      const auto& name = parsed.template get_ref<const std::string&>();
      if (!keys.back().insert(name).second) {
        throw DataError(cat("[", where, "] must name each key once, but got \"", name, "\" twice."));
      }
    }
    return true;
  };
  try {
    return J::parse(text.begin(), text.end(), check, true, limits.allow_comments);
  } catch (const nlohmann::json::parse_error& error) {
    throw DataError(cat("[", where, "] must be JSON, but byte ", error.byte,
                        " does not fit: ", std::string(error.what()).substr(std::string(error.what()).find("] ") + 2)));
  } catch (const nlohmann::json::exception& error) {
    throw DataError(cat("[", where, "] must be JSON, but got: ", error.what()));
  }
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where, const JsonLimits& limits) {
  return parse<Json>(text, where, limits);
}

OrderedJson parse_ordered_json(std::string_view text, const std::string& where, const JsonLimits& limits) {
  return parse<OrderedJson>(text, where, limits);
}

std::string dump_json(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string dump_json(const OrderedJson& value, int indent) {
  return value.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace afina
