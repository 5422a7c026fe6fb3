// SPDX-License-Identifier: Apache-2.0
#include "base/uuid.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace afina {
namespace {

TEST(Uuid, EqualsTheExampleOfRfc9562) {
  EXPECT_EQ(uuid_v7(0x017F22E279B0, 0xCC3, 0x18C4DC0C0C07398F), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

TEST(Uuid, SortsInTheOrderOfMaking) {
  std::string last;
  for (int i = 0; i < 20000; ++i) {
    const std::string next = new_uuid();
    ASSERT_LT(last, next);
    ASSERT_TRUE(is_uuid(next));
    last = next;
  }
}

TEST(Uuid, RefusesOtherText) {
  EXPECT_FALSE(is_uuid("017f22e2-79b0-7cc3-98c4-dc0c0c07398"));
  EXPECT_FALSE(is_uuid("017f22e2x79b0-7cc3-98c4-dc0c0c07398f"));
}

TEST(Clock, WritesUtcWithMilliseconds) {
  EXPECT_EQ(iso8601_utc(std::chrono::system_clock::time_point(std::chrono::milliseconds(1'700'000'000'123))),
            "2023-11-14T22:13:20.123Z");
}

}  // namespace
}  // namespace afina
