// SPDX-License-Identifier: Apache-2.0
#include "formats/jsonl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace afina::formats {
namespace {

class Jsonl : public testing::Test {
 protected:
  JsonlReader open(const std::string& text, JsonlOptions options = {}) {
    write_file_synced(folder_.path() / "rows.jsonl", text);
    return JsonlReader(folder_.path() / "rows.jsonl", options);
  }
  std::string error_of(const std::string& text, JsonlOptions options = {}) {
    auto reader = open(text, options);
    try {
      while (reader.next()) {
      }
    } catch (const DataError& error) {
      return error.what();
    }
    return "accepted";
  }
  TempFolder folder_;
};

TEST_F(Jsonl, ReadsLinesAndCountsThem) {
  auto reader = open("\xEF\xBB\xBF{\"a\":1}\r\n\n  \t\r\n{\"b\":\"niño\"}\n[1,2]");
  EXPECT_EQ((*reader.next())["a"], 1);
  EXPECT_EQ(reader.line(), 1);
  EXPECT_EQ((*reader.next())["b"], "niño");
  EXPECT_EQ(reader.line(), 4);
  EXPECT_THAT(reader.where(), testing::EndsWith("rows.jsonl:4"));
  EXPECT_EQ(reader.next()->size(), 2U) << "the last line needs no newline";
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.next());
}

TEST_F(Jsonl, KeepsTextAsItWasWritten) {
  auto reader = open("{\"t\":\"n\xCC\x83 \\u00e7 \\ud83d\\ude01\"}\n");
  EXPECT_EQ((*reader.next())["t"], "n\xCC\x83 ç \xF0\x9F\x98\x81") << "no normalisation";
}

TEST_F(Jsonl, AnEmptyFileHasNoDocuments) {
  EXPECT_FALSE(open("").next());
  EXPECT_FALSE(open("\n\r\n").next());
  EXPECT_FALSE(open("\xEF\xBB\xBF").next());
}

TEST_F(Jsonl, LinesAcrossChunksAreWhole) {
  std::string text;
  for (int i = 0; i < 300; ++i)
    text += "{\"i\":" + std::to_string(i) + ",\"t\":\"" + std::string(static_cast<size_t>(i * 7), 'x') + "\"}\n";
  auto reader = open(text);
  for (int i = 0; i < 300; ++i) {
    const auto row = reader.next();
    ASSERT_TRUE(row);
    EXPECT_EQ((*row)["i"], i);
    EXPECT_EQ((*row)["t"].get<std::string>().size(), static_cast<size_t>(i * 7));
  }
  EXPECT_FALSE(reader.next());
}

TEST_F(Jsonl, NamesTheLineOfEveryFault) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"{}\nhola\n", "rows.jsonl:2] must be JSON"},
      {"{}\n{\"a\":\n", "rows.jsonl:2] must be JSON"},
      {"{} {}\n", "rows.jsonl:1] must be JSON"},
      {"{}\n\n{\"a\":\"\xF1\"}\n", "rows.jsonl:3] must be UTF-8"},
      {"{\"a\":\"\xED\xA0\x80\"}\n", "UTF-8"},
      {"{\"a\":1,\"a\":2}\n", "\"a\" twice"},
      {"{\"a\":{\"b\":[\"x\\u0000y\"]}}\n", "U+0000"},
      {"{\"\\u0000\":1}\n", "U+0000"},
      {"{\"a\":\"\\ud800\"}\n", "JSON"},
      {"{\"a\":NaN}\n", "JSON"},
      {std::string(100, '[') + std::string(100, ']') + "\n", "levels"},
      {std::string(100'000, '[') + "\n", "levels"},
  };
  for (const auto& [text, says] : cases)
    EXPECT_THAT(error_of(text), testing::HasSubstr(says)) << text.substr(0, 60);
}

TEST_F(Jsonl, CapsTheLineAndTheFile) {
  const std::string long_line = "{\"a\":\"" + std::string(200, 'x') + "\"}\n";
  EXPECT_THAT(error_of("{}\n" + long_line, {.max_line_bytes = 100}),
              testing::HasSubstr("rows.jsonl:2] must have at most 100 bytes"));
  EXPECT_EQ(error_of(long_line, {.max_line_bytes = long_line.size()}), "accepted");
  EXPECT_THAT(error_of(std::string(2 << 20, 'x')), testing::HasSubstr("1048576 bytes"));
  EXPECT_THAT(error_of(long_line, {.max_file_bytes = 100}), testing::HasSubstr("at most 100 bytes"));
}

TEST_F(Jsonl, MissingFilesAndFoldersAreTyped) {
  EXPECT_THROW(JsonlReader("/nonexistent/rows.jsonl"), NotFound);
  EXPECT_THROW(JsonlReader(folder_.path()), StorageError);
}

}  // namespace
}  // namespace afina::formats
