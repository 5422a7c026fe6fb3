// SPDX-License-Identifier: Apache-2.0
// Typed access to the columns of one JSONL row, private to datasets/: every error names file, line and column.
#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "datasets/rows.h"

namespace afina::datasets {

class RowFields {
 public:
  /// Throws DataError where the row is not an object.
  RowFields(const Json& row, std::string where);

  /// Present and not null: tables export missing values as null.
  bool has(const char* name) const;
  bool is_text(const char* name) const { return has(name) && row_[name].is_string(); }
  bool is_list(const char* name) const { return has(name) && row_[name].is_array(); }
  std::string text(const char* name) const;
  /// Messages that carry no weights of their own.
  Messages messages(const char* name) const;
  /// Messages with their weights ("weight", or "train": true or false); no weights where every message has its default.
  ChatForm weighted_messages(const char* name) const;
  /// Plain messages of a list within a column, named `place` in errors.
  Messages messages_in(const std::string& place, const Json& value) const;
  std::vector<int> ids(const char* name, int minimum = 0) const;
  std::vector<int> ids_in(const std::string& place, const Json& value, int minimum = 0) const;
  /// A list of JSON values, not empty.
  const Json& list(const char* name) const;
  /// Finite, and within [minimum, maximum].
  std::optional<double> number(const char* name, double minimum, double maximum) const;
  std::vector<std::string> texts(const char* name) const;
  /// Refuses each column that is present: it would change what is trained.
  void refuse(std::initializer_list<const char*> names) const;
  [[noreturn]] void fail(const std::string& what, const std::string& hint = "") const;
  const std::string& where() const { return where_; }

 private:
  const Json& at(const char* name) const;
  text::Message message(const std::string& place, const Json& value) const;
  std::optional<float> message_weight(const std::string& place, const Json& value) const;

  const Json& row_;
  std::string where_;
};

}  // namespace afina::datasets
