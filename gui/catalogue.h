// SPDX-License-Identifier: Apache-2.0
// The interface's sentences in English, Spanish and Portuguese. The table is gui/texts.inc. Not for people's own text,
// which is never translated.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/cat.h"

namespace afina::gui {

enum class Text {
#define TEXT(name, en, es, pt) name,
#include "gui/texts.inc"
#undef TEXT
  count
};

enum class Language { en, es, pt };

std::string_view to_string(Language language);
/// "en", "es", "pt", also with a region ("pt-BR", "es_CL.UTF-8"). Throws UsageError for another one.
Language language_from_tag(std::string_view tag);

/// The raw sentence with its placeholders; lives as long as the program.
const char* text_of(Text text, Language language);

/// A language chosen: `texts(Text::copy)`, `texts(Text::next_vote, "12")`. A value; cheap to copy.
class Catalogue {
 public:
  explicit Catalogue(Language language = Language::en) : language_(language) {}
  Language language() const { return language_; }

  /// Without placeholders to fill: no copy is made.
  const char* operator()(Text text) const { return text_of(text, language_); }
  /// {0}, {1} … are replaced by the arguments in order.
  template <typename... Parts>
  std::string operator()(Text text, const Parts&... parts) const {
    return fill(text_of(text, language_), {cat(parts)...});
  }

 private:
  static std::string fill(std::string_view pattern, std::initializer_list<std::string> parts);

  Language language_;
};

}  // namespace afina::gui
