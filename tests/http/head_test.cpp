// SPDX-License-Identifier: Apache-2.0
#include "http/head.h"

#include <gtest/gtest.h>

namespace afina::http {
namespace {

constexpr size_t kCap = 16 * 1024;

int status(const std::string& bytes) {
  const auto read = read_head(bytes, kCap);
  if (!read) return -1;
  const auto* fault = std::get_if<HeadFault>(&*read);
  return fault == nullptr ? 0 : fault->status;
}

std::string get(const std::string& target, const std::string& headers = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

TEST(Head, AWholeHeadIsReadAndItsBodyLeft) {
  const std::string head = "POST /v1/x%20y?a=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
  const auto read = read_head(head + "hello", kCap);
  ASSERT_TRUE(read);
  const auto& request = std::get<RequestHead>(*read);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/v1/x y");
  EXPECT_EQ(request.content_length, 5u);
  EXPECT_EQ(request.wire_bytes, head.size());
  EXPECT_EQ(request.text, "POST /v1/x%20y?a=1 HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(Head, EveryPrefixOfAValidHeadIsIncompleteAndNeverAnError) {
  const std::string head = get("/a/b?c=d", "Accept: */*\r\nCookie: a=b\r\n");
  for (size_t size = 0; size < head.size(); ++size)
    EXPECT_EQ(status(head.substr(0, size)), -1) << size;
  EXPECT_EQ(status(head), 0);
}

TEST(Head, HostileHeadsGetTheirStatus) {
  const struct {
    const char* what;
    std::string head;
    int status;
  } cases[] = {
      {"bare line feed", "GET / HTTP/1.1\nHost: a\n\n", 400},
      {"bare carriage return in a value", get("/", "X: a\rb\r\n"), 400},
      {"folded line", get("/", "X: a\r\n b\r\n"), 400},
      {"space before colon", get("/", "X : a\r\n"), 400},
      {"zero byte in a value", get("/", std::string("X: a\0b\r\n", 8)), 400},
      {"encoded line break in a value", get("/", "X: a%0d%0aFAKE: 1\r\n"), 400},
      {"encoded zero in the path", get("/a%00b"), 400},
      {"encoded slash", get("/a%2fb"), 400},
      {"encoded dots", get("/%2e%2e/etc"), 400},
      {"dots", get("/../etc/passwd"), 400},
      {"backslash", get("/..%5cetc"), 400},
      {"half an escape", get("/a%2"), 400},
      {"path that is not UTF-8", get("/%ff"), 400},
      {"absolute target", get("http://evil/"), 400},
      {"fragment", get("/#a"), 400},
      {"zero byte in the query", get("/?a=%00"), 400},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two hosts", get("/", "Host: b\r\n"), 400},
      {"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"two equal lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
      {"length in words", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: abc\r\n\r\n", 400},
      {"negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
      {"huge length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 413},
      {"chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
      {"chunked and length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
       501},
      {"gzip", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\n", 415},
      {"GET with a body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", 400},
      {"unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
      {"unknown version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"other expectation", get("/", "Expect: miracles\r\n"), 417},
      {"posing as the server", get("/", "REMOTE_ADDR: 6.6.6.6\r\n"), 400},
      {"long target", get("/" + std::string(5000, 'a')), 414},
      {"endless request line", std::string(kCap, 'a'), 414},
      {"large head", get("/", "X: " + std::string(kCap, 'a') + "\r\n"), 431},
  };
  for (const auto& c : cases)
    EXPECT_EQ(status(c.head), c.status) << c.what;
  std::string many;
  for (int i = 0; i < 65; ++i)
    many += "X: a\r\n";
  EXPECT_EQ(status(get("/", many)), 431);
}

TEST(Head, FeaturesThatAreNotOfferedAreIgnoredNotPassedOn) {
  const auto read =
      read_head(get("/", "Range: bytes=0-,0-,0-\r\nUpgrade: websocket\r\nAccept-Encoding: gzip\r\nX: y\r\n"), kCap);
  ASSERT_TRUE(read);
  EXPECT_EQ(std::get<RequestHead>(*read).text, get("/", "X: y\r\n"));
}

}  // namespace
}  // namespace afina::http
