// SPDX-License-Identifier: Apache-2.0
// URLs that want to reach the server's own network, in all the spellings that fool simple filters.
#include "http/address_guard.h"

#include <gtest/gtest.h>

namespace afina::http {
namespace {

/// Names of a small world; asking for any other is a failure of the test.
std::vector<std::string> little_world(const std::string& host) {
  if (host == "model.example") return {"93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"};
  if (host == "localhost") return {"::1", "127.0.0.1"};
  if (host == "trap.example") return {"93.184.216.34", "10.0.0.7"};
  if (host == "inside.example") return {"192.168.1.10"};
  if (host == "mapped.example") return {"::ffff:169.254.169.254"};
  if (host == "nobody.example") return {};
  throw std::runtime_error("asked for " + host);
}

TEST(AddressGuard, RefusesEverySpellingOfAPrivateAddress) {
  for (const char* url : {"http://127.0.0.1/",
                          "http://127.0.0.1./",
                          "http://127.255.255.254:80/",
                          "http://0.0.0.0/",
                          "http://10.1.2.3/",
                          "http://172.31.255.255/",
                          "http://192.168.0.1/",
                          "http://169.254.169.254/latest/meta-data/",
                          "http://100.64.0.1/",
                          "http://198.18.0.1/",
                          "http://224.0.0.1/",
                          "http://255.255.255.255/",
                          "http://[::1]/",
                          "http://[::]/",
                          "http://[::ffff:127.0.0.1]/",
                          "http://[::ffff:7f00:1]/",
                          "http://[0:0:0:0:0:ffff:10.0.0.1]/",
                          "http://[::127.0.0.1]/",
                          "http://[fe80::1]/",
                          "http://[fc00::1]/",
                          "http://[fd12:3456::1]/",
                          "http://[ff02::1]/",
                          "http://[64:ff9b::10.0.0.1]/",
                          "http://[64:ff9b:1::1]/",
                          "http://[2002:7f00:1::]/",
                          "http://[2002:c0a8:101::1]/",
                          "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
                          "http://localhost/",
                          "http://LOCALHOST./",
                          "http://trap.example/",
                          "http://inside.example:8080/v1",
                          "https://mapped.example/"}) {
    EXPECT_THROW(guard_target(url, {}, little_world), AddressRefused) << url;
  }
}

TEST(AddressGuard, RefusesUrlsThatTwoReadersReadDifferently) {
  for (const char* url : {"http://2130706433/",
                          "http://0x7f000001/",
                          "http://0x7f.1/",
                          "http://0177.0.0.1/",
                          "http://127.1/",
                          "http://127.0.0.1.5/",
                          "http://127.0.0.0x1/",
                          "http://user@model.example/",
                          "http://model.example@127.0.0.1/",
                          "http://model.example:80@127.0.0.1/",
                          "http://model.example\\@127.0.0.1/",
                          "http://model.example#@127.0.0.1/",
                          "http://model.example /",
                          "http://model\n.example/",
                          "http://mod\xC3\xA9l.example/",
                          "http://\xE2\x91\xA0.example/",
                          "ftp://model.example/",
                          "file:///etc/passwd",
                          "gopher://model.example/",
                          "HTTP:/model.example",
                          "//model.example",
                          "model.example",
                          "",
                          "http://",
                          "http:///path",
                          "http://:80/",
                          "http://model.example:0/",
                          "http://model.example:65536/",
                          "http://model.example:8x/",
                          "http://model.example:/",
                          "http://[::1/",
                          "http://[::1]x/",
                          "http://[fe80::1%25eth0]/",
                          "http://[127.0.0.1]/",
                          "http://a..b/",
                          "http://.a/"}) {
    EXPECT_THROW(guard_target(url, {.allow_private = true}, little_world), UsageError) << url;
  }
}

TEST(AddressGuard, GivesTheAddressesThatWereCheckedToConnectTo) {
  const Target target = guard_target("https://Model.Example./v1/chat?x=1", {}, little_world);
  EXPECT_EQ(target.host, "model.example");
  EXPECT_EQ(target.port, 443);
  EXPECT_EQ(target.path, "/v1/chat?x=1");
  EXPECT_EQ(target.origin(), "https://model.example:443");
  EXPECT_EQ(target.addresses, little_world("model.example"));
  EXPECT_EQ(guard_target("http://[2606:2800::1]:8080", {}, little_world).origin(), "http://[2606:2800::1]:8080");
  EXPECT_EQ(guard_target("http://93.184.216.34?x", {}, little_world).path, "/?x");
  EXPECT_EQ(guard_target("http://[64:ff9b::93.184.216.34]/", {}, little_world).addresses.size(), 1u);
}

TEST(AddressGuard, AsksForANameOnce) {
  int asked = 0;
  guard_target("http://model.example/", {}, [&](const std::string& host) {
    ++asked;
    return little_world(host);
  });
  EXPECT_EQ(asked, 1);
}

TEST(AddressGuard, OpensWhatThePolicyOpensAndNoMore) {
  EXPECT_EQ(guard_target("http://localhost:1/", {.allow_loopback = true}, little_world).addresses.size(), 2u);
  EXPECT_NO_THROW(guard_target("http://127.0.0.1:1/", {.allow_loopback = true}, little_world));
  EXPECT_THROW(guard_target("http://10.0.0.1/", {.allow_loopback = true}, little_world), AddressRefused);
  EXPECT_THROW(guard_target("http://0.0.0.0/", {.allow_loopback = true}, little_world), AddressRefused);
  EXPECT_NO_THROW(guard_target("http://inside.example/", {.allow_private = true}, little_world));
  EXPECT_THROW(guard_target("http://model.example/", {.https_only = true}, little_world), AddressRefused);
}

TEST(AddressGuard, TellsANameWithoutAddressApart) {
  EXPECT_THROW(guard_target("http://nobody.example/", {}, little_world), NotFound);
  EXPECT_THROW(system_resolver("no-such-host.invalid"), NotFound);
}

TEST(AddressGuard, SaysNothingOfTheAddressesFound) {
  try {
    guard_target("http://inside.example/", {}, little_world);
    FAIL();
  } catch (const AddressRefused& error) {
    EXPECT_EQ(std::string(error.what()).find("192.168"), std::string::npos);
  }
}

}  // namespace
}  // namespace afina::http
