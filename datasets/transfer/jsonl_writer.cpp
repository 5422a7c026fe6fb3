// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/jsonl_writer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace afina::datasets {
namespace {

using formats::ColumnKind;
using formats::MessageView;

constexpr size_t kFlushBytes = size_t{256} << 10;

constexpr std::array<bool, 256> kMustEscape = [] {
  std::array<bool, 256> table{};
  for (size_t c = 0; c < 0x20; ++c)
    table[c] = true;
  table['"'] = table['\\'] = table[0x7F] = true;
  return table;
}();

void append_escape(std::string& out, unsigned char c) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
  }
}

class Writer final : public formats::RowWriter {
 public:
  Writer(std::vector<formats::Column> columns, formats::ByteSink sink)
      : columns_(std::move(columns)), sink_(std::move(sink)) {
    for (const formats::Column& column : columns_) {
      std::string key = keys_.empty() ? "{" : ",";
      append_json_text(key, column.name);
      keys_.push_back(key + ":");
    }
  }

  void text(std::string_view value) override {
    begin(ColumnKind::text);
    append_json_text(out_, value);
  }
  void json(std::string_view value) override {
    begin(ColumnKind::json);
    out_ += value;
  }
  void whole(int64_t value) override {
    begin(ColumnKind::whole);
    number(value);
  }
  void real(double value) override {
    begin(ColumnKind::real);
    AFINA_CHECK(std::isfinite(value), "a number in JSON must be finite");
    const size_t before = out_.size();
    number(value);
    // A whole one stays a real number for readers that take a column's type from its first rows.
    if (out_.find_first_of(".e", before) == std::string::npos) out_ += ".0";
  }
  void truth(bool value) override {
    begin(ColumnKind::truth);
    out_ += value ? "true" : "false";
  }
  void texts(std::span<const std::string_view> values) override {
    begin(ColumnKind::texts);
    list(values, [&](std::string_view value) { append_json_text(out_, value); });
  }
  void messages(std::span<const MessageView> values) override {
    begin(ColumnKind::messages);
    append(values);
  }
  void message_lists(std::span<const std::vector<MessageView>> values) override {
    begin(ColumnKind::message_lists);
    list(values, [&](const std::vector<MessageView>& value) { append(value); });
  }
  void null() override {
    AFINA_CHECK(at_ < columns_.size(), "a row must not have more cells than columns");
    out_ += keys_[at_++];
    out_ += "null";
  }
  void end_row() override {
    AFINA_CHECK(at_ == columns_.size(), "a row must have a cell for each column");
    at_ = 0;
    out_ += "}\n";
    if (out_.size() >= kFlushBytes) flush();
  }
  void finish() override { flush(); }

 private:
  void begin(ColumnKind kind) {
    AFINA_CHECK(at_ < columns_.size() && columns_[at_].kind == kind, "a cell must be of its column's kind");
    out_ += keys_[at_++];
  }
  template <typename T>
  void number(T value) {
    char buffer[32];
    out_.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  }
  template <typename List, typename F>
  void list(const List& values, F&& each) {
    out_ += '[';
    bool first = true;
    for (const auto& value : values) {
      if (!std::exchange(first, false)) out_ += ',';
      each(value);
    }
    out_ += ']';
  }
  void append(std::span<const MessageView> values) {
    list(values, [&](const MessageView& value) {
      out_ += "{\"role\":";
      append_json_text(out_, value.role);
      out_ += ",\"content\":";
      append_json_text(out_, value.content);
      out_ += '}';
    });
  }
  void flush() {
    if (!out_.empty() && !sink_(out_)) throw Cancelled("[export] the reader of this file has gone.");
    out_.clear();
  }

  std::vector<formats::Column> columns_;
  std::vector<std::string> keys_;
  formats::ByteSink sink_;
  std::string out_;
  size_t at_ = 0;
};

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
  out += '"';
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (!kMustEscape[c]) continue;
    out.append(text, begin, i - begin);
    append_escape(out, c);
    begin = i + 1;
  }
  out.append(text, begin, text.size() - begin);
  out += '"';
}

std::unique_ptr<formats::RowWriter> jsonl_writer(std::vector<formats::Column> columns, formats::ByteSink sink) {
  return std::make_unique<Writer>(std::move(columns), std::move(sink));
}

}  // namespace afina::datasets
