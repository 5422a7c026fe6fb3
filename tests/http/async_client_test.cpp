// SPDX-License-Identifier: Apache-2.0
// The client on an event loop: the blocking client's rules, kept for hundreds of calls on one thread.
#include "http/async_client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "http/server.h"
#include "tests/http/scripted_server.h"

namespace afina::http {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const Endpoint> endpoint(ClientOptions options, AddressPolicy policy = {.allow_loopback = true}) {
  return std::make_shared<const Endpoint>(Endpoint{std::move(options), policy});
}

struct Ended {
  ClientResponse response;
  std::exception_ptr error;
  std::vector<std::string> events;
};

/// "", or what went wrong.
std::string word_of(const std::exception_ptr& error) {
  if (!error) return "";
  try {
    std::rethrow_exception(error);
  } catch (const UpstreamError& upstream) {
    return std::string(to_string(upstream.fault()));
  } catch (const Cancelled&) {
    return "cancelled";
  } catch (const AddressRefused&) {
    return "forbidden address";
  } catch (const std::exception& other) {
    return other.what();
  }
}

Ended get(AsyncClient& client, std::shared_ptr<const Endpoint> where, std::stop_token stop = {}) {
  std::promise<Ended> promise;
  client.start({.endpoint = std::move(where), .method = "GET", .path = "/", .stop = std::move(stop)},
               {.on_end = [&](ClientResponse response, std::exception_ptr error) {
                 promise.set_value({std::move(response), std::move(error), {}});
               }});
  return promise.get_future().get();
}

Ended stream(AsyncClient& client, std::shared_ptr<const Endpoint> where, size_t most = 1000,
             const std::string& body = "{}") {
  std::promise<std::exception_ptr> promise;
  Ended ended;
  client.post_stream(
      {.endpoint = std::move(where), .path = "/stream", .body = body},
      [&](const SseEvent& event) {
        ended.events.push_back(event.data);
        return ended.events.size() < most;
      },
      [&](std::exception_ptr error) { promise.set_value(std::move(error)); });
  ended.error = promise.get_future().get();
  return ended;
}

TEST(AsyncClient, AGoodServerIsAskedAndStreamed) {
  Server server;
  server.route("POST", "/v1/stream", [](const Request& q, Response& r) {
    r.stream([auth = q.headers.get("Authorization"), body = q.body](SseWriter& writer) {
      writer.send(auth);
      writer.send(body);
      writer.send("[DONE]");
    });
  });
  server.start();
  AsyncClient client;
  const auto where = endpoint({.base_url = server.address() + "/v1/", .bearer = "key"});
  for (int i = 0; i < 3; ++i) {
    const Ended ended = stream(client, where, 1000, "{\"a\":\"ñ\"}");
    EXPECT_EQ(word_of(ended.error), "");
    EXPECT_EQ(ended.events, (std::vector<std::string>{"Bearer key", "{\"a\":\"ñ\"}", "[DONE]"}));
  }
  EXPECT_EQ(get(client, where).response.status, 404);
  EXPECT_EQ(client.open(), 0u);
}

TEST(AsyncClient, AServerThatIsDownSlowOrTalksNonsenseIsTypedSo) {
  AsyncClient client;
  EXPECT_EQ(word_of(get(client, endpoint({.base_url = "http://127.0.0.1:9", .first_backoff = 1ms})).error), "down");
  const struct {
    const char* what;
    ScriptedServer::Script script;
    const char* word;
  } cases[] = {
      {"closes at once", says(""), "down"},
      {"closes in the middle of the body", says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\""), "down"},
      {"closes in the middle of a chunk", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"), "down"},
      {"bad chunk size", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{"), "down"},
      {"too large", says(answer(200, std::string(200'000, ' '))), "nonsense"},
      {"no HTTP", says("SSH-2.0-OpenSSH_9\r\n"), "nonsense"},
      {"endless header", says("HTTP/1.1 200 OK\r\nX: " + std::string(400'000, 'x')), "nonsense"},
      {"endless",
       [](test::RawSocket& socket) {
         socket.say("HTTP/1.1 200 OK\r\n\r\n");
         while (socket.say(std::string(10'000, 'x'))) {
         }
       },
       "nonsense"},
      {"silent", [](test::RawSocket& socket) { socket.hear({}, 2'000ms); }, "slow"},
      {"refuses", says(answer(400, "{}")), ""},
      {"redirects", says(answer(302, "", "Location: http://127.0.0.1:9/\r\n")), ""},
  };
  for (const auto& c : cases) {
    ScriptedServer server({c.script});
    EXPECT_EQ(word_of(get(client, endpoint(server.options())).error), c.word) << c.what;
  }
}

TEST(AsyncClient, ADrippingServerMeetsTheTotalDeadline) {
  ScriptedServer server({[](test::RawSocket& socket) {
    socket.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (socket.say("x") && socket.hear({}, 50ms).empty() && !socket.closed()) {
    }
  }});
  ClientOptions options = server.options();
  options.total_deadline = 400ms;
  AsyncClient client;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(word_of(get(client, endpoint(options)).error), "slow");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1'500ms);
}

TEST(AsyncClient, RetriesFollowTheRulesAndNeverComeAfterTheFirstEvent) {
  AsyncClient client;
  ScriptedServer recovers(
      {says(answer(503, "{}", "retry-after-ms: 1\r\n")), says(""), says(answer(200, "{\"ok\":1}"))});
  EXPECT_EQ(get(client, endpoint(recovers.options())).response.body, "{\"ok\":1}");
  EXPECT_EQ(recovers.calls(), 3);
  ScriptedServer busy({says(answer(429, "{}", "retry-after: 0\r\n"))});
  EXPECT_EQ(get(client, endpoint(busy.options())).response.status, 429);
  EXPECT_EQ(busy.calls(), 3);
  ScriptedServer wrong({says(answer(400, "{}"))});
  get(client, endpoint(wrong.options()));
  EXPECT_EQ(wrong.calls(), 1);
  ScriptedServer told({says(answer(500, "{}", "x-should-retry: false\r\n"))});
  get(client, endpoint(told.options()));
  EXPECT_EQ(told.calls(), 1);
  ScriptedServer breaks({says(answer(500, "{}")), says(events("data: 1\n\ndata: 2\n\ndata: 3"))});
  const Ended ended = stream(client, endpoint(breaks.options()));
  EXPECT_EQ(word_of(ended.error), "down");
  EXPECT_EQ(ended.events, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(breaks.calls(), 2);
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
  ScriptedServer comments(
      {says(head + "b\r\n: hold on\n\n\r\n"), says(events(": hold on\n\ndata: a\n\ndata: [DONE]\n\n"))});
  EXPECT_EQ(stream(client, endpoint(comments.options())).events.size(), 2u);
  EXPECT_EQ(comments.calls(), 2) << "a comment is nothing shown";
}

TEST(AsyncClient, ReadsStreamsInAnyPiecesAndLineEnds) {
  const std::string piece = "data: {\"t\":\"ñandú 👩‍🚀\"}\r\n\r\n";
  for (const size_t cut : {size_t{1}, size_t{14}, size_t{15}, size_t{16}, size_t{26}}) {
    ScriptedServer server({[&](test::RawSocket& socket) {
      socket.say(events(""));
      socket.say(piece.substr(0, cut));
      socket.hear({}, 20ms);
      socket.say(piece.substr(cut) + ": comment\r\rdata: two\rdata: lines\r\rdata: [DONE]\n\n");
    }});
    AsyncClient client;
    const Ended ended = stream(client, endpoint(server.options()));
    EXPECT_EQ(word_of(ended.error), "");
    ASSERT_EQ(ended.events.size(), 3u);
    EXPECT_EQ(ended.events[0], "{\"t\":\"ñandú 👩‍🚀\"}");
    EXPECT_EQ(ended.events[1], "two\nlines");
  }
}

TEST(AsyncClient, StreamsThatAreNotStreamsAreNonsense) {
  AsyncClient client;
  ScriptedServer json({says(answer(200, "{}", "Content-Type: application/json\r\n"))});
  EXPECT_EQ(word_of(stream(client, endpoint(json.options())).error), "nonsense");
  ScriptedServer bytes({says(events("data: \xff\n\n"))});
  EXPECT_EQ(word_of(stream(client, endpoint(bytes.options())).error), "nonsense");
  ScriptedServer refuses({says(answer(404, "{\"error\":{\"message\":\"unknown model\"}}"))});
  EXPECT_EQ(word_of(stream(client, endpoint(refuses.options())).error), "refused");
}

TEST(AsyncClient, WhatAHandlerThrowsEndsTheCall) {
  ScriptedServer server({says(events("data: 1\n\ndata: [DONE]\n\n"))});
  AsyncClient client;
  std::promise<std::exception_ptr> promise;
  client.post_stream(
      {.endpoint = endpoint(server.options()), .path = "/"},
      [](const SseEvent&) -> bool { throw std::runtime_error("mine"); },
      [&](std::exception_ptr error) { promise.set_value(std::move(error)); });
  EXPECT_EQ(word_of(promise.get_future().get()), "mine");
}

TEST(AsyncClient, AStopTokenEndsTheWaitAlsoWhereItCameFirst) {
  ScriptedServer server({[](test::RawSocket& socket) { socket.hear({}, 5'000ms); }});
  ClientOptions options = server.options();
  options.read_deadline = options.total_deadline = 5'000ms;
  AsyncClient client;
  std::stop_source stop;
  std::jthread stopper([&] {
    while (server.calls() == 0)
      std::this_thread::yield();
    stop.request_stop();
  });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(word_of(get(client, endpoint(options), stop.get_token()).error), "cancelled");
  EXPECT_EQ(word_of(get(client, endpoint(options), stop.get_token()).error), "cancelled");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

TEST(AsyncClient, ItsEndCancelsWhatIsOpen) {
  ScriptedServer server({[](test::RawSocket& socket) { socket.hear({}, 5'000ms); }});
  ClientOptions options = server.options();
  options.read_deadline = options.total_deadline = 5'000ms;
  std::atomic<int> cancelled{0};
  {
    AsyncClient client;
    for (int i = 0; i < 5; ++i) {
      client.start({.endpoint = endpoint(options), .path = "/"}, {.on_end = [&](ClientResponse, std::exception_ptr e) {
                     cancelled += word_of(e) == "cancelled" ? 1 : 0;
                   }});
    }
  }
  EXPECT_EQ(cancelled, 5);
}

TEST(AsyncClient, PrivateAddressesAreRefusedAndThePinnedOneIsUsed) {
  Server server;
  server.route("GET", "/", [](const Request& q, Response& r) { r.set_json(Json{{"host", q.headers.get("Host")}}); });
  server.start();
  AsyncClient client;
  const std::string port = server.address().substr(server.address().rfind(':'));
  EXPECT_EQ(word_of(get(client, endpoint({.base_url = server.address()}, {})).error), "forbidden address");
  EXPECT_EQ(word_of(get(client, endpoint({.base_url = "http://localhost" + port}, {})).error), "forbidden address");
  EXPECT_EQ(get(client, endpoint({.base_url = "http://localhost" + port})).response.status, 200);
  // A name nobody knows leads where the pin says, and nowhere else.
  ClientOptions pinned{.base_url = "http://localhost.model.example" + port, .max_retries = 0};
  EXPECT_EQ(word_of(get(client, endpoint(pinned)).error), "down");
  pinned.pinned_addresses = {"127.0.0.1"};
  EXPECT_EQ(get(client, endpoint(pinned)).response.status, 421) << "reached, and the server does not know the name";
}

TEST(AsyncClient, NoProxyVariableLeadsAnywhereElse) {
  ::setenv("http_proxy", "http://127.0.0.1:9", 1);
  ::setenv("all_proxy", "http://127.0.0.1:9", 1);
  ScriptedServer server({says(answer(200, "{}"))});
  AsyncClient client;
  EXPECT_EQ(get(client, endpoint(server.options())).response.status, 200);
  ::unsetenv("http_proxy");
  ::unsetenv("all_proxy");
}

TEST(AsyncClient, ThreeHundredStreamsGoOnOneThread) {
  ServerOptions options;
  options.max_event_streams = 400;
  options.max_queue = 400;
  Server server(options);
  std::mutex mutex;
  std::vector<std::shared_ptr<EventPipe>> pipes;
  std::condition_variable all_open;
  server.route("POST", "/stream", [&](const Request&, Response& r) {
    auto pipe = std::make_shared<EventPipe>();
    r.stream_events(pipe->reader());
    const std::lock_guard lock(mutex);
    pipes.push_back(std::move(pipe));
    all_open.notify_all();
  });
  server.start();
  constexpr size_t kStreams = 300;
  AsyncClient client;
  std::atomic<int> events{0};
  std::atomic<size_t> whole{0};
  std::promise<void> done;
  const auto where = endpoint({.base_url = server.address(), .max_retries = 0});
  for (size_t i = 0; i < kStreams; ++i) {
    client.post_stream(
        {.endpoint = where, .path = "/stream", .body = "{}"}, [&](const SseEvent&) { return ++events > 0; },
        [&](std::exception_ptr error) {
          EXPECT_EQ(word_of(error), "");
          if (++whole == kStreams) done.set_value();
        });
  }
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(all_open.wait_for(lock, 20s, [&] { return pipes.size() == kStreams; }));
  }
  EXPECT_EQ(client.open(), kStreams) << "all at one time";
  for (int round = 0; round < 10; ++round) {
    for (const auto& pipe : pipes)
      pipe->push(cat("piece ", round));
  }
  for (const auto& pipe : pipes) {
    pipe->push("[DONE]");
    pipe->finish();
  }
  ASSERT_EQ(done.get_future().wait_for(20s), std::future_status::ready);
  EXPECT_EQ(events, static_cast<int>(kStreams * 11));
}

}  // namespace
}  // namespace afina::http
