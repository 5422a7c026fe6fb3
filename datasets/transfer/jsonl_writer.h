// SPDX-License-Identifier: Apache-2.0
// JSON Lines without a document tree: cells go straight into one buffer, which leaves in large pieces.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "formats/parquet/row_writer.h"

namespace afina::datasets {

/// One object a line, its keys in the order of the columns. Text is written as it is, but for quotes, backslashes and
/// control characters. Texts must be valid UTF-8, which PostgreSQL's are.
std::unique_ptr<formats::RowWriter> jsonl_writer(std::vector<formats::Column> columns, formats::ByteSink sink);

/// Appends a JSON string with its quotes.
void append_json_text(std::string& out, std::string_view text);

}  // namespace afina::datasets
