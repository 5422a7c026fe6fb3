// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <vector>

#include "http/rate_limiter.h"
#include "http/retry.h"
#include "http/router.h"
#include "http/sse.h"

namespace afina::http {
namespace {

using namespace std::chrono_literals;

std::vector<SseEvent> parse(const std::string& bytes, size_t piece) {
  std::vector<SseEvent> events;
  SseParser parser([&](const SseEvent& event) {
    events.push_back(event);
    return true;
  });
  for (size_t from = 0; from < bytes.size(); from += piece)
    parser.push(std::string_view(bytes).substr(from, piece));
  return events;
}

TEST(Sse, EveryLineEndingAndEveryCutGivesTheSameEvents) {
  const std::string text =
      "\xEF\xBB\xBF: hi\ndata: uno\ndata:  dos \u00f1\n\nevent: x\nid: 7\ndata\n\nretry: 3\ndata: {\"a\":1}\n\ndata: "
      "cut";
  for (const std::string ending : {"\n", "\r", "\r\n"}) {
    std::string bytes;
    for (const char c : text)
      c == '\n' ? bytes += ending : bytes += c;
    for (size_t piece = 1; piece <= bytes.size(); ++piece) {
      const auto events = parse(bytes, piece);
      ASSERT_EQ(events.size(), 3u) << piece;
      EXPECT_EQ(events[0].data, "uno\n dos \u00f1");
      EXPECT_EQ(events[0].event, "message");
      EXPECT_EQ(events[1].event, "x");
      EXPECT_EQ(events[1].id, "7");
      EXPECT_EQ(events[1].data, "");
      EXPECT_EQ(events[2].data, "{\"a\":1}");
      EXPECT_EQ(events[2].id, "7");
    }
  }
}

TEST(Sse, AnEventAboveTheCapOrNotUtf8IsAnError) {
  SseParser lines([](const SseEvent&) { return true; }, 100);
  EXPECT_THROW(
      {
        for (int i = 0; i < 200; ++i)
          lines.push("data: 0123456789\n");
      },
      DataError);
  SseParser endless([](const SseEvent&) { return true; }, 100);
  EXPECT_THROW(endless.push(std::string(200, 'a')), DataError);
  SseParser bytes([](const SseEvent&) { return true; });
  EXPECT_THROW(bytes.push("data: \xff\xfe\n\n"), DataError);
}

TEST(Sse, TheCallbackStopsTheParser) {
  int seen = 0;
  SseParser parser([&](const SseEvent&) { return ++seen < 2; });
  EXPECT_FALSE(parser.push("data: 1\n\ndata: 2\n\ndata: 3\n\n"));
  EXPECT_FALSE(parser.push("data: 4\n\n"));
  EXPECT_EQ(seen, 2);
}

TEST(Sse, WhatIsFormattedIsReadBack) {
  const auto events = parse(format_sse_event("a\nb\r\nc\rd", "kind\ninjected: 1", "9"), 3);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].data, "a\nb\nc\nd");
  EXPECT_EQ(events[0].event, "kind");
  EXPECT_EQ(events[0].id, "9");
}

TEST(Routes, LiteralsWinOverNamesAndMethodsAreTold) {
  Router router;
  const auto add = [&](const char* method, const char* pattern) {
    router.add({.method = method, .pattern = pattern, .handler = {}, .options = {}, .names = {}});
  };
  add("GET", "/");
  add("GET", "/pairs/{id}");
  add("POST", "/pairs/{id}/vote");
  add("GET", "/pairs/next");
  EXPECT_EQ(router.match("GET", "/").route->pattern, "/");
  EXPECT_EQ(router.match("GET", "/pairs/next").route->pattern, "/pairs/next");
  EXPECT_EQ(router.match("GET", "/pairs/12").params.at("id"), "12");
  EXPECT_EQ(router.match("POST", "/pairs/next/vote").params.at("id"), "next");
  EXPECT_EQ(router.match("HEAD", "/pairs/12").route->method, "GET");
  EXPECT_EQ(router.match("DELETE", "/pairs/12").allowed, std::vector<std::string>{"GET"});
  for (const char* path : {"/pairs", "/pairs/", "/pairs/1/", "//", "/pairs//vote", "/pairs/1/vote/2"}) {
    EXPECT_EQ(router.match("GET", path).route, nullptr) << path;
    EXPECT_TRUE(router.match("GET", path).allowed.empty()) << path;
  }
  EXPECT_THROW(add("GET", "/pairs/{other}"), UsageError);
  EXPECT_THROW(add("GET", "pairs"), UsageError);
  EXPECT_THROW(add("GET", "/a//b"), UsageError);
  EXPECT_THROW(add("GET", "/a/{b"), UsageError);
}

TEST(RateLimit, ABucketFillsWithTimeAndKeysAreApart) {
  RateLimiter limiter(2, 3, 2);
  const RateLimiter::Time start{};
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(limiter.take("a", start), 0);
  EXPECT_NEAR(limiter.take("a", start), 0.5, 1e-9);
  EXPECT_EQ(limiter.take("b", start), 0);
  EXPECT_EQ(limiter.take("a", start + 500ms), 0);
  EXPECT_GT(limiter.take("a", start + 500ms), 0);
  EXPECT_EQ(limiter.take("c", start), 0);  // forgets b, the longest unused
  EXPECT_GT(limiter.take("a", start + 500ms), 0);
}

TEST(Retry, StatusesAndHeadersDecide) {
  for (const int status : {408, 409, 429, 500, 503})
    EXPECT_TRUE(is_retryable(status, {})) << status;
  for (const int status : {200, 400, 401, 404, 422})
    EXPECT_FALSE(is_retryable(status, {})) << status;
  Headers no;
  no.add("X-Should-Retry", "false");
  EXPECT_FALSE(is_retryable(500, no));
  const auto asked = [](const char* name, const char* value) {
    Headers headers;
    headers.add(name, value);
    return retry_after(headers, std::chrono::system_clock::from_time_t(1'700'000'000));
  };
  EXPECT_EQ(asked("retry-after", "2"), 2s);
  EXPECT_EQ(asked("retry-after-ms", "15"), 15ms);
  EXPECT_EQ(asked("retry-after", "Tue, 14 Nov 2023 22:13:30 GMT"), 10s);
  for (const char* bad : {"-1", "121", "soon", "nan", ""})
    EXPECT_FALSE(asked("retry-after", bad)) << bad;
  EXPECT_EQ(backoff(500ms, 0, 0), 500ms);
  EXPECT_EQ(backoff(500ms, 2, 0), 2s);
  EXPECT_EQ(backoff(500ms, 30, 0), 8s);
  EXPECT_GE(backoff(500ms, 0, 0.999), 375ms);
}

TEST(Message, CookiesAndHeadersAreFoundWithoutCase) {
  Request request;
  request.headers.add("cookie", "a=1; token=x=y; b=2");
  EXPECT_EQ(request.cookie("token"), "x=y");
  EXPECT_EQ(request.cookie("b"), "2");
  EXPECT_EQ(request.cookie("tok"), "");
  request.body = std::string(40, '[') + std::string(40, ']');
  EXPECT_THROW(request.json(), DataError);
}

}  // namespace
}  // namespace afina::http
