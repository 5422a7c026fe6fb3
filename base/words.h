// SPDX-License-Identifier: Apache-2.0
// Enums and their words, one table each: what is written and what is read agree.
#pragma once
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace afina {

template <typename E, size_t N>
using Words = std::array<std::pair<E, std::string_view>, N>;

/// The word of a value. Throws InternalError for one that the table lacks.
template <typename E, size_t N>
std::string_view word_of(const Words<E, N>& words, E value) {
  for (const auto& [known, word] : words) {
    if (known == value) return word;
  }
  throw InternalError("[words] a value must have a word, but has none.");
}

/// False, and out as it was, for a word that the table lacks.
template <typename E, size_t N>
bool value_of(const Words<E, N>& words, std::string_view word, E& out) {
  for (const auto& [value, known] : words) {
    if (known != word) continue;
    out = value;
    return true;
  }
  return false;
}

}  // namespace afina
