// SPDX-License-Identifier: Apache-2.0
// Pictures and tools leave only a word in the log: such conversations are marked and train nobody.
#include <gtest/gtest.h>

#include "storage/quality/eligible.h"
#include "tests/collector/proxy/token_client.h"

namespace afina::collector {
namespace {

constexpr const char* kChat = "/v1/chat/completions";

struct BeyondText : TokenWorld {
  /// Of the newest answer, as JSON; "" where it has no mark.
  std::string mark() {
    return rows("SELECT coalesce(params->>'beyond_text', '') AS m FROM generation ORDER BY id DESC LIMIT 1")[0].text(
        "m");
  }
  int64_t lines(const Program& engineer, const std::string& kind) const {
    http::ClientOptions options;
    options.base_url = collector_->address();
    options.bearer = engineer.token();
    const auto file = http::Client(options).get(cat("/api/exports/", kind, ".jsonl"));
    EXPECT_EQ(file.status, 200) << file.body;
    return std::ranges::count(file.body, '\n');
  }
};

Json with_picture(const std::string& model) {
  return {{"model", model},
          {"messages",
           {{{"role", "user"},
             {"content",
              {{{"type", "text"}, {"text", "¿Qué es esto?"}},
               {{"type", "image_url"}, {"image_url", {{"url", "https://example.org/pan.png"}}}}}}}}}};
}

TEST_F(BeyondText, MarksWhatTheLogDoesNotHold) {
  start({"good"});
  const Program program = proxy_program();
  const Json user{{"role", "user"}, {"content", "¿Pan?"}};
  const auto asked = [&](Json more, const std::string& expected) {
    more["model"] = "modelo-good";
    if (!more.contains("messages")) more["messages"] = {user};
    ASSERT_EQ(program.post(kChat, more).status, 200) << more.dump();
    EXPECT_EQ(mark(), expected) << more.dump();
  };
  asked(Json::object(), "");
  asked({{"tools", Json::array()}}, "");
  asked({{"messages", {{{"role", "user"}, {"content", {{{"type", "text"}, {"text", "solo texto"}}}}}}}}, "");
  asked(with_picture("modelo-good"), R"(["image_url"])");
  asked({{"tools", {{{"type", "function"}, {"function", {{"name", "clima"}}}}}}}, R"(["tools"])");
  asked({{"messages",
          {user,
           {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", {{{"id", "c1"}}}}},
           {{"role", "tool"}, {"tool_call_id", "c1"}, {"content", "22 °C"}}}}},
        R"(["tool_calls", "tool_results"])");
  asked({{"messages", {{{"role", "user"}, {"content", {{{"type", "Ana Perez"}}}}}}}}, R"(["other_part"])");
}

TEST_F(BeyondText, KeepsPairsWithPicturesOutOfTrainingButInTheRecord) {
  start({"good", "other"});
  const Program program = proxy_program(), engineer = this->program(storage::Role::engineer, {"data"});
  const Json text{{"model", "arena"}, {"messages", {{{"role", "user"}, {"content", "¿Pan?"}}}}};
  for (const Json& body : {text, with_picture("arena")}) {
    const int64_t before = count("exposure");
    const Reply reply = program.post(kChat, body);
    ASSERT_TRUE(wait_for("exposure", before + 1)) << reply.json.dump();
    const Reply vote = program.post("/v1/feedback", {{"completion_id", reply.json["id"]}, {"score", 3}});
    EXPECT_EQ(vote.json["kind"], "preference");
  }
  EXPECT_EQ(lines(engineer, "judgements"), 2) << "control: both votes stand";
  EXPECT_EQ(lines(engineer, "conversations"), 2);
  EXPECT_EQ(lines(engineer, "dpo"), 1);
  EXPECT_EQ(lines(engineer, "sft"), 1);
  EXPECT_EQ(lines(engineer, "kto"), 2) << "of a pair the better and the worse";
  const auto eligible = database_->transaction([](storage::Transaction& t) { return storage::eligible_pairs(t, {}); },
                                               {.workspace = storage::kPublicWorkspace});
  ASSERT_EQ(eligible.size(), 1U);
  EXPECT_EQ(eligible[0].prompt.at(0).content, "¿Pan?");
}

}  // namespace
}  // namespace afina::collector
