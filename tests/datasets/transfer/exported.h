// SPDX-License-Identifier: Apache-2.0
// A whole export in memory, read back: both forms, one shape.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "datasets/transfer/export_data.h"
#include "formats/parquet/parquet.h"
#include "tests/support/temp_folder.h"

namespace afina::datasets {

/// Every kind there is.
inline constexpr ExportKind kEveryKind[] = {ExportKind::judgements,  ExportKind::dpo,      ExportKind::sft,
                                            ExportKind::kto,         ExportKind::rankings, ExportKind::conversations,
                                            ExportKind::submissions, ExportKind::notes,    ExportKind::scores};

/// What people write to break things: accents, emoji with joiners, combining marks, quotes, markup, a formula.
inline const std::string kWords = "«ñandú» 👩🏽‍🌾 a\u0301ŋ \"\\ \n\t=1+1 <b>";

struct Exported {
  ExportReport report;
  std::string bytes;
  std::vector<Json> rows;
};

inline Exported take_bytes(storage::Database& db, ExportKind kind, ExportForm form, storage::ExportFilter filter) {
  Exported out;
  ExportRequest request;
  request.kind = kind;
  request.form = form;
  request.filter = std::move(filter);
  request.actor = "test";
  out.report = export_data(db, request, [&](std::string_view bytes) {
    out.bytes += bytes;
    return true;
  });
  EXPECT_TRUE(out.report.complete);
  EXPECT_EQ(out.report.bytes, out.bytes.size());
  return out;
}

/// As JSON Lines.
inline Exported take_out(storage::Database& db, ExportKind kind, storage::ExportFilter filter = {}) {
  Exported out = take_bytes(db, kind, ExportForm::jsonl, std::move(filter));
  size_t begin = 0;
  while (begin < out.bytes.size()) {
    const size_t end = out.bytes.find('\n', begin);
    out.rows.push_back(parse_json(std::string_view(out.bytes).substr(begin, end - begin), "export"));
    begin = end + 1;
  }
  EXPECT_EQ(static_cast<int64_t>(out.rows.size()), out.report.rows);
  return out;
}

/// As Parquet, whose JSON columns are text.
inline Exported take_parquet(storage::Database& db, ExportKind kind, storage::ExportFilter filter = {}) {
  Exported out = take_bytes(db, kind, ExportForm::parquet, std::move(filter));
  const TempFolder folder;
  write_file_atomic(folder.path() / "x.parquet", out.bytes);
  const auto columns = export_columns(kind);
  formats::read_parquet(folder.path() / "x.parquet", [&](Json row) {
    for (const formats::Column& column : columns) {
      if (!row.contains(column.name)) continue;  // a dpo file without a margin
      Json& cell = row[column.name];
      if (column.kind == formats::ColumnKind::json && cell.is_string())
        cell = parse_json(cell.get<std::string>(), column.name);
    }
    out.rows.push_back(std::move(row));
  });
  EXPECT_EQ(static_cast<int64_t>(out.rows.size()), out.report.rows);
  return out;
}

}  // namespace afina::datasets
