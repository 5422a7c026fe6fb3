// SPDX-License-Identifier: Apache-2.0
// Streams of a whole collector: clients that leave and come back, caps, many at one time, models that fail.
#include <atomic>
#include <chrono>
#include <thread>

#include "storage/conversations.h"
#include "tests/collector/world.h"
#include "tests/http/raw_socket.h"

namespace afina::collector {
namespace {

class StreamsTest : public World {
 protected:
  static std::string turn_path(const Caller& caller, const Json& turn, const std::string& rest = "/stream") {
    return cat("/api/conversations/", caller.conversation, "/turns/", turn["id"].get<std::string>(), rest);
  }
};

/// A visitor on a bad line: says requests byte by byte and hangs up when it likes.
class Phone {
 public:
  Phone(const std::string& address, int port) : port_(port) {
    http::ClientOptions options;
    options.base_url = address;
    const http::Client client(options);
    const Json text = client.get_json("/api/consent/es");
    token_ = client.post_json("/api/visits", {{"locale", "es"},
                                              {"consent_version", text["version"]},
                                              {"consent_sha256", text["sha256"]},
                                              {"purposes", {"collect"}},
                                              {"adult", true},
                                              {"kind", "demo"}})["session_token"];
  }
  test::RawSocket say(const std::string& method, const std::string& path, const std::string& body = "",
                      const std::string& more = "") const {
    test::RawSocket socket(port_);
    socket.say(cat(method, " ", path, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ",
                   token_, "\r\nIdempotency-Key: ", new_uuid(), "\r\n", more));
    if (!body.empty()) socket.say(cat("Content-Type: application/json\r\nContent-Length: ", body.size(), "\r\n"));
    socket.say(cat("\r\n", body));
    return socket;
  }
  /// The JSON that ends an answer.
  Json json(const std::string& method, const std::string& path, const std::string& body = "") const {
    const std::string answer = say(method, path, body).hear();
    return Json::parse(answer.substr(answer.find("\r\n\r\n") + 4));
  }

 private:
  int port_;
  std::string token_;
};

TEST_F(StreamsTest, AClientThatLostItsLineGoesOnWhereItWasAndTheAnswerWentOnWithoutIt) {
  start({"held"});
  const Phone phone(collector_->address(), collector_->port());
  const std::string conversation = phone.json("POST", "/api/conversations", "{}")["id"];
  const std::string path = cat("/api/conversations/", conversation);
  std::string heard;
  {
    test::RawSocket line = phone.say("POST", path + "/messages", R"({"text":"hola","answers":1})");
    heard = line.hear("\"text\":\"Una\"}");
  }
  const size_t at = heard.rfind("id: ");
  ASSERT_NE(at, std::string::npos) << heard;
  const std::string id = heard.substr(at + 4, heard.find('\n', at) - at - 4);
  const Json turn = phone.json("GET", path)["turns"][0];
  ASSERT_EQ(turn["state"], "running");
  const std::string follow = cat(path, "/turns/", turn["id"].get<std::string>(), "/stream");
  test::RawSocket back = phone.say("GET", follow, "", cat("Last-Event-ID: ", id, "\r\n"));
  test::RawSocket by_query = phone.say("GET", cat(follow, "?last_event_id=", id));
  test::RawSocket stranger = phone.say("GET", follow + "?last_event_id=nobody.3");
  EXPECT_NE(stranger.hear("event: start").find("event: start"), std::string::npos);
  // Both follow before the answer ends: whoever comes later gets the turn whole.
  std::string heads[] = {back.hear("\r\n\r\n"), by_query.hear("\r\n\r\n")};
  fake_.open();
  for (size_t i = 0; i < 2; ++i) {
    const std::string rest = heads[i] + (i == 0 ? back : by_query).hear();
    EXPECT_EQ(rest.find("event: start"), std::string::npos);
    EXPECT_EQ(rest.find("\"text\":\"Una\""), std::string::npos) << "it has that";
    EXPECT_NE(rest.find("\"text\":\" respuesta"), std::string::npos) << rest;
    EXPECT_NE(rest.find("event: done"), std::string::npos);
    EXPECT_TRUE(rest.ends_with("0\r\n\r\n"));
  }
  // Committed: the id says nothing any more, and the turn comes whole.
  const std::string late = phone.say("GET", follow, "", cat("Last-Event-ID: ", id, "\r\n")).hear();
  EXPECT_NE(late.find("event: start"), std::string::npos);
  EXPECT_NE(late.find(FakeUpstream::text_of("held")), std::string::npos) << late;
}

TEST_F(StreamsTest, AboveTheCapAStreamIsRefusedAndItsAnswerIsFoundAgain) {
  CollectorConfig config;
  config.max_streams = 1;
  start({"held"}, config);
  Caller ana = visitor(), luz = visitor();
  std::jthread asking([&] { ana.ask("hola", 1); });
  ASSERT_TRUE(fake_.wait_for_held(1));
  luz.conversation = luz.post("/api/conversations").json.at("id");
  const std::string path = cat("/api/conversations/", luz.conversation, "/messages"), key = new_uuid();
  const Json body{{"text", "hola"}, {"answers", 1}};
  const Reply refused = luz.post(path, body, key);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.code(), "overloaded");
  EXPECT_EQ(refused.headers.get("Retry-After"), "1");
  EXPECT_EQ(luz.get("/api/conversations").status, 200) << "other requests go on";
  fake_.open();
  asking.join();
  // The one place is given back a little after its client has heard all.
  Reply again = luz.post(path, body, key);
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (again.status == 503 && std::chrono::steady_clock::now() < patience)
    again = luz.post(path, body, key);
  ASSERT_EQ(again.status, 200) << again.code();
  EXPECT_EQ(again.event("done")["answers"][0]["text"], FakeUpstream::text_of("held"));
  EXPECT_EQ(fake_.requests().size(), 2u) << "asked once for each person";
}

TEST_F(StreamsTest, NobodyIsToldThatAnAnswerBrokeOffWhileItWasBeingCommitted) {
  start({"other"});
  Caller ana = visitor();
  for (int i = 0; i < 20; ++i) {
    ana.conversation = ana.post("/api/conversations").json.at("id");
    const std::string path = cat("/api/conversations/", ana.conversation), key = new_uuid();
    const Json body{{"text", "hola"}, {"answers", 1}};
    std::atomic<bool> told = false;
    std::jthread asking([&] {
      EXPECT_EQ(ana.post(path + "/messages", body, key).status, 200);
      told = true;
    });
    while (!told) {
      const Json turns = ana.get(path).json["turns"];
      if (turns.empty()) continue;  // the first has not yet been heard: a repeat of it would be the first
      EXPECT_NE(turns[0]["state"], "interrupted");
      const Reply again = ana.post(path + "/messages", body, key);
      if (again.code() == "busy") continue;
      ASSERT_EQ(again.status, 200) << again.code();
      EXPECT_EQ(again.event("done")["answers"][0]["text"], FakeUpstream::text_of("other"));
    }
  }
  EXPECT_EQ(fake_.requests().size(), 20u) << "each asked once";
}

TEST_F(StreamsTest, AHundredPeopleAreAnsweredAtOneTime) {
  CollectorConfig config;
  config.max_turns = 100;
  start({"held", "other"}, config);
  constexpr int kPeople = 50;
  std::vector<Caller> people;
  for (int i = 0; i < kPeople; ++i) {
    people.push_back(visitor());
    people.back().conversation = people.back().post("/api/conversations").json.at("id");
  }
  std::vector<Reply> replies(kPeople);
  {
    std::vector<std::jthread> asking;
    for (int i = 0; i < kPeople; ++i)
      asking.emplace_back([&, i] { replies[i] = people[i].ask(cat("pregunta ", i)); });
    ASSERT_TRUE(fake_.wait_for_held(kPeople)) << "all at one time, two models each";
    EXPECT_EQ(people[0].get("/api/conversations").status, 200);
    fake_.open();
  }
  for (const Reply& reply : replies)
    EXPECT_EQ(reply.event("done")["votable"], true);
}

TEST_F(StreamsTest, AModelThatFailsIsLeftAloneAndSaysSoAtOnce) {
  start({"mute"});  // silent until its deadline of a second
  Caller ana = visitor();
  Json turn = ana.ask("hola", 1).event("done");
  for (int i = 0; i < 4; ++i)
    turn = ana.post(turn_path(ana, turn, "/retry"), {{"answers", 1}}).event("done");
  EXPECT_EQ(turn["answers"][0]["error"], "upstream_slow");
  const auto begin = std::chrono::steady_clock::now();
  turn = ana.post(turn_path(ana, turn, "/retry"), {{"answers", 1}}).event("done");
  EXPECT_EQ(turn["answers"][0]["error"], "upstream_down") << turn.dump();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(900));
  EXPECT_EQ(fake_.requests().size(), 5u);
}

}  // namespace
}  // namespace afina::collector
