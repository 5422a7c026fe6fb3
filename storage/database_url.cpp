// SPDX-License-Identifier: Apache-2.0
#include "storage/database_url.h"

#include <libpq-fe.h>

#include <array>
#include <memory>
#include <utility>

#include "base/error.h"

namespace afina::storage {
namespace {

bool is_uri(const std::string& url) {
  return url.rfind("postgresql://", 0) == 0 || url.rfind("postgres://", 0) == 0;
}

std::string percent_encoded(const std::string& text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.') {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

// The value of a word in key=value form, quotes not undone: good enough for host, port and dbname.
std::string word_value(const std::string& words, const std::string& key) {
  for (size_t at = words.find(key + "="); at != std::string::npos; at = words.find(key + "=", at + 1)) {
    if (at != 0 && words[at - 1] != ' ') continue;
    const size_t begin = at + key.size() + 1;
    return words.substr(begin, words.find(' ', begin) - begin);
  }
  return "";
}

}  // namespace

std::string with_connection_defaults(const std::string& url) {
  constexpr std::array<std::pair<const char*, const char*>, 6> kDefaults{{{"connect_timeout", "5"},
                                                                          {"keepalives_idle", "10"},
                                                                          {"keepalives_interval", "3"},
                                                                          {"keepalives_count", "3"},
                                                                          {"tcp_user_timeout", "10000"},
                                                                          {"application_name", "afina"}}};
  std::string out = url;
  for (const auto& [key, value] : kDefaults) {
    if (url.find(cat(key, "=")) != std::string::npos) continue;
    if (is_uri(url)) {
      out += cat(out.find('?') == std::string::npos ? "?" : "&", key, "=", value);
    } else {
      out += cat(out.empty() ? "" : " ", key, "=", value);
    }
  }
  return out;
}

std::string without_secrets(const std::string& url) {
  if (!is_uri(url)) {
    const std::string host = word_value(url, "host");
    return cat(host.empty() ? "the local socket" : host, "/", word_value(url, "dbname"));
  }
  std::string rest = url.substr(url.find("//") + 2);
  const std::string query = rest.find('?') == std::string::npos ? "" : rest.substr(rest.find('?') + 1);
  rest = rest.substr(0, rest.find('?'));
  const size_t at = rest.rfind('@');
  if (at != std::string::npos) rest = rest.substr(at + 1);
  return rest.empty() || rest[0] == '/' ? cat("the local socket", rest) : rest;
}

SplitUrl split_password(const std::string& url) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(url.c_str(), nullptr),
                                                                             &PQconninfoFree);
  // libpq's own words would repeat what may be a password.
  if (!options)
    throw UsageError("[storage] an address of PostgreSQL must be a URI or key=value words, but is neither.");
  SplitUrl split;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view key = option->keyword;
    if (key == "password") {
      split.password = option->val;
      continue;
    }
    split.url += cat(split.url.empty() ? "" : " ", key, "='");
    for (const char c : std::string_view(option->val)) {
      if (c == '\\' || c == '\'') split.url += '\\';
      split.url += c;
    }
    split.url += '\'';
  }
  return split;
}

std::string socket_url(const std::filesystem::path& folder, int port, const std::string& user,
                       const std::string& database) {
  return cat("postgresql://", user, "@/", database, "?host=", percent_encoded(folder.string()), "&port=", port);
}

}  // namespace afina::storage
