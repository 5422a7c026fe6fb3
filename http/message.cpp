// SPDX-License-Identifier: Apache-2.0
#include "http/message.h"

#include <algorithm>

namespace afina::http {

bool equal_without_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && blank(text.back()))
    text.remove_suffix(1);
  return text;
}

const std::string* Headers::find(std::string_view name) const {
  for (const auto& [key, value] : lines_) {
    if (equal_without_case(key, name)) return &value;
  }
  return nullptr;
}

std::string Headers::get(std::string_view name) const {
  const std::string* value = find(name);
  return value == nullptr ? std::string() : *value;
}

void Headers::set(std::string name, std::string value) {
  std::erase_if(lines_, [&](const auto& line) { return equal_without_case(line.first, name); });
  lines_.emplace_back(std::move(name), std::move(value));
}

const std::string& Request::param(const std::string& name) const {
  const auto found = params.find(name);
  if (found == params.end()) throw InternalError(cat("[http] the route must have {", name, "}, but has not."));
  return found->second;
}

std::optional<std::string> Request::query_value(const std::string& name) const {
  const auto found = query.find(name);
  if (found == query.end()) return std::nullopt;
  return found->second;
}

std::string Request::cookie(std::string_view name) const {
  std::string_view rest;
  const std::string* header = headers.find("Cookie");
  if (header != nullptr) rest = *header;
  while (!rest.empty()) {
    std::string_view pair = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    while (pair.starts_with(' '))
      pair.remove_prefix(1);
    const size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) return std::string(pair.substr(equals + 1));
  }
  return {};
}

Json Request::json() const {
  return parse_json(body, "request body", {.max_depth = 16, .max_elements = 200'000});
}

void Response::set_json(const Json& value, int new_status) {
  set_body(dump_json(value), "application/json", new_status);
}

void Response::set_json(const OrderedJson& value, int new_status) {
  set_body(dump_json(value), "application/json", new_status);
}

void Response::set_body(std::string content, std::string content_type, int new_status) {
  status = new_status;
  body = std::move(content);
  headers.set("Content-Type", std::move(content_type));
}

}  // namespace afina::http
