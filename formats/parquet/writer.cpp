// SPDX-License-Identifier: Apache-2.0
#include <arrow/api.h>
#include <arrow/io/interfaces.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

#include "base/error.h"
#include "formats/parquet/parquet.h"

namespace afina::formats {
namespace {

void check(const arrow::Status& status) {
  if (status.IsCancelled()) throw Cancelled("[parquet] the reader of this file has gone.");
  if (!status.ok()) throw StorageError(cat("[parquet] rows must be writable, but got: ", status.message(), "."));
}

template <typename T>
T value_of(arrow::Result<T> result) {
  check(result.status());
  return std::move(result).ValueUnsafe();
}

// Buffers of a row group are let go and made again; jemalloc gives the same memory for them (54 MiB flat over 320 MB of
// texts), where mimalloc takes 90 and malloc grows by a half.
arrow::MemoryPool* row_group_pool() {
  arrow::MemoryPool* pool = nullptr;
  return arrow::jemalloc_memory_pool(&pool).ok() ? pool : arrow::default_memory_pool();
}

/// Arrow's writing end on a ByteSink.
class SinkStream final : public arrow::io::OutputStream {
 public:
  explicit SinkStream(ByteSink sink) : sink_(std::move(sink)) {}
  arrow::Status Write(const void* data, int64_t bytes) override {
    if (!sink_({static_cast<const char*>(data), static_cast<size_t>(bytes)})) return arrow::Status::Cancelled("");
    written_ += bytes;
    return arrow::Status::OK();
  }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> Tell() const override { return written_; }
  bool closed() const override { return closed_; }

 private:
  ByteSink sink_;
  int64_t written_ = 0;
  bool closed_ = false;
};

std::shared_ptr<arrow::DataType> message_type() {
  return arrow::struct_({arrow::field("role", arrow::utf8()), arrow::field("content", arrow::utf8())});
}

std::shared_ptr<arrow::DataType> type_of(ColumnKind kind) {
  switch (kind) {
    case ColumnKind::whole:
      return arrow::int64();
    case ColumnKind::real:
      return arrow::float64();
    case ColumnKind::truth:
      return arrow::boolean();
    case ColumnKind::texts:
      return arrow::list(arrow::utf8());
    case ColumnKind::messages:
      return arrow::list(message_type());
    case ColumnKind::message_lists:
      return arrow::list(arrow::list(message_type()));
    case ColumnKind::text:
    case ColumnKind::json:
      break;
  }
  return arrow::utf8();
}

class Writer final : public RowWriter {
 public:
  Writer(std::vector<Column> columns, ByteSink sink, ParquetOptions options)
      : columns_(std::move(columns)), options_(options), stream_(std::make_shared<SinkStream>(std::move(sink))) {
    arrow::MemoryPool* const pool = row_group_pool();
    arrow::FieldVector fields;
    for (const Column& column : columns_)
      fields.push_back(arrow::field(column.name, type_of(column.kind)));
    schema_ = arrow::schema(fields);
    for (const auto& field : fields)
      builders_.push_back(value_of(arrow::MakeBuilder(field->type(), pool)));
    const auto properties =
        parquet::WriterProperties::Builder().memory_pool(pool)->compression(arrow::Compression::SNAPPY)->build();
    file_ = value_of(parquet::arrow::FileWriter::Open(*schema_, pool, stream_, properties));
  }

  void text(std::string_view value) override {
    bytes_ += value.size();
    check(take<arrow::StringBuilder>(ColumnKind::text).Append(value));
  }
  void json(std::string_view value) override {
    bytes_ += value.size();
    check(take<arrow::StringBuilder>(ColumnKind::json).Append(value));
  }
  void whole(int64_t value) override { check(take<arrow::Int64Builder>(ColumnKind::whole).Append(value)); }
  void real(double value) override { check(take<arrow::DoubleBuilder>(ColumnKind::real).Append(value)); }
  void truth(bool value) override { check(take<arrow::BooleanBuilder>(ColumnKind::truth).Append(value)); }
  void texts(std::span<const std::string_view> values) override {
    auto& list = take<arrow::ListBuilder>(ColumnKind::texts);
    check(list.Append());
    for (const std::string_view value : values) {
      bytes_ += value.size();
      check(static_cast<arrow::StringBuilder*>(list.value_builder())->Append(value));
    }
  }
  void messages(std::span<const MessageView> values) override {
    append_messages(take<arrow::ListBuilder>(ColumnKind::messages), values);
  }
  void message_lists(std::span<const std::vector<MessageView>> values) override {
    auto& list = take<arrow::ListBuilder>(ColumnKind::message_lists);
    check(list.Append());
    for (const auto& value : values)
      append_messages(*static_cast<arrow::ListBuilder*>(list.value_builder()), value);
  }
  void null() override {
    AFINA_CHECK(at_ < columns_.size(), "a row must not have more cells than columns");
    check(builders_[at_++]->AppendNull());
  }
  void end_row() override {
    AFINA_CHECK(at_ == columns_.size(), "a row must have a cell for each column");
    at_ = 0;
    if (++rows_ >= options_.rows_per_group || bytes_ >= options_.bytes_per_group) flush();
  }
  void finish() override {
    flush();
    check(file_->Close());
  }

 private:
  template <typename Builder>
  Builder& take(ColumnKind kind) {
    AFINA_CHECK(at_ < columns_.size() && columns_[at_].kind == kind, "a cell must be of its column's kind");
    return static_cast<Builder&>(*builders_[at_++]);
  }
  void append_messages(arrow::ListBuilder& list, std::span<const MessageView> values) {
    check(list.Append());
    auto& message = *static_cast<arrow::StructBuilder*>(list.value_builder());
    for (const MessageView& value : values) {
      bytes_ += value.role.size() + value.content.size();
      check(message.Append());
      check(static_cast<arrow::StringBuilder*>(message.field_builder(0))->Append(value.role));
      check(static_cast<arrow::StringBuilder*>(message.field_builder(1))->Append(value.content));
    }
  }
  void flush() {
    if (rows_ == 0) return;
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (auto& builder : builders_)
      arrays.push_back(value_of(builder->Finish()));
    check(file_->WriteTable(*arrow::Table::Make(schema_, arrays, rows_), rows_));
    rows_ = 0;
    bytes_ = 0;
  }

  std::vector<Column> columns_;
  ParquetOptions options_;
  std::shared_ptr<SinkStream> stream_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;
  std::unique_ptr<parquet::arrow::FileWriter> file_;
  size_t at_ = 0, bytes_ = 0;
  int64_t rows_ = 0;
};

}  // namespace

bool has_parquet() {
  return true;
}

std::unique_ptr<RowWriter> parquet_writer(std::vector<Column> columns, ByteSink sink, ParquetOptions options) {
  return std::make_unique<Writer>(std::move(columns), std::move(sink), options);
}

}  // namespace afina::formats
