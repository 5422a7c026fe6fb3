// SPDX-License-Identifier: Apache-2.0
#include "datasets/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace afina::datasets {
namespace {

using testing::HasSubstr;

SftRow sft(const std::string& json) {
  return parse_sft_row(parse_json(json, "t"), "rows.jsonl:7");
}
PairRow pair(const std::string& json) {
  return parse_pair_row(parse_json(json, "t"), "rows.jsonl:7");
}

template <typename Act>
std::string error_of(Act act) {
  try {
    act();
  } catch (const DataError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(SftRows, EveryFormIsRead) {
  const auto chat = std::get<ChatForm>(
      sft(R"({"messages":[{"role":"user","content":"hola"},{"role":"assistant","content":"sí"}],"id":3})").form);
  EXPECT_EQ(chat.messages, (Messages{{"user", "hola"}, {"assistant", "sí"}}));
  const auto completion = std::get<CompletionForm>(sft(R"({"prompt":"a","completion":"b"})").form);
  EXPECT_EQ(completion.prompt + completion.completion, "ab");
  const auto turns = std::get<ChatCompletionForm>(
      sft(R"({"prompt":[{"role":"user","content":"a"}],"completion":[{"role":"assistant","content":"b"}]})").form);
  EXPECT_EQ(turns.completion[0].content, "b");
  EXPECT_EQ(std::get<TextForm>(sft(R"({"text":"x"})").form).text, "x");
  const auto tokens =
      std::get<TokenForm>(sft(R"({"input_ids":[1,2,3],"labels":[-100,2,3],"preference_ids":["p"]})").form);
  EXPECT_EQ(tokens.labels, (std::vector<int>{-100, 2, 3}));
  EXPECT_EQ(std::get<TokenForm>(sft(R"({"input_ids":[1,2]})").form).labels, (std::vector<int>{1, 2}));
  const auto row = sft(R"({"text":"x","preference_ids":["p1","p2"],"score":4,"label":null})");
  EXPECT_EQ(row.where, "rows.jsonl:7");
  EXPECT_EQ(row.preference_ids.size(), 2U);
}

TEST(SftRows, ErrorsNameFileLineAndColumn) {
  const std::vector<std::pair<const char*, const char*>> cases{
      {R"([1])", "JSON object"},
      {R"({"a":1})", "has none of them"},
      {R"({"prompt":"a","chosen":"b","rejected":"c"})", "use afina dpo"},
      {R"({"conversations":[]})", "ShareGPT"},
      {R"({"messages":[],"id":1})", "\"messages\", but it is empty"},
      {R"({"messages":"hola"})", "\"messages\", but it is a JSON string"},
      {R"({"messages":[3]})", "\"messages\"[0]"},
      {R"({"messages":[{"role":"user"}]})", "\"content\" of \"messages\"[0]"},
      {R"({"messages":[{"role":"user","content":null}]})", "\"content\""},
      {R"({"messages":[{"role":"user","content":[{"type":"text"}]}]})", "\"content\""},
      {R"({"messages":[{"from":"human","value":"x"}]})", "ShareGPT"},
      {R"({"messages":[{"role":1,"content":"x"}]})", "\"role\""},
      {R"({"messages":[{"role":"assistant","content":"x","tool_calls":[1]}]})", "tool_calls"},
      {R"({"messages":[{"role":"assistant","content":"x","weight":-1}]})", "weight"},
      {R"({"text":"x","messages":[{"role":"user","content":"x"}]})", "one form"},
      {R"({"text":1})", "\"text\""},
      {R"({"completion":"b"})", "\"prompt\", but has not"},
      {R"({"prompt":"a","completion":[{"role":"assistant","content":"b"}]})", "\"prompt\", but it is a JSON string"},
      {R"({"prompt":[{"role":"assistant","content":"a"}],"completion":[{"role":"assistant","content":"b"}]})",
       "ends before the answer"},
      {R"({"prompt":"a","completion":"b","label":true})", "\"label\""},
      {R"({"text":"x","tools":[]})", "\"tools\""},
      {R"({"text":"x","preference_ids":"p"})", "preference_ids"},
      {R"({"text":"x","preference_ids":[1]})", "preference_ids"},
      {R"({"input_ids":[]})", "empty"},
      {R"({"input_ids":"1 2"})", "input_ids"},
      {R"({"input_ids":[1,-2]})", "entry 1 is -2"},
      {R"({"input_ids":[1,2.0]})", "entry 1 is 2.0"},
      {R"({"input_ids":[4294967296]})", "entry 0"},
      {R"({"input_ids":[18446744073709551615]})", "entry 0"},
      {R"({"input_ids":[1,2],"labels":[1]})", "1 labels for 2 ids"},
      {R"({"input_ids":[1,2],"labels":[-100,3]})", "label 1 is 3"},
      {R"({"input_ids":[1,2],"labels":[-100,-1]})", "label 1 is -1"},
      {R"({"input_ids":[1,2],"completion_mask":[0,1]})", "completion_mask"},
  };
  for (const auto& [json, says] : cases) {
    const std::string said = error_of([&] { sft(json); });
    EXPECT_THAT(said, HasSubstr(says)) << json;
    EXPECT_THAT(said, HasSubstr("[rows.jsonl:7]")) << json;
  }
}

TEST(PairRows, EveryFormIsRead) {
  const auto text = std::get<PairText>(pair(R"({"prompt":"p","chosen":"c","rejected":"r","score_chosen":4})").form);
  EXPECT_EQ(text.prompt + text.chosen + text.rejected, "pcr");
  const auto chat = std::get<PairChat>(pair(R"({"prompt":[{"role":"user","content":"p"}],
      "chosen":[{"role":"assistant","content":"c"}],"rejected":[{"role":"assistant","content":"r"}]})")
                                           .form);
  EXPECT_EQ(chat.prompt, (Messages{{"user", "p"}}));
  EXPECT_EQ(chat.rejected, (Messages{{"assistant", "r"}}));
  const auto row =
      pair(R"({"prompt_ids":[1],"chosen_ids":[2,3],"rejected_ids":[4],"soft_label":0.75,"margin":0.1,"weight":2,
                            "preference_ids":["p"]})");
  EXPECT_EQ(std::get<PairTokens>(row.form).chosen, (std::vector<int>{2, 3}));
  EXPECT_EQ(row.soft_label, 0.75);
  EXPECT_EQ(row.margin, 0.1);
  EXPECT_EQ(row.weight, 2.0);
  EXPECT_FALSE(pair(R"({"prompt":"p","chosen":"c","rejected":"r","margin":null})").margin);
}

TEST(PairRows, AnImplicitPromptIsTheSharedBeginning) {
  const std::string chosen = R"("chosen":[{"role":"user","content":"p"},{"role":"assistant","content":"c"}])";
  const std::string rejected = R"("rejected":[{"role":"user","content":"p"},{"role":"assistant","content":"r"}])";
  for (const std::string& prompt : {std::string(), std::string(R"("prompt":"p",)")}) {
    const auto form = std::get<PairChat>(pair("{" + prompt + chosen + "," + rejected + "}").form);
    EXPECT_EQ(form.prompt, (Messages{{"user", "p"}}));
    EXPECT_EQ(form.chosen, (Messages{{"assistant", "c"}}));
    EXPECT_EQ(form.rejected, (Messages{{"assistant", "r"}}));
  }
  const std::string same = R"([{"role":"user","content":"p"},{"role":"assistant","content":"c"}])";
  const auto twins = std::get<PairChat>(pair(R"({"chosen":)" + same + R"(,"rejected":)" + same + "}").form);
  EXPECT_EQ(twins.chosen, (Messages{{"assistant", "c"}})) << "equal answers are not taken for prompt";
}

TEST(PairRows, ALabelBelowOneHalfSwapsTheAnswers) {
  const auto row = pair(R"({"prompt":"p","chosen":"c","rejected":"r","soft_label":0.25})");
  EXPECT_EQ(row.soft_label, 0.75);
  EXPECT_EQ(std::get<PairText>(row.form).chosen, "r");
}

TEST(PairRows, ErrorsNameFileLineAndColumn) {
  const std::vector<std::pair<const char*, const char*>> cases{
      {R"("x")", "JSON object"},
      {R"({"messages":[{"role":"user","content":"x"}]})", "afina sft"},
      {R"({"prompt":"p","chosen":"c"})", "\"rejected\", but has not"},
      {R"({"prompt":"p","rejected":"c"})", "\"chosen\", but has not"},
      {R"({"chosen":"pc","rejected":"pr"})", "\"prompt\""},
      {R"({"prompt":"p","chosen":"","rejected":"r"})", "empty"},
      {R"({"prompt":"p","chosen":1,"rejected":"r"})", "\"chosen\""},
      {R"({"prompt":1,"chosen":"c","rejected":"r"})", "\"prompt\""},
      {R"({"prompt":[{"role":"user","content":"p"}],"chosen":[{"role":"assistant","content":"c"}],"rejected":"r"})",
       "\"rejected\""},
      {R"({"prompt":[{"role":"user","content":"p"}],"chosen":[],"rejected":[{"role":"assistant","content":"c"}]})",
       "\"chosen\""},
      {R"({"chosen":[{"role":"user","content":"p"}],"rejected":[{"role":"user","content":"q"}]})", "share"},
      {R"({"prompt_ids":[1],"chosen_ids":[],"rejected_ids":[1]})", "\"chosen_ids\", but it is empty"},
      {R"({"prompt_ids":[1],"chosen_ids":[2]})", "\"rejected_ids\""},
      {R"({"prompt_ids":[1],"chosen_ids":[2],"rejected_ids":[3],"chosen":"c"})", "one form"},
      {R"({"prompt":"p","chosen":"c","rejected":"r","soft_label":1.5})", "soft_label"},
      {R"({"prompt":"p","chosen":"c","rejected":"r","soft_label":"x"})", "soft_label"},
      {R"({"prompt":"p","chosen":"c","rejected":"r","weight":0})", "weight"},
      {R"({"prompt":"p","chosen":"c","rejected":"r","weight":-1})", "weight"},
      {R"({"prompt":"p","chosen":"c","rejected":"r","margin":true})", "margin"},
      {R"({"prompt":"p","chosen":"c","rejected":"r","label":true})", "\"label\""},
  };
  for (const auto& [json, says] : cases) {
    const std::string said = error_of([&] { pair(json); });
    EXPECT_THAT(said, HasSubstr(says)) << json;
    EXPECT_THAT(said, HasSubstr("[rows.jsonl:7]")) << json;
  }
}

TEST(RowFiles, NameTheLineThatIsBad) {
  const TempFolder folder;
  const auto path = folder.path() / "data.jsonl";
  const auto reading = [&](const std::string& text) {
    write_file_synced(path, text);
    return error_of([&] { read_sft_rows(path); });
  };
  EXPECT_EQ(reading("{\"text\":\"a\"}\n\n{\"text\":\"b\"}\n"), "accepted");
  EXPECT_EQ(read_sft_rows(path)[1].where, path.string() + ":3");
  EXPECT_THAT(reading("{\"text\":\"a\"}\nnot json\n"), HasSubstr("data.jsonl:2]"));
  EXPECT_THAT(reading("{\"text\":\"a\"}\n{\"text\":\"\xF1\"}\n"), HasSubstr("data.jsonl:2] must be UTF-8"));
  EXPECT_THAT(reading("{\"text\":\"" + std::string(2 << 20, 'x') + "\"}\n"),
              HasSubstr("data.jsonl:1] must have at most"));
  EXPECT_THAT(reading("{\"text\":\"a\"}\n{\"txt\":\"b\"}\n"), HasSubstr("data.jsonl:2]"));
  EXPECT_THAT(reading(""), HasSubstr("at least one row"));
  EXPECT_THROW(read_pair_rows(folder.path() / "none.jsonl"), NotFound);
}

}  // namespace
}  // namespace afina::datasets
