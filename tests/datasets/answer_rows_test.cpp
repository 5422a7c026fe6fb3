// SPDX-License-Identifier: Apache-2.0
// Unpaired rows, rankings, ties and weights of messages: what is read, and what is refused in words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "datasets/rows.h"

namespace afina::datasets {
namespace {

using testing::HasSubstr;

UnpairedRow unpaired(const std::string& json) {
  return parse_unpaired_row(parse_json(json, "t"), "rows.jsonl:7");
}
RankingRow ranking(const std::string& json) {
  return parse_ranking_row(parse_json(json, "t"), "rows.jsonl:7");
}
PairRow pair(const std::string& json) {
  return parse_pair_row(parse_json(json, "t"), "rows.jsonl:7");
}
SftRow sft(const std::string& json) {
  return parse_sft_row(parse_json(json, "t"), "rows.jsonl:7");
}

template <typename Parse>
void expect_errors(Parse parse, const std::vector<std::pair<const char*, const char*>>& cases) {
  for (const auto& [json, says] : cases) {
    try {
      parse(json);
      ADD_FAILURE() << json << " must be refused";
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr(says)) << json;
      EXPECT_THAT(error.what(), HasSubstr("[rows.jsonl:7]")) << json;
    }
  }
}

TEST(UnpairedRows, EveryFormIsRead) {
  const auto text = unpaired(R"({"prompt":"p","completion":"c","label":true,"score":3})");
  EXPECT_EQ(std::get<CompletionForm>(text.form).completion, "c");
  EXPECT_EQ(text.label, 1.0);
  const auto chat = unpaired(R"({"prompt":[{"role":"user","content":"p"}],
      "completion":[{"role":"assistant","content":"c"}],"label":false,"weight":2,"preference_ids":["x"]})");
  EXPECT_EQ(std::get<ChatCompletionForm>(chat.form).completion[0].content, "c");
  EXPECT_EQ(chat.label, 0.0);
  EXPECT_EQ(chat.weight, 2.0);
  EXPECT_EQ(chat.preference_ids, (std::vector<std::string>{"x"}));
  const auto ids = unpaired(R"({"prompt_ids":[1],"completion_ids":[2,3],"label":0.25})");
  EXPECT_EQ(std::get<CompletionTokens>(ids.form).completion, (std::vector<int>{2, 3}));
  EXPECT_EQ(ids.label, 0.25);
}

TEST(UnpairedRows, ErrorsNameFileLineAndColumn) {
  expect_errors(unpaired, {{R"([])", "JSON object"},
                           {R"({"prompt":"p","completion":"c"})", "\"label\""},
                           {R"({"prompt":"p","chosen":"c","rejected":"r"})", "\"label\""},
                           {R"({"prompt":"p","completion":"c","label":"good"})", "label"},
                           {R"({"prompt":"p","completion":"c","label":1.5})", "label"},
                           {R"({"prompt":"p","completion":"c","label":-1})", "label"},
                           {R"({"prompt":"p","completion":"","label":true})", "empty"},
                           {R"({"completion":"c","label":true})", "\"prompt\""},
                           {R"({"prompt":"p","chosen":"c","label":true})", "two answers"},
                           {R"({"prompt_ids":[1],"completion_ids":[],"label":true})", "\"completion_ids\""},
                           {R"({"prompt_ids":[1],"completion_ids":[2],"completion":"c","label":true})", "one form"},
                           {R"({"messages":[{"role":"user","content":"p"}],"label":true})", "messages"},
                           {R"({"prompt":[{"role":"assistant","content":"p"}],
                                "completion":[{"role":"assistant","content":"c"}],"label":true})",
                            "ends before the answer"},
                           {R"({"prompt":"p","completion":"c","label":true,"weight":0})", "weight"},
                           {R"({"prompt":"p","completion":"c","label":true,"tie":0.5})", "tie"}});
}

TEST(UnpairedRows, APairMakesTwoOfThemAsTrlDoes) {
  auto row = pair(R"({"prompt":"p","chosen":"c","rejected":"r","soft_label":0.75,"weight":2,"preference_ids":["x"]})");
  const auto two = unpair(row);
  EXPECT_EQ(std::get<CompletionForm>(two[0].form).completion, "c");
  EXPECT_EQ(two[0].label, 0.75);
  EXPECT_EQ(std::get<CompletionForm>(two[1].form).completion, "r");
  EXPECT_EQ(two[1].label, 0.25);
  EXPECT_EQ(two[1].weight, 2.0);
  EXPECT_EQ(two[1].where, "rows.jsonl:7");
  EXPECT_EQ(two[1].preference_ids, (std::vector<std::string>{"x"}));
  const auto ids = unpair(pair(R"({"prompt_ids":[1],"chosen_ids":[2],"rejected_ids":[3]})"));
  EXPECT_EQ(std::get<CompletionTokens>(ids[1].form).completion, (std::vector<int>{3}));
  EXPECT_EQ(ids[1].label, 0.0);
}

TEST(Rankings, EveryFormIsReadBestFirst) {
  const auto text = ranking(R"({"prompt":"p","completions":["a","b","c"],"weight":3})");
  EXPECT_EQ(std::get<RankingText>(text.form).completions, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(text.weight, 3.0);
  const auto ranked = ranking(R"({"prompt":"p","completions":["a","b","c"],"ranks":[3,1,2]})");
  EXPECT_EQ(std::get<RankingText>(ranked.form).completions, (std::vector<std::string>{"b", "c", "a"}));
  const auto chat = ranking(R"({"prompt":[{"role":"user","content":"p"}],
      "completions":[[{"role":"assistant","content":"a"}],[{"role":"assistant","content":"b"}]]})");
  EXPECT_EQ(std::get<RankingChat>(chat.form).completions[1][0].content, "b");
  const auto ids = ranking(R"({"prompt_ids":[1],"completions_ids":[[2],[3,4]],"ranks":[2,1]})");
  EXPECT_EQ(std::get<RankingTokens>(ids.form).completions, (std::vector<std::vector<int>>{{3, 4}, {2}}));
}

TEST(Rankings, ErrorsNameFileLineAndColumn) {
  expect_errors(ranking, {{R"({"prompt":"p"})", "\"completions\""},
                          {R"({"prompt":"p","completions":"a"})", "list"},
                          {R"({"prompt":"p","completions":[]})", "empty"},
                          {R"({"prompt":"p","completions":["a"]})", "2 to 64"},
                          {R"({"prompt":"p","completions":["a",""]})", "empty text"},
                          {R"({"prompt":"p","completions":["a",3]})", "texts"},
                          {R"({"completions":["a","b"]})", "\"prompt\""},
                          {R"({"prompt":"p","completions":["a","b"],"ranks":[1]})", "1 for 2"},
                          {R"({"prompt":"p","completions":["a","b"],"ranks":[1,1]})", "two have rank 1"},
                          {R"({"prompt":"p","completions":["a","b"],"ranks":[1,2.5]})", "whole numbers"},
                          {R"({"prompt":"p","completions":["a","b"],"labels":[true,false]})", "labels"},
                          {R"({"prompt_ids":[1],"completions_ids":[[2],[]]})", "\"completions_ids\"[1]"},
                          {R"({"prompt_ids":[1],"completions_ids":[[2],[-3]]})", "\"completions_ids\"[1]"},
                          {R"({"prompt":[{"role":"user","content":"p"}],"completions":[[],[]]})",
                           "\"completions\"[0], but it is empty"}});
}

TEST(PairRows, ATieIsAPartOfTheLabel) {
  const std::string row = R"({"prompt":"p","chosen":"c","rejected":"r","soft_label":)";
  EXPECT_EQ(pair(row + R"(0.875,"tie":0.25})").tie, 0.25);
  EXPECT_EQ(pair(row + R"(0.5,"tie":1})").tie, 1.0);
  const auto swapped = pair(row + R"(0.25,"tie":0.5})");
  EXPECT_EQ(swapped.soft_label, 0.75);
  EXPECT_EQ(swapped.tie, 0.5) << "a tie is one from either side";
  EXPECT_EQ(pair(row + "0.9}").tie, 0.0);
  expect_errors(
      [](const std::string& json) { pair(json); },
      {{R"({"prompt":"p","chosen":"c","rejected":"r","tie":0.5})", "\"tie\" of at most 2(1 - soft_label) = 0"},
       {R"({"prompt":"p","chosen":"c","rejected":"r","soft_label":0.9,"tie":0.3})", "tie"},
       {R"({"prompt":"p","chosen":"c","rejected":"r","soft_label":0.5,"tie":2})", "tie"}});
}

TEST(ChatRows, MessagesMayHaveWeights) {
  const auto form = [](const std::string& messages) {
    return std::get<ChatForm>(sft(R"({"messages":[)" + messages + "]}").form);
  };
  const std::string user = R"({"role":"user","content":"a"},)";
  EXPECT_TRUE(form(user + R"({"role":"assistant","content":"b","weight":1})").weights.empty())
      << "weights that change nothing are none";
  EXPECT_EQ(form(user + R"({"role":"assistant","content":"b","weight":0.5})").weights, (std::vector<float>{0, 0.5F}));
  EXPECT_EQ(form(user + R"({"role":"assistant","content":"b","train":false})").weights, (std::vector<float>{0, 0}));
  EXPECT_TRUE(form(R"({"role":"user","content":"a","weight":0},{"role":"assistant","content":"b","train":true})")
                  .weights.empty());
  expect_errors(
      [](const std::string& json) { sft(json); },
      {{R"({"messages":[{"role":"assistant","content":"b","weight":-1}]})", "\"weight\" of \"messages\"[0]"},
       {R"({"messages":[{"role":"assistant","content":"b","weight":"x"}]})", "\"weight\""},
       {R"({"messages":[{"role":"assistant","content":"b","train":1}]})", "\"train\""},
       {R"({"messages":[{"role":"assistant","content":"b","train":true,"weight":1}]})", "once"},
       {R"({"messages":[{"role":"user","content":"b","train":true}]})", "assistant turns only"},
       {R"({"messages":[{"role":"user","content":"b","weight":2}]})", "assistant turns only"},
       {R"({"prompt":[{"role":"user","content":"a"}],"completion":[{"role":"assistant","content":"b","weight":0}]})",
        "weight 1"}});
}

}  // namespace
}  // namespace afina::datasets
