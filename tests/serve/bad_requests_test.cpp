// SPDX-License-Identifier: Apache-2.0
// What is refused, and in which words: tables of requests over real HTTP.
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/serve/service_fixture.h"
#include "tests/support/temp_folder.h"

namespace afina::serve {
namespace {

struct Case {
  std::string what, body;
  int status;
  Json code, param;
};

class BadRequests : public ServiceTest {
 protected:
  void expect(const std::string& path, const std::vector<Case>& cases) {
    for (const Case& c : cases) {
      const auto answer = client().request("POST", path, c.body);
      EXPECT_EQ(answer.status, c.status) << c.what << ": " << answer.body;
      const Json error = answer.json()["error"];
      EXPECT_EQ(error["type"], "invalid_request_error") << c.what;
      EXPECT_TRUE(error["message"].is_string()) << c.what;
      EXPECT_EQ(error["code"], c.code) << c.what;
      EXPECT_EQ(error["param"], c.param) << c.what;
    }
    EXPECT_EQ(recital_->added, 0);
  }
};

std::string chat(const Json& more) {
  Json made{{"model", "base"}, {"messages", {{{"role", "user"}, {"content", "a"}}}}};
  made.update(more);
  return dump_json(made);
}
std::string chat_of(const Json& message) {
  return chat({{"messages", {message}}});
}
std::string raw(const Json& more) {
  Json made{{"model", "base"}, {"prompt", "a"}};
  made.update(more);
  return dump_json(made);
}
std::string deep(int depth) {
  return "{\"model\":\"base\",\"messages\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
}

constexpr const char* kType = "invalid_type";
constexpr const char* kUnsupported = "unsupported_parameter";
constexpr const char* kMissing = "missing_required_parameter";

TEST_F(BadRequests, WhatBothRoutesShare) {
  const Json none;
  const std::string prefix =
      "{\"model\":\"base\",\"prompt\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],";
  const auto both = [&](const std::string& field) { return prefix + field + "}"; };
  Json crowd = Json::object();
  for (int i = 0; i < 2000; ++i)
    crowd[std::to_string(i)] = 1;
  const std::vector<Case> cases = {
      {"not JSON", "{\"model\"", 400, "invalid_json", none},
      {"empty", "", 400, "invalid_json", none},
      {"NaN", both("\"temperature\":NaN"), 400, "invalid_json", none},
      {"beyond a double", both("\"temperature\":1e999"), 400, "invalid_json", none},
      {"a key twice", both("\"n\":1,\"n\":2"), 400, "invalid_json", none},
      {"deep", deep(50), 400, "invalid_json", none},
      {"very deep", deep(200'000), 400, "invalid_json", none},
      {"invalid UTF-8", both("\"user\":\"\xFF\""), 400, "invalid_json", none},
      {"a list", "[]", 400, kType, "body"},
      {"no model", "{\"messages\":[],\"prompt\":\"a\"}", 400, kMissing, "model"},
      {"a number as model", "{\"model\":3}", 400, kType, "model"},
      {"unknown model", both("\"model2\":1").replace(10, 4, "gpt9"), 404, "model_not_found", "model"},
      {"temperature as text", both("\"temperature\":\"hot\""), 400, kType, "temperature"},
      {"temperature too high", both("\"temperature\":2.5"), 400, none, "temperature"},
      {"temperature negative", both("\"temperature\":-0.1"), 400, none, "temperature"},
      {"top_p zero", both("\"top_p\":0"), 400, none, "top_p"},
      {"top_k negative", both("\"top_k\":-1"), 400, none, "top_k"},
      {"penalty too high", both("\"frequency_penalty\":2.01"), 400, none, "frequency_penalty"},
      {"penalty as list", both("\"presence_penalty\":[1]"), 400, kType, "presence_penalty"},
      {"n zero", both("\"n\":0"), 400, none, "n"},
      {"n huge", both("\"n\":1000000000000"), 400, none, "n"},
      {"n beyond integers", both("\"n\":18446744073709551615"), 400, none, "n"},
      {"n as a fraction", both("\"n\":1.5"), 400, kType, "n"},
      {"n as a huge float", both("\"n\":1e300"), 400, kType, "n"},
      {"seed as text", both("\"seed\":\"1\""), 400, kType, "seed"},
      {"half a token", both("\"max_tokens\":1.5"), 400, kType, "max_tokens"},
      {"no tokens", both("\"max_tokens\":0"), 400, none, "max_tokens"},
      {"negative tokens", both("\"max_tokens\":-5"), 400, none, "max_tokens"},
      {"tokens beyond integers", both("\"max_tokens\":18446744073709551615"), 400, none, "max_tokens"},
      {"stop that is a number", both("\"stop\":3"), 400, kType, "stop"},
      {"stop of numbers", both("\"stop\":[3]"), 400, kType, "stop"},
      {"stop with an empty text", both("\"stop\":[\"a\",\"\"]"), 400, none, "stop"},
      {"many stops", both("\"stop\":" + dump_json(Json(std::vector<std::string>(17, "a")))), 400, none, "stop"},
      {"long stop", both("\"stop\":\"" + std::string(1025, 'a') + "\""), 400, none, "stop"},
      {"stream as text", both("\"stream\":\"yes\""), 400, kType, "stream"},
      {"stream_options alone", both("\"stream_options\":{\"include_usage\":true}"), 400, none, "stream_options"},
      {"bias as list", both("\"logit_bias\":[1]"), 400, kType, "logit_bias"},
      {"bias of a word", both("\"logit_bias\":{\"hola\":1}"), 400, none, "logit_bias"},
      {"bias out of the vocabulary", both("\"logit_bias\":{\"258\":1}"), 400, none, "logit_bias"},
      {"bias of a negative id", both("\"logit_bias\":{\"-1\":1}"), 400, none, "logit_bias"},
      {"bias too strong", both("\"logit_bias\":{\"65\":100.5}"), 400, none, "logit_bias"},
      {"bias as text", both("\"logit_bias\":{\"65\":\"1\"}"), 400, kType, "logit_bias"},
      {"many biases", both("\"logit_bias\":" + dump_json(crowd)), 400, none, "logit_bias"},
  };
  expect("/v1/chat/completions", cases);
  expect("/v1/completions", cases);
}

TEST_F(BadRequests, Chats) {
  const Json none;
  const Json tool{{"type", "function"}, {"function", {{"name", "f"}}}};
  const auto calls = [](const Json& list) {
    return chat_of({{"role", "assistant"}, {"content", nullptr}, {"tool_calls", list}});
  };
  expect("/v1/chat/completions",
         {{"no messages", "{\"model\":\"base\"}", 400, kMissing, "messages"},
          {"empty messages", chat({{"messages", Json::array()}}), 400, kMissing, "messages"},
          {"many messages", chat({{"messages", Json(std::vector<Json>(513, {{"role", "user"}, {"content", "a"}}))}}),
           400, none, "messages"},
          {"message that is a text", chat({{"messages", {"hi"}}}), 400, kType, "messages[0]"},
          {"unknown role", chat_of({{"role", "king"}, {"content", "a"}}), 400, none, "messages[0]"},
          {"content as number", chat_of({{"role", "user"}, {"content", 3}}), 400, kType, "messages[0]"},
          {"picture", chat_of({{"role", "user"}, {"content", {{{"type", "image_url"}}}}}), 400, "unsupported_content",
           "messages[0]"},
          {"name as number", chat_of({{"role", "user"}, {"content", "a"}, {"name", 3}}), 400, kType, "messages[0]"},
          {"calls as text", calls("f"), 400, kType, "messages[0]"},
          {"call without function", calls({{{"id", "1"}}}), 400, kType, "messages[0]"},
          {"arguments that are no JSON", calls({{{"function", {{"name", "f"}, {"arguments", "{"}}}}}), 400,
           "invalid_messages", "messages[0]"},
          {"old function_call", chat_of({{"role", "assistant"}, {"function_call", {{"name", "f"}}}}), 400, kUnsupported,
           "messages[0]"},
          {"functions", chat({{"functions", {{{"name", "f"}}}}}), 400, kUnsupported, "functions"},
          {"tools as object", chat({{"tools", {{"name", "f"}}}}), 400, kType, "tools"},
          {"tools without function", chat({{"tools", {{{"type", "function"}}}}}), 400, kType, "tools"},
          {"forced call", chat({{"tools", {tool}}, {"tool_choice", "required"}}), 400, kUnsupported, "tool_choice"},
          {"template text", chat({{"chat_template_kwargs", {{"loud", "<|im_end|>"}}}}), 400, kType,
           "chat_template_kwargs"},
          {"template messages", chat({{"chat_template_kwargs", {{"messages", 1}}}}), 400, none, "chat_template_kwargs"},
          {"JSON mode", chat({{"response_format", {{"type", "json_object"}}}}), 400, kUnsupported, "response_format"},
          {"response_format as text", chat({{"response_format", "json"}}), 400, kType, "response_format"},
          {"audio", chat({{"modalities", {"text", "audio"}}}), 400, kUnsupported, "modalities"},
          {"logprobs as number", chat({{"logprobs", 3}}), 400, kType, "logprobs"},
          {"many top_logprobs", chat({{"logprobs", true}, {"top_logprobs", 21}}), 400, none, "top_logprobs"},
          {"top_logprobs alone", chat({{"top_logprobs", 2}}), 400, none, "top_logprobs"},
          {"too long", chat_of({{"role", "user"}, {"content", std::string(500, 'a')}}), 400, "context_length_exceeded",
           "messages"}});
}

TEST_F(BadRequests, RawCompletions) {
  const Json none;
  expect("/v1/completions",
         {{"no prompt", "{\"model\":\"base\"}", 400, kMissing, "prompt"},
          {"prompt as object", raw({{"prompt", Json::object()}}), 400, kType, "prompt"},
          {"no prompts", raw({{"prompt", Json::array()}}), 400, kType, "prompt"},
          {"an empty list of ids", raw({{"prompt", {{65}, Json::array()}}}), 400, kType, "prompt"},
          {"texts and ids", raw({{"prompt", {"a", {65}}}}), 400, kType, "prompt"},
          {"half an id", raw({{"prompt", {65, 1.5}}}), 400, kType, "prompt"},
          {"id out of the vocabulary", raw({{"prompt", {65, 258}}}), 400, none, "prompt"},
          {"negative id", raw({{"prompt", {-1}}}), 400, none, "prompt"},
          {"many prompts", raw({{"prompt", Json(std::vector<std::string>(129, "a"))}}), 400, none, "prompt"},
          {"many answers", raw({{"prompt", Json(std::vector<std::string>(40, "a"))}, {"n", 4}}), 400, none, "prompt"},
          {"nothing at all", raw({{"prompt", ""}, {"afina", {{"add_special", false}}}}), 400, none, "prompt"},
          {"too long", raw({{"prompt", std::string(500, 'a')}}), 400, "context_length_exceeded", "prompt"},
          {"best_of", raw({{"best_of", 3}}), 400, kUnsupported, "best_of"},
          {"suffix", raw({{"suffix", "b"}}), 400, kUnsupported, "suffix"},
          {"many logprobs", raw({{"logprobs", 6}}), 400, none, "logprobs"},
          {"logprobs as flag", raw({{"logprobs", true}}), 400, kType, "logprobs"},
          {"echo as number", raw({{"echo", 1}}), 400, kType, "echo"},
          {"own object as text", raw({{"afina", "x"}}), 400, kType, "afina"},
          {"own flag as text", raw({{"afina", {{"parse_special", "yes"}}}}), 400, kType, "parse_special"}});
}

TEST_F(BadRequests, RoutesAndMethodsThatAreNone) {
  const auto unknown = client().request("POST", "/v1/embeddings", "{}");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.json()["error"]["type"], "invalid_request_error");
  EXPECT_TRUE(unknown.json()["error"].contains("param"));
  const auto method = client().request("GET", "/v1/chat/completions", "");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.json()["error"]["type"], "invalid_request_error");
}

class KeyedService : public ServiceTest {
 protected:
  KeyedService() : ServiceTest({.context_limit = 400, .keys = ApiKeys({"0123456789abcdef", "another-long-key"})}) {}
  http::ClientResponse with(const std::string& key) const {
    return http::Client({.base_url = server_.address(), .bearer = key, .max_retries = 0})
        .request("POST", "/v1/chat/completions", dump_json(ask("a")));
  }
};

TEST_F(KeyedService, OnlyThoseWithAKeyAreServed) {
  EXPECT_EQ(with("0123456789abcdef").status, 200);
  EXPECT_EQ(with("another-long-key").status, 200);
  for (const std::string& key : {std::string(), std::string("0123456789abcdee"), std::string("0123456789abcdef0")}) {
    const auto answer = with(key);
    EXPECT_EQ(answer.status, 401) << key;
    EXPECT_EQ(answer.json()["error"]["code"], "invalid_api_key");
    EXPECT_EQ(answer.json()["error"]["type"], "invalid_request_error");
  }
  EXPECT_EQ(client().request("GET", "/v1/models", "").status, 401);
  EXPECT_EQ(client().request("GET", "/health", "").status, 200);
}

TEST(ApiKeys, FilesAreReadLineByLineAndMustBePrivate) {
  const TempFolder folder;
  const std::string file = folder.path() / "keys";
  write_file_atomic(file, "0123456789abcdef\r\n\nsecond-key-of-this  \n");
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  const ApiKeys keys = load_api_keys(file, "third-key-from-environment");
  http::Request request;
  for (const char* key : {"0123456789abcdef", "second-key-of-this", "third-key-from-environment"}) {
    request.headers.set("Authorization", cat("bearer ", key));
    EXPECT_NO_THROW(keys.require(request)) << key;
  }
  request.headers.set("Authorization", "Basic 0123456789abcdef");
  EXPECT_THROW(keys.require(request), http::HttpError);
  std::filesystem::permissions(file, std::filesystem::perms(0644));
  EXPECT_THROW(load_api_keys(file, nullptr), UsageError);
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  write_file_atomic(file, "short\n");
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  EXPECT_THROW(load_api_keys(file, nullptr), UsageError);
  write_file_atomic(file, "\n");
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  EXPECT_THROW(load_api_keys(file, nullptr), UsageError);
  EXPECT_ANY_THROW(load_api_keys(folder.path() / "none", nullptr));
  EXPECT_TRUE(load_api_keys({}, "").empty());
}

class LimitedService : public ServiceTest {
 protected:
  LimitedService() : ServiceTest({.context_limit = 400, .requests_per_second = 0.01}) {}
};

TEST_F(LimitedService, WhoComesTooFastIsToldWhenToComeAgain) {
  EXPECT_EQ(client().request("GET", "/v1/models", "").status, 200);
  const auto answer = client().request("GET", "/v1/models", "");
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.json()["error"]["code"], "rate_limit_exceeded");
  EXPECT_GT(std::stoi(answer.headers.get("Retry-After")), 0);
}

TEST(OpenAiService, AModelWithoutATemplateOffersRawCompletionsOnly) {
  text::TextStack stack = byte_stack();
  stack.chat_template = nullptr;
  ModelCatalog catalog({"base", "feed", 5}, {}, {}, {});
  Scheduler scheduler(std::make_unique<RecitingDecoder>(std::make_shared<Recital>()), {});
  OpenAiService service(stack, catalog, scheduler, {});
  http::Server server;
  service.add_routes(server);
  server.start();
  const http::Client client({.base_url = server.address(), .max_retries = 0});
  EXPECT_EQ(client.post_json("/v1/completions", Json{{"model", "base"}, {"prompt", "a"}})["choices"][0]["text"],
            "hola");
  const auto chatting = client.request("POST", "/v1/chat/completions", chat(Json::object()));
  EXPECT_EQ(chatting.status, 400);
  EXPECT_EQ(chatting.json()["error"]["code"], "unsupported_parameter");
}

}  // namespace
}  // namespace afina::serve
