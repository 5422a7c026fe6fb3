// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <gtest/gtest.h>

namespace afina {
namespace {

TEST(Utf8, AcceptsTheLettersOfTheRegion) {
  EXPECT_TRUE(is_valid_utf8("ñ ŋ g̃ ꞌ ü 😀 você"));
  EXPECT_EQ(code_points("añ😀").size(), 3U);
}

TEST(Utf8, RefusesOverlongFormsSurrogatesAndStrayBytes) {
  EXPECT_EQ(find_invalid_utf8("ab\xC0\x80"), 2U);
  EXPECT_EQ(find_invalid_utf8("\xED\xA0\x80"), 0U);
  EXPECT_EQ(find_invalid_utf8("\xF4\x90\x80\x80"), 0U);
  EXPECT_EQ(find_invalid_utf8("a\x80"), 1U);
}

TEST(Utf8, RepairsWithOneMarkForEachMaximalSubpart) {
  // The example of the Unicode standard, table 3-8.
  EXPECT_EQ(repair_utf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62"),
            "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
            "b");
}

TEST(Utf8, HoldsBackOnlyAnIncompleteTail) {
  EXPECT_EQ(complete_utf8_prefix("ab\xC3"), 2U);
  EXPECT_EQ(complete_utf8_prefix("ab\xC3\xB1"), 4U);
  EXPECT_EQ(complete_utf8_prefix("ab\xF0\x9F\x98"), 2U);
  EXPECT_EQ(complete_utf8_prefix("ab\xFF"), 3U);
}

}  // namespace
}  // namespace afina
