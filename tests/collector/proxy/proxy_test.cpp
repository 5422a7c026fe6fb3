// SPDX-License-Identifier: Apache-2.0
// Clients of OpenAI's API through the collector: what they get, what is kept of it, what is refused.
#include <gtest/gtest.h>

#include "tests/collector/proxy/token_client.h"
#include "tests/storage/events/listener.h"

namespace afina::collector {
namespace {

constexpr const char* kChat = "/v1/chat/completions";

Json ask(const std::string& model, const std::string& text = "¿Cómo hago pan?") {
  return {{"model", model}, {"messages", {{{"role", "user"}, {"content", text}}}}};
}

std::string content_of(const Reply& reply) {
  return reply.json.at("choices").at(0).at("message").at("content");
}

struct Proxy : TokenWorld {};

TEST_F(Proxy, AnswersWholeWithTheNamedModelAndLogsTheConversation) {
  start({"good", "other"});
  database_->transaction([](storage::Transaction& t) { storage::listen(t); });
  const Program program = proxy_program();
  const Reply reply = program.post(kChat, ask("modelo-good"));
  ASSERT_EQ(reply.status, 200) << reply.json.dump();
  EXPECT_EQ(content_of(reply), FakeUpstream::text_of("good"));
  EXPECT_EQ(reply.json["object"], "chat.completion");
  EXPECT_EQ(reply.json["model"], "modelo-good");
  EXPECT_EQ(reply.json["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(reply.json["usage"]["prompt_tokens"], 9);
  const storage::Result kept = rows(
      "SELECT g.id::text AS id, g.text, g.prompt_tokens, c.source, c.mode, c.visitor_id::text AS who, m.content "
      "FROM generation g JOIN conversation c ON c.id = g.conversation_id JOIN message m ON m.conversation_id = c.id "
      "AND m.turn = 0");
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(reply.json["id"], "chatcmpl-" + kept[0].text("id"));
  EXPECT_EQ(kept[0].text("text"), FakeUpstream::text_of("good"));
  EXPECT_EQ(kept[0].integer("prompt_tokens"), 9);
  EXPECT_EQ(kept[0].text("source"), "api");
  EXPECT_EQ(kept[0].text("mode"), "chat");
  EXPECT_EQ(kept[0].text("who"), program.visitor_id);
  EXPECT_EQ(kept[0].text("content"), "¿Cómo hago pan?");
  EXPECT_EQ(count("outbox WHERE type IN ('conversation.created', 'answer.created')"), 2);
}

TEST_F(Proxy, StreamsDeltasAsTheyComeWithOneIdUsageAndDone) {
  start({"good"});
  const Program program = proxy_program();
  Json body = ask("modelo-good");
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  const Reply reply = program.post(kChat, body);
  ASSERT_EQ(reply.status, 200);
  ASSERT_GE(reply.events.size(), 4U);
  EXPECT_EQ(reply.events.back().data, "[DONE]");
  std::string text;
  const Json first = Json::parse(reply.events.front().data);
  EXPECT_EQ(first["choices"][0]["delta"]["role"], "assistant");
  for (size_t i = 0; i + 1 < reply.events.size(); ++i) {
    const Json chunk = Json::parse(reply.events[i].data);
    EXPECT_EQ(chunk["id"], first["id"]);
    EXPECT_EQ(chunk["created"], first["created"]);
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    const bool last = i + 2 == reply.events.size();
    EXPECT_EQ(chunk["usage"].is_null(), !last) << i;
    if (!chunk["choices"].empty()) text += chunk["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(text, FakeUpstream::text_of("good"));
  EXPECT_EQ(count("generation WHERE error = '' AND text <> ''"), 1);
}

TEST_F(Proxy, SendsNoUsageChunkToWhoDidNotAskForOneButKeepsTheNumbers) {
  start({"good"});
  Json body = ask("modelo-good");
  body["stream"] = true;
  const Reply reply = proxy_program().post(kChat, body);
  for (const auto& event : reply.events)
    EXPECT_EQ(event.data.find("usage"), std::string::npos) << event.data;
  EXPECT_EQ(count("generation WHERE completion_tokens = 5"), 1);
}

TEST_F(Proxy, ArenaReturnsOneOfTwoAndKeepsBothWithTheExposure) {
  start({"good", "afina"});
  const Program program = proxy_program();
  const Reply reply = program.post(kChat, ask("arena"));
  ASSERT_EQ(reply.status, 200) << reply.json.dump();
  EXPECT_EQ(reply.json["model"], "arena");
  EXPECT_EQ(reply.json["afina"]["arena"], true);
  EXPECT_FALSE(reply.json["afina"].contains("adapter_id")) << "what names the model must not get through";
  EXPECT_EQ(reply.json.dump().find("modelo-"), std::string::npos);
  ASSERT_TRUE(wait_for("exposure", 1));
  EXPECT_EQ(count("generation WHERE error = ''"), 2);
  const auto shown = rows(
      "SELECT CASE e.shown WHEN 'a' THEN p.generation_a_id ELSE p.generation_b_id END::text AS id, "
      "e.a_on_left = (e.shown = 'a') AS left FROM exposure e JOIN pair p ON p.id = e.pair_id");
  EXPECT_EQ(reply.json["id"], "chatcmpl-" + shown[0].text("id"));
  EXPECT_TRUE(shown[0].boolean("left")) << "the one that was shown counts as the left";
}

TEST_F(Proxy, ArenaStreamsBlindAndAnswersWithoutTheSlowerHalf) {
  // Zeros: the first model is A, and A is shown; the other one writes until it is let go.
  start({"good", "held"}, {}, [] { return 0U; });
  Json body = ask("arena");
  body["stream"] = true;
  const Reply reply = proxy_program().post(kChat, body);
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(reply.events.back().data, "[DONE]");
  for (const auto& event : reply.events)
    EXPECT_EQ(event.data.find("modelo-"), std::string::npos);
  EXPECT_EQ(count("generation"), 1) << "the answer was told before its other half had ended";
  EXPECT_EQ(count("exposure"), 0);
  fake_.open();
  EXPECT_TRUE(wait_for("exposure", 1));
}

TEST_F(Proxy, KeepsTheShownHalfWhereTheOtherFails) {
  start({"good", "refuse"});
  const Program program = proxy_program();
  int good = 0, bad = 0;
  while (good == 0 || bad == 0) {
    const Reply reply = program.post(kChat, ask("arena"));
    (reply.status == 200 ? good : bad) += 1;
    ASSERT_LT(good + bad, 60);
    if (reply.status != 200) {
      EXPECT_EQ(reply.json["error"]["code"], "upstream_refused");
    }
  }
  ASSERT_TRUE(wait_for("generation", 2 * (good + bad)));
  EXPECT_EQ(count("pair"), 0);
  EXPECT_EQ(count("generation WHERE error = ''"), good + bad);
}

TEST_F(Proxy, GoesOnWithAConversationAsksAgainAndParts) {
  start({"good"});
  const Program program = proxy_program();
  const Reply first = program.post(kChat, ask("modelo-good", "Hola"));
  const std::string id = first.json["afina"]["conversation_id"];
  Json next = ask("modelo-good", "Hola");
  next["metadata"] = {{"conversation_id", id}};
  const Reply again = program.post(kChat, next);
  EXPECT_EQ(again.json["afina"]["conversation_id"], id) << "the same words ask again";
  EXPECT_EQ(count("generation WHERE turn = 1"), 2);
  next["messages"].push_back({{"role", "assistant"}, {"content", content_of(first)}});
  next["messages"].push_back({{"role", "user"}, {"content", "¿Y después?"}});
  EXPECT_EQ(program.post(kChat, next).json["afina"]["conversation_id"], id);
  EXPECT_EQ(count("message WHERE conversation_id = '" + id + "'"), 4);
  EXPECT_EQ(count("message WHERE role = 'assistant' AND generation_id IS NOT NULL"), 2);
  next["messages"][0]["content"] = "Otra cosa";
  const Reply parted = program.post(kChat, next);
  EXPECT_NE(parted.json["afina"]["conversation_id"], id) << "other words are another conversation";
  EXPECT_EQ(count("message WHERE conversation_id = '" + id + "'"), 4);
}

TEST_F(Proxy, KeepsConversationsApartByOwner) {
  start({"good"});
  const Program owner = proxy_program(), other = proxy_program();
  const std::string id = owner.post(kChat, ask("modelo-good")).json["afina"]["conversation_id"];
  for (const std::string& wanted : {id, new_uuid(), std::string("x' OR 1=1")}) {
    Json body = ask("modelo-good");
    body["metadata"] = {{"conversation_id", wanted}};
    const Reply reply = other.post(kChat, body);
    EXPECT_EQ(reply.status, 404);
    EXPECT_EQ(reply.json["error"]["param"], "metadata.conversation_id");
  }
  EXPECT_EQ(count("conversation"), 1);
}

TEST_F(Proxy, PassesOnWhatItDoesNotKnowWithTheUpstreamsModelAndCeiling) {
  UpstreamConfig config;
  start({"good"});
  Json body = ask("modelo-good");
  body["temperature"] = 0.1;
  body["max_tokens"] = 100000;
  body["frequency_penalty"] = 0.5;
  body["some_new_thing"] = {{"deep", true}};
  body["metadata"] = {{"trace", "t1"}};
  ASSERT_EQ(proxy_program().post(kChat, body).status, 200);
  const Json sent = fake_.requests().at(0);
  EXPECT_EQ(sent["model"], "good");
  EXPECT_EQ(sent["temperature"], 0.1);
  EXPECT_EQ(sent["max_tokens"], config.max_tokens);
  EXPECT_EQ(sent["frequency_penalty"], 0.5);
  EXPECT_EQ(sent["some_new_thing"]["deep"], true);
  EXPECT_EQ(sent["metadata"], (Json{{"trace", "t1"}}));
  EXPECT_EQ(sent["stream_options"]["include_usage"], true);
}

TEST_F(Proxy, ListsModelsWithArenaWhereThereAreTwo) {
  start({"good", "other"});
  const Program program = proxy_program();
  std::vector<std::string> names;
  const Reply all = program.get("/v1/models");
  for (const Json& model : all.json["data"])
    names.push_back(model["id"]);
  EXPECT_EQ(names, (std::vector<std::string>{"modelo-good", "modelo-other", "arena"}));
  EXPECT_EQ(program.get("/v1/models/arena").json["object"], "model");
  const Reply gone = program.get("/v1/models/gpt-4o");
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.json["error"]["code"], "model_not_found");
  start({"good"});
  EXPECT_EQ(proxy_program().post(kChat, ask("arena")).status, 404) << "one model cannot be compared";
}

TEST_F(Proxy, RefusesStrangersWrongScopesAndPeopleWithoutConsent) {
  start({"good"});
  const Caller stranger = somebody();
  const Reply none = stranger.post(kChat, ask("modelo-good"));
  EXPECT_EQ(none.status, 401);
  EXPECT_TRUE(none.json["error"].contains("type")) << "in OpenAI's form";
  EXPECT_EQ(visitor().post(kChat, ask("modelo-good")).status, 401);
  EXPECT_EQ(program(storage::Role::annotator, {"chat"}).post(kChat, ask("modelo-good")).status, 403);
  EXPECT_EQ(program(storage::Role::annotator, {"proxy"}, false).post(kChat, ask("modelo-good")).status, 401);
  EXPECT_EQ(count("conversation"), 0);
  EXPECT_TRUE(fake_.requests().empty());
}

TEST_F(Proxy, RefusesBadRequestsAndLeavesTheDatabaseAsItWas) {
  start({"good", "other"});
  const Program program = proxy_program();
  const Json user = ask("x")["messages"];
  const std::vector<std::pair<Json, std::string>> bad = {
      {Json::array(), ""},
      {{{"messages", user}}, "model"},
      {{{"model", 3}, {"messages", user}}, "model"},
      {{{"model", "modelo-good"}}, "messages"},
      {{{"model", "modelo-good"}, {"messages", Json::array()}}, "messages"},
      {{{"model", "modelo-good"}, {"messages", {{{"role", "king"}, {"content", "x"}}}}}, "messages[0].role"},
      {{{"model", "modelo-good"}, {"messages", {{{"role", "user"}}}}}, "messages[0].content"},
      {{{"model", "modelo-good"}, {"messages", {{{"role", "user"}, {"content", {1}}}}}}, "messages[0].content"},
      {{{"model", "modelo-good"}, {"messages", user}, {"n", 99}}, "n"},
      {{{"model", "modelo-good"}, {"messages", user}, {"stream", "yes"}}, "stream"},
      {{{"model", "modelo-good"}, {"messages", user}, {"max_tokens", -1}}, "max_tokens"},
      {{{"model", "modelo-good"}, {"messages", user}, {"stream_options", {{"include_usage", true}}}}, "stream_options"},
      {{{"model", "arena"}, {"messages", user}, {"tools", {{{"type", "function"}}}}}, "tools"},
      {{{"model", "arena"}, {"messages", user}, {"n", 2}}, "n"},
  };
  for (const auto& [body, param] : bad) {
    const Reply reply = program.post(kChat, body);
    EXPECT_EQ(reply.status, 400) << body.dump();
    EXPECT_EQ(reply.json["error"]["type"], "invalid_request_error");
    if (!param.empty()) {
      EXPECT_EQ(reply.json["error"]["param"], param);
    }
  }
  EXPECT_EQ(program.post(kChat, ask("gpt-4o")).json["error"]["code"], "model_not_found");
  EXPECT_EQ(count("conversation"), 0);
  EXPECT_EQ(count("message"), 0);
}

TEST_F(Proxy, KeepsWhatCameBeforeAnUpstreamBrokeAndTellsTheClient) {
  start({"cut", "nonsense", "busy", "empty"});
  const Program program = proxy_program();
  for (const auto& [model, status] :
       {std::pair("modelo-cut", 502), std::pair("modelo-nonsense", 502), std::pair("modelo-busy", 429)}) {
    EXPECT_EQ(program.post(kChat, ask(model)).status, status) << model;
  }
  Json body = ask("modelo-cut");
  body["stream"] = true;
  const Reply reply = program.post(kChat, body);
  EXPECT_TRUE(Json::parse(reply.events.back().data).contains("error"));
  EXPECT_EQ(count("generation WHERE error <> '' AND model = 'cut' AND text <> ''"), 2);
  EXPECT_EQ(count("message WHERE role = 'user'"), 4) << "the question is kept whatever became of the answer";
}

TEST_F(Proxy, KeepsToolCallsPartsAndStrangeTextAsTheyAre) {
  start({"good"});
  Json body{
      {"model", "modelo-good"},
      {"messages",
       {{{"role", "developer"}, {"content", "Sé breve."}},
        {{"role", "user"}, {"content", {{{"type", "text"}, {"text", "ŋandú 👩‍🌾"}}, {{"type", "image_url"}}}}},
        {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", {{{"id", "c1"}}}}},
        {{"role", "tool"}, {"tool_call_id", "c1"}, {"content", "22 °C"}}}}};
  ASSERT_EQ(proxy_program().post(kChat, body).status, 200);
  const auto kept = rows("SELECT role, content FROM message ORDER BY turn");
  ASSERT_EQ(kept.size(), 5U);
  EXPECT_EQ(kept[0].text("role"), "system");
  EXPECT_EQ(kept[1].text("content"), "ŋandú 👩‍🌾\n[image_url]");
  EXPECT_EQ(kept[2].text("content"), R"([{"id":"c1"}])");
  EXPECT_EQ(kept[3].text("role"), "tool");
  EXPECT_EQ(kept[3].text("content"), "22 °C");
}

TEST_F(Proxy, KeepsNothingMoreOfWhoWithdrewWhileTheModelWrote) {
  start({"held"});
  const Program program = proxy_program();
  Json body = ask("modelo-held");
  body["stream"] = true;
  std::jthread withdrawer([&] {
    fake_.wait_for_held(1);
    database_->transaction([&](storage::Transaction& t) { storage::withdraw(t, program.receipt); });
    fake_.open();
  });
  const Reply reply = program.post(kChat, body);
  EXPECT_TRUE(Json::parse(reply.events.back().data).contains("error"));
  EXPECT_EQ(count("generation"), 0);
}

}  // namespace
}  // namespace afina::collector
