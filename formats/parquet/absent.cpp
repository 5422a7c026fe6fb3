// SPDX-License-Identifier: Apache-2.0
// Stands in where the program is built without Arrow.
#include "base/error.h"
#include "formats/parquet/parquet.h"

namespace afina::formats {
namespace {

[[noreturn]] void refuse() {
  throw UsageError("[parquet] this must be a program built with AFINA_PARQUET, but it is not.", "use JSON Lines");
}

}  // namespace

bool has_parquet() {
  return false;
}

std::unique_ptr<RowWriter> parquet_writer(std::vector<Column>, ByteSink, ParquetOptions) {
  refuse();
}

void read_parquet(const std::filesystem::path&, const std::function<void(Json)>&) {
  refuse();
}

}  // namespace afina::formats
