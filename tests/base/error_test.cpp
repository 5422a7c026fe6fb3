// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <gtest/gtest.h>

namespace afina {
namespace {

TEST(Error, AppendsTheHintToTheMessage) {
  const UsageError error("[x] must be 1, but got 2.", "use 1");
  EXPECT_STREQ(error.what(), "[x] must be 1, but got 2. Hint: use 1");
  EXPECT_EQ(error.kind(), ErrorKind::usage);
}

TEST(Error, MapsEachKindToOneExitCodeAndStatus) {
  EXPECT_EQ(exit_code(ErrorKind::usage), 2);
  EXPECT_EQ(exit_code(ErrorKind::data), 3);
  EXPECT_EQ(exit_code(ErrorKind::cancelled), 130);
  EXPECT_EQ(http_status(ErrorKind::conflict), 409);
  EXPECT_EQ(http_status(ErrorKind::storage), 503);
  EXPECT_EQ(to_string(ErrorKind::not_found), "not_found");
}

TEST(Error, NamesTheNearestKnownName) {
  EXPECT_EQ(nearest_name("learning_rat", {"beta", "learning_rate", "seed"}), "learning_rate");
  EXPECT_EQ(nearest_name("zzzzzzzzzz", {"beta", "seed"}), "");
}

TEST(Error, ReportsAFailedCheckWithItsPlace) {
  try {
    AFINA_CHECK(1 == 2, "sums are off");
    FAIL();
  } catch (const InternalError& error) {
    EXPECT_NE(std::string(error.what()).find("error_test.cpp"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("sums are off"), std::string::npos);
  }
}

}  // namespace
}  // namespace afina
