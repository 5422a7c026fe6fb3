// SPDX-License-Identifier: Apache-2.0
// The generated facts of Unicode as text (see generate_unicode_tables.py for the spelling of each); unpacked by
// code_point_set.cpp and normalization.cpp. Not for use elsewhere.
#pragma once
#include <string_view>

namespace afina::text::data {

extern const std::string_view kCategoryRuns;
extern const std::string_view kWhiteSpace;
extern const std::string_view kScripts;
// What a class has beyond, and lacks of, the union of general categories that it is near to.
extern const std::string_view kRegexWordAdded, kRegexWordRemoved;  // L M Nd Pc
extern const std::string_view kOnigWordAdded, kOnigWordRemoved;    // L M Nd Pc
extern const std::string_view kAlphaAdded, kAlphaRemoved;          // L Nl
extern const std::string_view kUpperAdded, kUpperRemoved;          // Lu
extern const std::string_view kLowerAdded, kLowerRemoved;          // Ll
extern const std::string_view kOnigPunctAdded, kOnigPunctRemoved;  // P S
extern const std::string_view kPunctAdded, kPunctRemoved;          // P
extern const std::string_view kNumericAdded, kNumericRemoved;      // N
extern const std::string_view kAccentAdded, kAccentRemoved;        // M

extern const std::string_view kCanonical;
extern const std::string_view kCompatible;
extern const std::string_view kCompositions;
extern const std::string_view kCombiningClasses;
extern const std::string_view kLowercase;

}  // namespace afina::text::data
