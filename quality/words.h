// SPDX-License-Identifier: Apache-2.0
// Words of a text for the poisoning gates: runs of ASCII letters and digits and of all bytes above 127, lower-cased in
// ASCII, so that accents, ñ and ŋ are parts of words. Scripts without blanks give whole sentences as words.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace afina::quality {

std::vector<std::string> words_of(std::string_view text);
/// 64-bit hash that is the same on every machine (FNV-1a with a final mix); not for secrets.
uint64_t text_hash(std::string_view text, uint64_t seed = 0);

}  // namespace afina::quality
