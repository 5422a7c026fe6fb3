// SPDX-License-Identifier: Apache-2.0
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/parquet/parquet.h"

namespace afina::formats {
namespace {

constexpr int kMaxNesting = 16;

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : where_(path.string()) {
    if (!std::filesystem::exists(path)) throw NotFound(cat("[", where_, "] must exist, but does not."));
    auto file = value_of(arrow::io::ReadableFile::Open(path.string()));
    file_ = value_of(parquet::arrow::OpenFile(std::move(file), arrow::default_memory_pool()));
    file_->set_batch_size(1024);
  }

  void each(const std::function<void(Json)>& take) {
    const auto batches = value_of(file_->GetRecordBatchReader());
    for (;;) {
      std::shared_ptr<arrow::RecordBatch> batch;
      check(batches->ReadNext(&batch));
      if (!batch) return;
      for (int64_t row = 0; row < batch->num_rows(); ++row) {
        Json object = Json::object();
        for (int column = 0; column < batch->num_columns(); ++column)
          object[batch->column_name(column)] = cell(*batch->column(column), row, 0);
        take(std::move(object));
      }
    }
  }

 private:
  void check(const arrow::Status& status) const {
    if (!status.ok()) throw DataError(cat("[", where_, "] must be a Parquet file, but: ", status.message(), "."));
  }
  template <typename T>
  T value_of(arrow::Result<T> result) const {
    check(result.status());
    return std::move(result).ValueUnsafe();
  }
  std::string utf8(std::string_view text) const {
    if (!is_valid_utf8(text)) throw DataError(cat("[", where_, "] must hold UTF-8 texts, but one is not."));
    return std::string(text);
  }
  template <typename List>
  Json list(const List& array, int64_t row, int depth) const {
    Json out = Json::array();
    for (int64_t i = array.value_offset(row); i < array.value_offset(row + 1); ++i)
      out.push_back(cell(*array.values(), i, depth + 1));
    return out;
  }

  Json cell(const arrow::Array& array, int64_t row, int depth) const {
    if (depth > kMaxNesting) throw DataError(cat("[", where_, "] must nest at most ", kMaxNesting, " deep."));
    if (array.IsNull(row)) return nullptr;
    switch (array.type_id()) {
      case arrow::Type::STRING:
        return utf8(static_cast<const arrow::StringArray&>(array).GetView(row));
      case arrow::Type::LARGE_STRING:
        return utf8(static_cast<const arrow::LargeStringArray&>(array).GetView(row));
      case arrow::Type::BOOL:
        return static_cast<const arrow::BooleanArray&>(array).Value(row);
      case arrow::Type::INT64:
        return static_cast<const arrow::Int64Array&>(array).Value(row);
      case arrow::Type::INT32:
        return static_cast<const arrow::Int32Array&>(array).Value(row);
      case arrow::Type::INT16:
        return static_cast<const arrow::Int16Array&>(array).Value(row);
      case arrow::Type::DOUBLE:
        return static_cast<const arrow::DoubleArray&>(array).Value(row);
      case arrow::Type::FLOAT:
        return static_cast<const arrow::FloatArray&>(array).Value(row);
      case arrow::Type::LIST:
        return list(static_cast<const arrow::ListArray&>(array), row, depth);
      case arrow::Type::LARGE_LIST:
        return list(static_cast<const arrow::LargeListArray&>(array), row, depth);
      case arrow::Type::STRUCT: {
        const auto& record = static_cast<const arrow::StructArray&>(array);
        Json out = Json::object();
        for (int i = 0; i < record.num_fields(); ++i)
          out[record.type()->field(i)->name()] = cell(*record.field(i), row, depth + 1);
        return out;
      }
      case arrow::Type::TIMESTAMP:
      case arrow::Type::DATE32:
      case arrow::Type::DICTIONARY:
        return value_of(array.GetScalar(row))->ToString();
      default:
        throw DataError(cat("[", where_, "] must have columns of text, numbers, truth, lists and structs, but one is ",
                            array.type()->ToString(), "."));
    }
  }

  std::string where_;
  std::unique_ptr<parquet::arrow::FileReader> file_;
};

}  // namespace

void read_parquet(const std::filesystem::path& path, const std::function<void(Json)>& take) {
  Reader(path).each(take);
}

}  // namespace afina::formats
