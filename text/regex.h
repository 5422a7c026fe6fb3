// SPDX-License-Identifier: Apache-2.0
// Patterns of tokenizer.json: Oniguruma's Ruby syntax, run by PCRE2 with every character class written out from our
// Unicode 16 tables, so that the engine's own Unicode version does not show. What the two engines read differently is
// translated or refused by name (kkos/oniguruma doc/RE).
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace afina::text {

/// The pattern in PCRE2's spelling. Throws ModelError naming the construct that has no equal.
std::string translate_pattern(std::string_view oniguruma_pattern);

/// Compiled once; any thread may search.
class Regex {
 public:
  /// Throws ModelError "[where] …" for a pattern that is not one, is too long, or needs what PCRE2 lacks.
  Regex(std::string_view oniguruma_pattern, const std::string& where);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  /// Appends the matches in valid UTF-8, as Oniguruma's scan: left to right, an empty match only where it does not
  /// touch the match before. Throws DataError where matching takes more steps than the text can excuse.
  void find_all(std::string_view text, std::vector<TextRange>& matches) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace afina::text
