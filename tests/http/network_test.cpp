// SPDX-License-Identifier: Apache-2.0
#include "http/network.h"

#include <gtest/gtest.h>

namespace afina::http {
namespace {

TEST(NetworkOf, IsTheFirstThreeNumbersOfAnIpv4Address) {
  EXPECT_EQ(network_of("203.0.113.7"), "203.0.113.0/24");
  EXPECT_EQ(network_of("203.0.113.255"), network_of("203.0.113.0"));
  EXPECT_NE(network_of("203.0.112.7"), network_of("203.0.113.7"));
  EXPECT_EQ(network_of("::ffff:203.0.113.7"), "203.0.113.0/24") << "the same client over a socket of both kinds";
  EXPECT_EQ(network_of("::FFFF:CB00:7107"), "203.0.113.0/24");
}

TEST(NetworkOf, IsTheSiteOfAnIpv6Address) {
  EXPECT_EQ(network_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1::/48");
  EXPECT_EQ(network_of("2001:DB8:1:ffff::"), network_of("2001:0db8:0001::9")) << "any way of writing it";
  EXPECT_NE(network_of("2001:db8:2::9"), network_of("2001:db8:1::9"));
  EXPECT_EQ(network_of("fe80::1%eth0"), "fe80::/48");
}

TEST(NetworkOf, IsUnknownForLoopbackAndForWhatIsNoAddress) {
  for (const char* address : {"127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "", "localhost", "203.0.113",
                              "203.0.113.7:80", "203.0.113.7, 10.0.0.1", "1:2:3", "%", "::ffff:1.2.3.4.5"}) {
    EXPECT_EQ(network_of(address), "") << address;
  }
}

}  // namespace
}  // namespace afina::http
