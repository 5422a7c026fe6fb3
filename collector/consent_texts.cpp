// SPDX-License-Identifier: Apache-2.0
#include "collector/consent_texts.h"

#include <algorithm>

#include "base/cat.h"
#include "base/error.h"
#include "base/hash.h"
#include "embedded/collector_site.h"

namespace afina::collector {
namespace {

constexpr std::string_view kFolder = "site/";

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

/// Inside a JSON string: quoted as JSON, without the quotes.
std::string inside_json_string(const std::string& text) {
  const std::string quoted = dump_json(Json(text));
  return quoted.substr(1, quoted.size() - 2);
}

/// Where nobody was named, the text says so in its own language.
std::string unnamed(std::string_view locale, bool contact) {
  if (locale == "es") return contact ? "quien te compartió esta página" : "quien administra este servidor";
  if (locale == "pt") return contact ? "quem compartilhou esta página com você" : "quem administra este servidor";
  return contact ? "whoever shared this page with you" : "whoever runs this server";
}

}  // namespace

bool is_locale(std::string_view name) {
  return std::find(std::begin(kLocales), std::end(kLocales), name) != std::end(kLocales);
}

std::map<std::string, ConsentDocument> load_consent_documents(const std::string& operator_name,
                                                              const std::string& contact) {
  std::map<std::string, ConsentDocument> documents;
  for (const std::string_view locale : kLocales) {
    ConsentDocument document;
    document.locale = locale;
    document.body = site_file(cat("consent/", locale, ".json"));
    replace_all(document.body, "{operator}",
                inside_json_string(operator_name.empty() ? unnamed(locale, false) : operator_name));
    replace_all(document.body, "{contact}", inside_json_string(contact.empty() ? unnamed(locale, true) : contact));
    document.json = parse_json(document.body, cat("consent/", locale, ".json"));
    document.sha256 = sha256_hex(document.body);
    document.version = cat(document.json.at("version").get<std::string>(), "+", document.sha256.substr(0, 8));
    for (const Json& purpose : document.json.at("purposes")) {
      document.purposes.push_back(purpose.at("id"));
      if (purpose.at("required")) document.required.push_back(purpose.at("id"));
    }
    documents[document.locale] = std::move(document);
  }
  return documents;
}

std::string_view site_file(std::string_view name) {
  for (const EmbeddedFile& file : collector_site()) {
    if (file.name.substr(kFolder.size()) == name) return file.bytes;
  }
  return "";
}

std::vector<std::string_view> site_files() {
  std::vector<std::string_view> names;
  for (const EmbeddedFile& file : collector_site())
    names.push_back(file.name.substr(kFolder.size()));
  return names;
}

}  // namespace afina::collector
