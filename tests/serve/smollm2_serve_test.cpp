// SPDX-License-Identifier: Apache-2.0
// The real model behind real HTTP: what comes out of the server is what the peers generate.
#include <gtest/gtest.h>

#include <thread>

#include "base/file.h"
#include "http/client.h"
#include "serve/chat_service.h"
#include "serve/local_model.h"
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
                 [](const AdapterEntry& entry) { return load_adapter(entry.path, *local_->weights); }),
        scheduler_(make_sequence_decoder(local_->weights, {}), {}),
        service_(local_->text.encoder(), catalog_, scheduler_, {}) {
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
  ChatService service_;
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

}  // namespace
}  // namespace afina::serve
