// SPDX-License-Identifier: Apache-2.0
// Parquet files (parquet.apache.org/docs/file-format), written and read by Arrow's C++ library, of which nothing is
// seen here. Memory is that of one row group, at most four times bytes_per_group while it is written, and some 10 kB of
// footer for each group before it. Built without AFINA_PARQUET, every call throws UsageError.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "base/json.h"
#include "formats/parquet/row_writer.h"

namespace afina::formats {

/// False where this program was built without AFINA_PARQUET.
bool has_parquet();

struct ParquetOptions {
  int64_t rows_per_group = 32'768;
  size_t bytes_per_group = size_t{16} << 20;  ///< of texts, before compression; whichever comes first
};

/// Writes in order, without seeking: a pipe or a socket will do. Snappy-compressed; text columns are UTF-8, messages
/// are list<struct<role, content>>. Every column may be null.
std::unique_ptr<RowWriter> parquet_writer(std::vector<Column> columns, ByteSink sink, ParquetOptions options = {});

/// Calls `take` with each row as an object, in order; cells that are null are JSON null. Throws NotFound, StorageError,
/// DataError for what is no Parquet file or holds a column type that JSON has no words for.
void read_parquet(const std::filesystem::path& path, const std::function<void(Json row)>& take);

}  // namespace afina::formats
