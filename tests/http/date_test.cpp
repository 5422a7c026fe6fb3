// SPDX-License-Identifier: Apache-2.0
#include "http/date.h"

#include <gtest/gtest.h>

namespace afina::http {
namespace {

std::string at(long long seconds) {
  return http_date(std::chrono::system_clock::time_point(std::chrono::seconds(seconds)));
}

TEST(HttpDate, IsWrittenAsTheStandardsExample) {
  EXPECT_EQ(at(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(HttpDate, KnowsLeapDaysTheEpochAndTheYearAfterASecondOverflow) {
  EXPECT_EQ(at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(at(1709164800), "Thu, 29 Feb 2024 00:00:00 GMT");
  EXPECT_EQ(at(2147483648), "Tue, 19 Jan 2038 03:14:08 GMT");
}

}  // namespace
}  // namespace afina::http
