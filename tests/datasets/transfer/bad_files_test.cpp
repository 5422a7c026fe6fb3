// SPDX-License-Identifier: Apache-2.0
// Files that are broken, hostile or of another kind: each bad row is told with its line, the good ones around it come
// in.
#include <gtest/gtest.h>

#include <chrono>

#include "datasets/transfer/import_file.h"

namespace afina::datasets {
namespace {

struct BadFile {
  const char* name;
  ImportFormat format;
  std::string text;
  int64_t line;     ///< of the first skipped row
  std::string why;  ///< part of what is said
  size_t records = 0;
};

std::string many(size_t n, const std::string& text) {
  std::string out;
  for (size_t i = 0; i < n; ++i)
    out += text;
  return out;
}

const std::string kGood = "{\"prompt\":\"a\",\"completion\":\"b\"}\n";

std::vector<BadFile> bad_files() {
  using F = ImportFormat;
  const std::string pair = R"({"prompt":"p","chosen":"c","rejected":"r",)";
  const std::string judgement =
      R"({"judgement_id":"j","pair_id":"x","prompt":[{"role":"user","content":"p"}],"answer_a":"a","answer_b":"b",)";
  return {
      {"cut in the middle", F::jsonl, kGood + "{\"prompt\":\"a\",\"compl", 2, "must be JSON", 1},
      {"not JSON between good rows", F::jsonl, kGood + "hola\n" + kGood, 2, "must be JSON", 2},
      {"a list as a row", F::jsonl, kGood + "[1,2]\n", 2, "be a JSON object", 1},
      {"a bare number", F::jsonl, "7\n" + kGood, 1, "be a JSON object", 1},
      {"a key twice", F::jsonl, "{\"prompt\":\"a\",\"prompt\":\"b\"}\n", 1, "each key once", 0},
      {"Latin-1", F::jsonl, "{\"prompt\":\"\xF1\",\"completion\":\"b\"}\n" + kGood, 1, "UTF-8", 1},
      {"a lone surrogate", F::jsonl, R"({"prompt":"\ud83d","completion":"b"})", 1, "must be JSON", 0},
      {"U+0000", F::jsonl, R"({"prompt":"a\u0000b","completion":"b"})", 1, "U+0000", 0},
      {"a thousand levels", F::jsonl, "{\"messages\":" + many(1000, "[") + many(1000, "]") + "}\n" + kGood, 1, "levels",
       1},
      {"a line of nine megabytes", F::jsonl, "{\"prompt\":\"" + many(9 << 20, "x") + "\"}\n" + kGood, 1, "8 MiB", 1},
      {"an empty prompt", F::jsonl, "{\"prompt\":\"\",\"completion\":\"b\"}\n", 1, "", 0},
      {"a number as a text", F::jsonl, "{\"prompt\":3,\"completion\":\"b\"}\n", 1, "prompt", 0},
      {"token ids", F::jsonl, R"({"prompt_ids":[1],"chosen_ids":[2],"rejected_ids":[3],"chosen":null})", 1, "", 0},
      {"tool calls", F::jsonl, R"({"messages":[{"role":"assistant","content":"a","tool_calls":[{}]}]})", 1, "", 0},
      {"a soft label of two", F::jsonl, pair + "\"soft_label\":2}", 1, "soft_label", 0},
      {"an infinite soft label", F::jsonl, pair + "\"soft_label\":1e400}", 1, "must be JSON", 0},
      {"words as grades", F::jsonl, pair + "\"grades\":[\"x\"]}", 1, "grades", 0},
      {"a grade of nine", F::jsonl, pair + "\"grades\":[9]}", 1, "grade of -3 to 3", 0},
      {"a grade that would wrap to two", F::jsonl, pair + "\"grades\":[4294967298]}", 1, "grade of -3 to 3", 0},
      {"an answer without words", F::lmsys,
       R"({"winner":"tie","conversation_a":[{"role":"user","content":"q"},{"role":"assistant","content":""}],"conversation_b":[{"role":"user","content":"q"},{"role":"assistant","content":"b"}]})",
       1, "words in each answer", 0},
      {"a label of two", F::jsonl, R"({"prompt":"p","completion":"c","label":2})", 1, "label", 0},
      {"one completion to rank", F::jsonl, R"({"prompt":"p","completions":["c"]})", 1, "completions", 0},
      {"an unknown outcome", F::jsonl, judgement + "\"outcome\":\"splendid\"}", 1, "outcome", 0},
      {"graded without a grade", F::jsonl, judgement + "\"outcome\":\"graded\"}", 1, "grade", 0},
      {"a huge grade", F::jsonl, judgement + "\"outcome\":\"graded\",\"grade\":9223372036854775807}", 1, "grade", 0},
      {"a span beyond its answer", F::jsonl,
       judgement + R"("outcome":"both_bad","spans":[{"answer":"a","kind":"bad","start":0,"end":9}]})", 1, "span", 0},
      {"an unknown aspect", F::jsonl,
       judgement + R"("outcome":"both_bad","aspects":[{"answer":"a","aspect":"beauty","value":3}]})", 1, "aspect", 0},
      {"a note on answer c", F::jsonl, judgement + R"("outcome":"both_bad","flags":[{"answer":"c","kind":"toxic"}]})",
       1, "answer a or b", 0},
      {"a negative time", F::jsonl, judgement + "\"outcome\":\"both_bad\",\"ms_to_decide\":-1}", 1, "time to decide",
       0},
      {"an array that never ends", F::sharegpt,
       R"([{"conversations":[{"from":"human","value":"a"}]},{"conversations":[)", 1, "file ends within it", 1},
      {"a role nobody knows", F::sharegpt, R"([{"conversations":[{"from":"\u001b[31mroot","value":"a"}]}])", 1,
       "one is of", 0},
      {"a message without words", F::sharegpt, R"([{"conversations":[{"from":"human"}]}])", 1, "text in each message",
       0},
      {"a number for a conversation", F::sharegpt, R"([{"conversations":7}])", 1, "messages as a list", 0},
      {"a winner nobody knows", F::lmsys,
       R"({"winner":"model_c","conversation_a":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"conversation_b":[{"role":"user","content":"q"},{"role":"assistant","content":"b"}]})",
       1, "winner", 0},
      {"battles that part early", F::lmsys,
       R"({"winner":"tie","conversation_a":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"conversation_b":[{"role":"user","content":"other"},{"role":"assistant","content":"b"}]})",
       1, "part before", 0},
      {"an orphan reply", F::open_assistant,
       R"({"message_id":"b","parent_id":"a","text":"t","role":"assistant","message_tree_id":"a"})", 1, "parent", 0},
      {"a message twice", F::open_assistant,
       "{\"message_id\":\"a\",\"text\":\"t\",\"role\":\"prompter\",\"message_tree_id\":\"a\"}\n"
       "{\"message_id\":\"a\",\"parent_id\":\"a\",\"text\":\"t\",\"role\":\"assistant\",\"message_tree_id\":\"a\"}\n",
       2, "message_id of its own", 1},
      {"a task without data", F::label_studio, R"([{"id":1,"annotations":[]}])", 1, "data", 0},
      {"a rating off the scale", F::label_studio,
       R"([{"id":1,"data":{"prompt":"p","response":"r"},"annotations":[{"result":[{"type":"rating","value":{"rating":11}}]}]}])",
       1, "ratings of 1 to 5", 1},
      {"fields that are no object", F::argilla, R"([{"fields":["p"]}])", 1, "fields", 0},
      {"an answer without a question", F::qa, "hola: x\nR: nada\n", 1, "", 0},
      {"a table with three columns", F::qa, "a,b\n1,2,3\n", 2, "two columns", 1},
      {"quotes that never close", F::qa, "a,b\n\"x,y\n", 2, "close its quotes", 1},
      {"bytes of a picture", F::text, "\x89PNG\r\n\x1A\n\xFF\xD8", 1, "UTF-8", 0},
      {"a paragraph of five megabytes", F::text, many(5 << 20, "x") + "\n\nhola\n", 1, "at most", 1},
      {"a section of five megabytes", F::markdown, "# t\n" + many(5 << 20, "x") + "\n# u\nhola\n", 1, "at most", 1},
  };
}

TEST(BadFiles, each_is_told_with_its_line_and_the_good_rows_come_in) {
  ASSERT_GE(bad_files().size(), 30U);
  for (const BadFile& file : bad_files()) {
    SCOPED_TRACE(file.name);
    const auto begin = std::chrono::steady_clock::now();
    const ParsedFile parsed = parse_whole(file.format, file.text);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
    ASSERT_FALSE(parsed.skipped.empty());
    EXPECT_EQ(parsed.skipped[0].line, file.line);
    EXPECT_NE(parsed.skipped[0].why.find(file.why), std::string::npos) << parsed.skipped[0].why;
    EXPECT_EQ(parsed.records.size(), file.records);
    for (const SkippedRow& row : parsed.skipped) {
      EXPECT_LE(row.why.size(), 300U);
      EXPECT_EQ(row.why.find('\x1b'), std::string::npos) << "no escape sequence reaches a terminal";
      EXPECT_EQ(row.why.find('\n'), std::string::npos);
    }
  }
}

TEST(BadFiles, cutting_a_good_file_anywhere_never_brings_half_a_row) {
  const std::string text =
      kGood + R"({"prompt":"¿Qué?","chosen":"ñandú 👩🏽‍🌾","rejected":"no"})" + "\n" + kGood;
  const size_t whole = parse_whole(ImportFormat::jsonl, text).records.size();
  ASSERT_EQ(whole, 3U);
  for (size_t cut = 0; cut < text.size(); ++cut) {
    const ParsedFile parsed = parse_whole(ImportFormat::jsonl, std::string_view(text).substr(0, cut));
    ASSERT_LE(parsed.records.size() + parsed.skipped.size(), 3U) << cut;
    for (const ImportRecord& record : parsed.records)
      ASSERT_TRUE(record.messages[0].content == "a" || record.messages[0].content == "¿Qué?") << cut;
  }
}

TEST(BadFiles, an_empty_file_gives_nothing_and_says_nothing) {
  for (const ImportFormat format : {ImportFormat::text, ImportFormat::markdown, ImportFormat::qa, ImportFormat::jsonl,
                                    ImportFormat::open_assistant, ImportFormat::sharegpt}) {
    for (const char* text : {"", "\n\n", "\xEF\xBB\xBF"}) {
      const ParsedFile parsed = parse_whole(format, text);
      EXPECT_TRUE(parsed.records.empty());
      EXPECT_TRUE(parsed.skipped.empty());
    }
  }
}

}  // namespace
}  // namespace afina::datasets
