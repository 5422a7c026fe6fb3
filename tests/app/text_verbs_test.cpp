// SPDX-License-Identifier: Apache-2.0
// The commands on text as a program meets them: golden ids and renders through stdin and stdout, bad lines among them.
#include "tests/app/verb_runner.h"

namespace afina::app {
namespace {

class TextVerbs : public VerbTest {
 protected:
  // A tokenizer.json with a ChatML template beside it.
  std::string chat_folder() {
    const auto folder = folder_.path() / "model";
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(golden_path("text/tokenizer_byte_level.json"), folder / "tokenizer.json",
                               std::filesystem::copy_options::overwrite_existing);
    std::ofstream(folder / "chat_template.jinja")
        << "{% for m in messages %}[{{ m.role }}]{{ m.content if m.content is string else m.content[0].text }}\n"
           "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}{{ tools | tojson if tools }}{{ x }}";
    return (folder / "tokenizer.json").string();
  }
};

TEST_F(TextVerbs, TokenizeAndDetokenizeGiveTheGoldenIdsAndTexts) {
  for (const char* kind : {"byte_level", "byte_fallback"}) {
    const Json golden_file = golden(cat("text/cases_", kind, ".json").c_str());
    const Json cases = golden_file.is_array() ? golden_file : golden_file["cases"];
    const std::string model = golden_path(cat("text/tokenizer_", kind, ".json")).string();
    std::string texts;
    std::string ids;
    for (const Json& item : cases) {
      texts += dump_json(Json{{"text", item["text"]}}) + "\n";
      ids += dump_json(Json{{"ids", item["ids"]}}) + "\n";
    }
    const Answer with = run(cat("tokenize --parse-special --add-special --jsonl --model ", model), texts);
    const Answer back = run(cat("detokenize --skip-special --jsonl --model ", model), ids);
    ASSERT_EQ(with.code, 0);
    ASSERT_EQ(with.lines.size(), cases.size());
    ASSERT_EQ(back.lines.size(), cases.size());
    for (size_t i = 0; i < cases.size(); ++i) {
      EXPECT_EQ(with.lines[i]["ids"], cases[i]["ids"]) << cases[i]["text"];
      EXPECT_EQ(back.lines[i]["text"], cases[i]["decoded"]) << cases[i]["text"];
    }
  }
}

TEST_F(TextVerbs, AnswerEveryLineAndNameWhatIsWrongWithABadOne) {
  const std::string model = golden_path("text/tokenizer_byte_level.json").string();
  const std::string input =
      std::string("{\"text\":\"a\"}\n\n  \r\n{\"text\":3}\n[]\n{\"text\":\"\xff\"}\n{\"text\":\"a\",") +
      "\n{\"text\":\"" + std::string((16 << 20) + 5, 'a') + "\"}\n{\"text\":\"a\"}";
  const Answer answer = run(cat("tokenize --model ", model), input);
  EXPECT_EQ(answer.code, 0);
  ASSERT_EQ(answer.lines.size(), 7u) << answer.out.substr(0, 1000);
  EXPECT_TRUE(answer.lines[0].contains("ids"));
  for (size_t i = 1; i < 6; ++i) {
    EXPECT_EQ(answer.lines[i]["error"]["kind"], "data") << i;
    EXPECT_NE(answer.lines[i]["error"]["message"].get<std::string>().find("line "), std::string::npos) << i;
  }
  EXPECT_EQ(answer.lines[6], answer.lines[0]);
  for (const char* bad :
       {R"({"ids":3})", R"({"ids":[-1]})", R"({"ids":[1.5]})", R"({"ids":[99999999]})", R"({"text":""})"}) {
    const Answer one = run(cat("detokenize --model ", model), bad);
    EXPECT_EQ(one.code, 0);
    ASSERT_EQ(one.lines.size(), 1u);
    EXPECT_EQ(one.lines[0]["error"]["kind"], "data") << bad;
  }
}

TEST_F(TextVerbs, RenderGivesTextIdsAndAMaskForEachId) {
  const std::string model = chat_folder();
  const std::string input =
      R"({"messages":[{"role":"user","content":"hola"},{"role":"assistant","content":"sí"}]})"
      "\n"
      R"({"messages":[{"role":"user","content":[{"type":"text","text":"p"}]}],"add_generation_prompt":true,)"
      R"("tools":[{"name":"f"}],"chat_template_kwargs":{"x":7}})"
      "\n"
      R"({"messages":[{"role":"user"}]})"
      "\n"
      R"({"messages":[{"role":"us er","content":"x"}]})"
      "\n";
  const Answer answer = run(cat("render --jsonl --model ", model), input);
  EXPECT_EQ(answer.code, 0);
  ASSERT_EQ(answer.lines.size(), 4u) << answer.out;
  EXPECT_EQ(answer.lines[0]["text"], "[user]hola\n[assistant]sí\n");
  EXPECT_EQ(answer.lines[0]["ids"].size(), answer.lines[0]["mask"].size());
  int trained = 0;
  for (const Json& bit : answer.lines[0]["mask"])
    trained += bit.get<int>();
  EXPECT_GT(trained, 0);
  EXPECT_LT(trained, static_cast<int>(answer.lines[0]["ids"].size()));
  EXPECT_EQ(answer.lines[1]["text"], "[user]p\n[assistant][{\"name\": \"f\"}]7");
  EXPECT_TRUE(answer.lines[2].contains("error"));
  EXPECT_NE(answer.lines[3]["error"]["message"].get<std::string>().find("message 0"), std::string::npos);
}

TEST_F(TextVerbs, FertilityComparesVocabulariesLanguageByLanguage) {
  const std::string a = golden_path("text/tokenizer_byte_level.json").string();
  const std::string b = golden_path("text/tokenizer_byte_fallback.json").string();
  const Answer answer = run(cat("fertility --json --model ", a, " --model ", b), "");
  EXPECT_EQ(answer.code, 0);
  ASSERT_EQ(answer.lines.size(), 1u) << answer.out;
  ASSERT_EQ(answer.lines[0]["rows"].size(), 6u);
  for (const Json& row : answer.lines[0]["rows"])
    EXPECT_GT(row["tokens_per_word"].get<double>(), 0.5);
  const auto file = folder_.path() / "texts.jsonl";
  std::ofstream(file) << R"({"text":"uno dos","language":"es"})"
                      << "\n"
                      << R"({"text":"x"})"
                      << "\n";
  EXPECT_EQ(run(cat("fertility --model ", a, " ", file.string()), "").code, 3);
  EXPECT_EQ(run(cat("fertility --model ", a, " /nowhere.jsonl"), "").code, 1);
}

}  // namespace
}  // namespace afina::app
