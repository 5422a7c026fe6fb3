// SPDX-License-Identifier: Apache-2.0
// Small files of every import format against the records that must come of them (tests/golden/transfer).
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "datasets/transfer/import_file.h"

namespace afina::datasets {
namespace {

namespace fs = std::filesystem;

OrderedJson parsed_json(const ParsedFile& parsed) {
  OrderedJson out{{"records", OrderedJson::array()}, {"skipped", OrderedJson::array()}};
  for (const ImportRecord& record : parsed.records)
    out["records"].push_back(record_json(record));
  for (const SkippedRow& row : parsed.skipped)
    out["skipped"].push_back({{"line", row.line}, {"why", row.why}});
  return out;
}

std::vector<fs::path> samples() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(fs::path(AFINA_SOURCE_DIR) / "tests/golden/transfer")) {
    const std::string name = entry.path().filename().string();
    if (name.find('-') != std::string::npos && !name.ends_with(".expected.json")) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

TEST(GoldenImport, every_sample_gives_exactly_the_records_written_down_for_it) {
  ASSERT_GE(samples().size(), 14U);
  for (const fs::path& path : samples()) {
    const std::string name = path.filename().string();
    SCOPED_TRACE(name);
    ImportFormat format{};
    ASSERT_TRUE(from_string(name.substr(0, name.find('-')), format));
    fs::path expected = path;
    expected.replace_extension(".expected.json");
    const OrderedJson got = parsed_json(parse_whole(format, read_file(path)));
    // Whoever rewrites them looks at every line of the difference.
    if (std::getenv("UPDATE_GOLDEN") != nullptr) write_file_atomic(expected, dump_json(got, 1) + "\n");
    const OrderedJson want = parse_ordered_json(read_file(expected), expected.string());
    EXPECT_EQ(dump_json(got, 1), dump_json(want, 1));
  }
}

TEST(GoldenImport, every_format_has_a_sample) {
  for (const char* word :
       {"text", "markdown", "qa", "jsonl", "argilla", "label_studio", "open_assistant", "lmsys", "sharegpt"}) {
    bool found = false;
    for (const fs::path& path : samples())
      found |= path.filename().string().starts_with(cat(word, "-"));
    EXPECT_TRUE(found) << word;
  }
}

TEST(GoldenImport, a_byte_order_mark_and_windows_line_ends_change_nothing) {
  const ParsedFile plain = parse_whole(ImportFormat::jsonl, "{\"prompt\":\"a\",\"completion\":\"b\"}\n");
  const ParsedFile marked =
      parse_whole(ImportFormat::jsonl, "\xEF\xBB\xBF{\"prompt\":\"a\",\"completion\":\"b\"}\r\n\r\n");
  EXPECT_EQ(parsed_json(plain), parsed_json(marked));
  ASSERT_EQ(plain.records.size(), 1U);
}

TEST(GoldenImport, one_document_over_several_lines_is_one_row) {
  const ParsedFile parsed =
      parse_whole(ImportFormat::qa, "{\n  \"question\": \"¿a?\",\n  \"answer\": \"b\"\n}\n{\n\"question\":\"c\"}");
  ASSERT_EQ(parsed.records.size(), 1U);
  EXPECT_EQ(parsed.records[0].line, 1);
  ASSERT_EQ(parsed.skipped.size(), 1U);
  EXPECT_EQ(parsed.skipped[0].line, 5);
}

TEST(GoldenImport, suggestions_of_models_come_only_where_asked_for) {
  const std::string row =
      R"([{"fields":{"prompt":"p","response":"r"},"suggestions":[{"question_name":"n","value":5,"agent":"gpt"}]}])";
  EXPECT_TRUE(parse_whole(ImportFormat::argilla, row).records.at(0).judgements.empty());
  const auto with = parse_whole(ImportFormat::argilla, row, {.suggestions = true}).records.at(0).judgements;
  ASSERT_EQ(with.size(), 1U);
  EXPECT_EQ(with[0].annotator, "agent:gpt");
  EXPECT_EQ(with[0].score, 1.0);
}

TEST(GoldenImport, ratings_are_read_on_the_scale_that_is_named) {
  const std::string row = R"([{"fields":{"prompt":"p","response":"r"},"responses":[{"values":{"n":{"value":7}}}]}])";
  EXPECT_EQ(parse_whole(ImportFormat::argilla, row, {.rating_max = 7}).records.at(0).judgements.at(0).score, 1.0);
  EXPECT_EQ(parse_whole(ImportFormat::argilla, row, {.rating_max = 10}).records.at(0).judgements.at(0).score,
            6.0 / 9.0);
  const ParsedFile off = parse_whole(ImportFormat::argilla, row);
  EXPECT_TRUE(off.records.at(0).judgements.empty()) << "the record stays, the rating off the scale is told";
  EXPECT_EQ(off.skipped.size(), 1U);
}

}  // namespace
}  // namespace afina::datasets
