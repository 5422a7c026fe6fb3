// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "datasets/transfer/jsonl_writer.h"
#include "datasets/transfer/pseudonyms.h"
#include "formats/parquet/parquet.h"
#include "tests/support/temp_folder.h"

namespace afina::datasets {
namespace {

using formats::Column;
using formats::ColumnKind;
using formats::MessageView;

const std::string kHostile =
    "«ñandú» 👩🏽‍🌾 a\u0301 \u2028 \x1b[31m \"\\ \t\n\x01 </script> =HYPERLINK(1)";

const std::vector<Column> kColumns{{"text", ColumnKind::text},         {"json", ColumnKind::json},
                                   {"whole", ColumnKind::whole},       {"real", ColumnKind::real},
                                   {"truth", ColumnKind::truth},       {"texts", ColumnKind::texts},
                                   {"messages", ColumnKind::messages}, {"lists", ColumnKind::message_lists}};

void write_rows(formats::RowWriter& out, int rows) {
  for (int i = 0; i < rows; ++i) {
    const std::vector<std::string_view> words{"a", kHostile};
    const std::vector<MessageView> messages{{"user", kHostile}, {"assistant", ""}};
    const std::vector<std::vector<MessageView>> lists{messages, {}};
    out.text(kHostile);
    out.json("[1,{\"a\":null}]");
    i % 2 == 0 ? out.whole(-9007199254740993 - i) : out.null();
    out.real(0.1);
    out.truth(i % 2 == 1);
    out.texts(words);
    out.messages(messages);
    out.message_lists(lists);
    out.end_row();
  }
  out.finish();
}

void expect_row(const Json& row, int i, bool json_is_text) {
  EXPECT_EQ(row["text"], kHostile);
  const Json json = json_is_text ? parse_json(row["json"].get<std::string>(), "json") : row["json"];
  EXPECT_EQ(json, Json::parse("[1,{\"a\":null}]"));
  EXPECT_EQ(row["whole"], i % 2 == 0 ? Json(-9007199254740993 - i) : Json());
  EXPECT_EQ(row["real"], 0.1);
  EXPECT_EQ(row["truth"], i % 2 == 1);
  EXPECT_EQ(row["texts"][1], kHostile);
  EXPECT_EQ(row["messages"][0]["content"], kHostile);
  EXPECT_EQ(row["messages"][1]["role"], "assistant");
  EXPECT_EQ(row["lists"][0][0]["content"], kHostile);
  EXPECT_TRUE(row["lists"][1].empty());
}

TEST(JsonlWriter, every_text_comes_back_as_it_was) {
  std::string bytes;
  const auto writer = jsonl_writer(kColumns, [&](std::string_view piece) {
    bytes += piece;
    return true;
  });
  write_rows(*writer, 3);
  size_t begin = 0;
  for (int i = 0; i < 3; ++i) {
    const size_t end = bytes.find('\n', begin);
    expect_row(parse_json(std::string_view(bytes).substr(begin, end - begin), "line"), i, false);
    begin = end + 1;
  }
  EXPECT_EQ(begin, bytes.size());
  EXPECT_EQ(bytes.find('\x1b'), std::string::npos) << "control characters are escaped: a terminal may show the file";
}

TEST(JsonlWriter, keys_keep_the_order_of_the_columns) {
  std::string bytes;
  const auto writer = jsonl_writer({{"b", ColumnKind::whole}, {"a", ColumnKind::text}}, [&](std::string_view piece) {
    bytes += piece;
    return true;
  });
  writer->whole(1);
  writer->text("x");
  writer->end_row();
  writer->finish();
  EXPECT_EQ(bytes, "{\"b\":1,\"a\":\"x\"}\n");
}

TEST(JsonlWriter, a_cell_of_the_wrong_kind_or_a_short_row_is_refused) {
  const auto writer =
      jsonl_writer({{"a", ColumnKind::text}, {"b", ColumnKind::text}}, [](std::string_view) { return true; });
  EXPECT_THROW(writer->whole(1), InternalError);
  writer->text("x");
  EXPECT_THROW(writer->end_row(), InternalError);
}

TEST(JsonlWriter, a_reader_that_has_gone_ends_the_writing) {
  const auto writer = jsonl_writer({{"a", ColumnKind::text}}, [](std::string_view) { return false; });
  EXPECT_THROW(
      {
        for (int i = 0; i < 1'000'000; ++i) {
          writer->text(kHostile);
          writer->end_row();
        }
      },
      Cancelled);
}

TEST(Parquet, every_cell_comes_back_over_several_row_groups) {
  if (!formats::has_parquet()) {
    EXPECT_THROW(formats::parquet_writer(kColumns, [](std::string_view) { return true; }), UsageError);
    return;
  }
  const TempFolder folder;
  std::string bytes;
  const auto writer = formats::parquet_writer(kColumns,
                                              [&](std::string_view piece) {
                                                bytes += piece;
                                                return true;
                                              },
                                              {.rows_per_group = 4});
  write_rows(*writer, 11);
  write_file_atomic(folder.path() / "a.parquet", bytes);
  int rows = 0;
  formats::read_parquet(folder.path() / "a.parquet", [&](const Json& row) { expect_row(row, rows++, true); });
  EXPECT_EQ(rows, 11);
}

TEST(Parquet, what_is_no_parquet_file_is_a_data_error) {
  if (!formats::has_parquet()) GTEST_FAIL() << "configure with AFINA_PARQUET=ON to test it";
  const TempFolder folder;
  write_file_atomic(folder.path() / "a.parquet", "PAR1 hola PAR1");
  EXPECT_THROW(formats::read_parquet(folder.path() / "a.parquet", [](const Json&) {}), DataError);
  EXPECT_THROW(formats::read_parquet(folder.path() / "b.parquet", [](const Json&) {}), NotFound);
  std::string bytes;
  const auto writer = formats::parquet_writer(kColumns, [&](std::string_view piece) {
    bytes += piece;
    return true;
  });
  write_rows(*writer, 5);
  for (const size_t cut : {bytes.size() - 1, bytes.size() / 2, size_t{9}, size_t{0}}) {
    write_file_atomic(folder.path() / "c.parquet", bytes.substr(0, cut));
    EXPECT_THROW(formats::read_parquet(folder.path() / "c.parquet", [](const Json&) {}), DataError) << cut;
  }
}

// RFC 4231, test cases 1, 2 and 6.
int64_t resident_kib() {
  std::ifstream in("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  in >> pages >> resident;
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

// 160,000 rows of 2 KB each: how much more memory the last three quarters take than the first one did at its most.
int64_t growth_kib(const formats::ParquetOptions& options) {
  constexpr int kRows = 160'000;
  int64_t bytes = 0, early = 0, late = 0;
  const auto out = formats::parquet_writer(
      {{"id", ColumnKind::whole}, {"text", ColumnKind::text}, {"chat", ColumnKind::messages}},
      [&](std::string_view piece) {
        bytes += static_cast<int64_t>(piece.size());
        return true;
      },
      options);
  std::string text(1000, 'x');
  for (int i = 0; i < kRows; ++i) {
    uint64_t noise = static_cast<uint64_t>(i) + 1;
    for (char& c : text)  // no dictionary makes this small
      c = static_cast<char>('a' + ((noise = noise * 6364136223846793005ULL + 1442695040888963407ULL) >> 33) % 23);
    const MessageView message{"user", text};
    out->whole(i);
    out->text(text);
    out->messages({&message, 1});
    out->end_row();
    if (i % 500 == 0) (i < kRows / 4 ? early : late) = std::max(i < kRows / 4 ? early : late, resident_kib());
  }
  out->finish();
  EXPECT_GT(bytes, 100'000'000);
  return late - early;
}

TEST(Parquet, memory_is_that_of_a_row_group_however_many_rows_there_are) {
  EXPECT_LT(growth_kib({}), 6 * 1024);
  // The control: one group of everything.
  EXPECT_GT(growth_kib({.rows_per_group = 1'000'000, .bytes_per_group = size_t{1} << 30}), 100 * 1024);
}

TEST(Pseudonyms, one_person_has_one_name_in_an_export_and_another_in_the_next) {
  Pseudonyms first, second;
  const std::string name = first.of("a");
  EXPECT_EQ(first.of("a"), name);
  EXPECT_NE(first.of("b"), name);
  EXPECT_NE(second.of("a"), name);
  EXPECT_NE(first.salt_sha256(), second.salt_sha256());
}

}  // namespace
}  // namespace afina::datasets
