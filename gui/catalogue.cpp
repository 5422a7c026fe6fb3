// SPDX-License-Identifier: Apache-2.0
#include "gui/catalogue.h"

#include <array>

#include "base/error.h"

namespace afina::gui {

namespace {

struct Row {
  const char* en;
  const char* es;
  const char* pt;
};

constexpr std::array<Row, static_cast<size_t>(Text::count)> kTexts = {{
#define TEXT(name, en, es, pt) {en, es, pt},
#include "gui/texts.inc"
#undef TEXT
}};

}  // namespace

std::string_view to_string(Language language) {
  return language == Language::es ? "es" : language == Language::pt ? "pt" : "en";
}

Language language_from_tag(std::string_view tag) {
  const std::string_view primary = tag.substr(0, tag.find_first_of("-_."));
  for (const Language language : {Language::en, Language::es, Language::pt}) {
    if (primary == to_string(language)) return language;
  }
  throw UsageError(cat("[workbench.lang] must be en, es or pt, but got \"", tag, "\"."));
}

const char* text_of(Text text, Language language) {
  const Row& row = kTexts.at(static_cast<size_t>(text));
  return language == Language::es ? row.es : language == Language::pt ? row.pt : row.en;
}

std::string Catalogue::fill(std::string_view pattern, std::initializer_list<std::string> parts) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const bool placeholder = i + 2 < pattern.size() && pattern[i] == '{' && pattern[i + 2] == '}';
    const size_t index = placeholder ? static_cast<size_t>(pattern[i + 1] - '0') : parts.size();
    if (index < parts.size()) {
      out += parts.begin()[index];
      i += 2;
    } else {
      out.push_back(pattern[i]);
    }
  }
  return out;
}

}  // namespace afina::gui
