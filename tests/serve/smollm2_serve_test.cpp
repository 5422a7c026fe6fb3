// SPDX-License-Identifier: Apache-2.0
// The real model behind real HTTP: what comes out of the server is what the peers generate.
#include <gtest/gtest.h>

#include <thread>

#include "base/file.h"
#include "http/client.h"
#include "serve/local_model.h"
#include "serve/openai_service.h"
#include "tests/support/golden.h"

namespace afina::serve {
namespace {

class SmolLm2Server : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    local_ = new LocalModel(load_local_model(smollm2_gguf()));
    golden_ = new Json(parse_json(read_file(golden_path("smollm2/greedy.json")), "greedy.json"));
  }
  static void TearDownTestSuite() {
    delete local_;
    delete golden_;
  }
  SmolLm2Server()
      : catalog_({local_->name, local_->weights->identity(), 0},
                 {{"noisy", "", golden_path("smollm2/adapter").string(), "", "", 0}}, {},
                 [](const AdapterEntry& entry) { return load_adapter(entry.path, local_->weights); }),
        scheduler_(make_sequence_decoder(local_->weights, {}), {}),
        service_(local_->text, catalog_, scheduler_, {}) {
    service_.add_routes(server_);
    server_.start();
  }
  http::Client client() const { return http::Client({.base_url = server_.address() + "/v1"}); }
  Json ask(const std::string& user, const Json& more = Json::object()) const {
    Json body{{"model", local_->name},
              {"messages", {{{"role", "user"}, {"content", user}}}},
              {"temperature", 0},
              {"max_tokens", 64}};
    body.update(more);
    return body;
  }

  static inline LocalModel* local_ = nullptr;
  static inline Json* golden_ = nullptr;
  ModelCatalog catalog_;
  Scheduler scheduler_;
  OpenAiService service_;
  http::Server server_;
};

TEST_F(SmolLm2Server, AStreamedGreedyAnswerIsThePeers) {
  const Json& run = (*golden_)["runs"][0];
  std::string text;
  Json last;
  client().post_stream("/chat/completions", ask(run["user"], {{"stream", true}}), [&](const http::SseEvent& event) {
    if (event.data == "[DONE]") return true;
    last = Json::parse(event.data);
    text += last["choices"][0]["delta"].value("content", "");
    return true;
  });
  EXPECT_EQ(text, run["text"]);
  EXPECT_EQ(last["afina"]["prompt_ids"], run["prompt_ids"]);
  EXPECT_EQ(last["afina"]["completion_ids"], run["new_ids"]);
  EXPECT_EQ(last["afina"]["base_sha256"], "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53");
}

TEST_F(SmolLm2Server, AnswersWrittenTogetherAreTheOnesWrittenAlone) {
  const Json& runs = (*golden_)["runs"];
  std::vector<Json> answers(runs.size());
  {
    std::vector<std::jthread> clients;
    for (size_t i = 0; i < runs.size(); ++i) {
      clients.emplace_back([&, i] { answers[i] = client().post_json("/chat/completions", ask(runs[i]["user"])); });
    }
  }
  for (size_t i = 0; i < runs.size(); ++i) {
    EXPECT_EQ(answers[i]["afina"]["completion_ids"], runs[i]["new_ids"]) << runs[i]["user"];
    EXPECT_EQ(answers[i]["choices"][0]["finish_reason"], runs[i]["stopped_at_eos"] == true ? "stop" : "length");
  }
}

TEST_F(SmolLm2Server, AnAdapterIsAModelOfItsOwnAndASeedRepeatsItself) {
  const std::string user = (*golden_)["runs"][1]["user"];
  const Json base = client().post_json("/chat/completions", ask(user));
  const Json adapted = client().post_json("/chat/completions", ask(user, {{"model", "noisy"}}));
  EXPECT_EQ(adapted["afina"]["adapter"], "noisy");
  EXPECT_EQ(adapted["afina"]["prompt_ids"], base["afina"]["prompt_ids"]);
  EXPECT_NE(adapted["afina"]["completion_ids"], base["afina"]["completion_ids"]);
  const Json sampled{{"temperature", 1.0}, {"top_p", 0.9}, {"seed", 5}, {"max_tokens", 20}};
  const Json first = client().post_json("/chat/completions", ask(user, sampled));
  const Json second = client().post_json("/chat/completions", ask(user, sampled));
  EXPECT_EQ(first["afina"]["completion_ids"], second["afina"]["completion_ids"]);
}

TEST_F(SmolLm2Server, ATextIsScoredAsItWasGenerated) {
  const Json& run = (*golden_)["runs"][0];
  const Json chat = client().post_json("/chat/completions",
                                       ask(run["user"], {{"logprobs", true}, {"top_logprobs", 2}, {"max_tokens", 20}}));
  const Json& generated = chat["choices"][0]["logprobs"]["content"];
  Json ids = run["prompt_ids"];
  for (const Json& id : chat["afina"]["completion_ids"])
    ids.push_back(id);
  const Json scored = client().post_json(
      "/completions",
      Json{{"model", local_->name}, {"prompt", ids}, {"echo", true}, {"logprobs", 1}, {"max_tokens", 0}});
  const Json& lists = scored["choices"][0]["logprobs"];
  ASSERT_EQ(lists["token_logprobs"].size(), ids.size());
  EXPECT_TRUE(lists["token_logprobs"][0].is_null());
  const size_t prompt = run["prompt_ids"].size();
  for (size_t i = 0; i < generated.size(); ++i) {
    EXPECT_NEAR(lists["token_logprobs"][prompt + i].get<double>(), generated[i]["logprob"].get<double>(), 2e-3) << i;
    EXPECT_EQ(generated[i]["top_logprobs"][0]["token"], generated[i]["token"]);
    EXPECT_LE(generated[i]["top_logprobs"][1]["logprob"], generated[i]["logprob"]);
  }
}

}  // namespace
}  // namespace afina::serve
