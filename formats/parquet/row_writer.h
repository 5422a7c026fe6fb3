// SPDX-License-Identifier: Apache-2.0
// A table written row by row, whatever its file format: columns with a kind each, then one call for each cell in their
// order. Views need to live for the call only.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace afina::formats {

/// json: a JSON value as text (nested in JSON Lines, text in Parquet). messages: [{role, content}]; message_lists: a
/// list of those.
enum class ColumnKind { text, whole, real, truth, texts, json, messages, message_lists };

struct Column {
  std::string name;
  ColumnKind kind = ColumnKind::text;
};

struct MessageView {
  std::string_view role, content;
};

/// Takes bytes in order. False: nobody wants the rest.
using ByteSink = std::function<bool(std::string_view)>;

/// Not thread-safe. A cell of the wrong kind, or a row with too many or too few, is an InternalError. A sink that says
/// false ends in Cancelled from the call that met it.
class RowWriter {
 public:
  virtual ~RowWriter() = default;
  virtual void text(std::string_view value) = 0;
  virtual void json(std::string_view value) = 0;  ///< one valid JSON value
  virtual void whole(int64_t value) = 0;
  virtual void real(double value) = 0;  ///< finite
  virtual void truth(bool value) = 0;
  virtual void texts(std::span<const std::string_view> values) = 0;
  virtual void messages(std::span<const MessageView> values) = 0;
  virtual void message_lists(std::span<const std::vector<MessageView>> values) = 0;
  virtual void null() = 0;
  virtual void end_row() = 0;
  /// Writes what is left (a Parquet file's footer). Nothing may follow.
  virtual void finish() = 0;
};

}  // namespace afina::formats
