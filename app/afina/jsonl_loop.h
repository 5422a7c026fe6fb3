// SPDX-License-Identifier: Apache-2.0
// The line protocol of the text commands (--jsonl): one JSON object a line on stdin, one on stdout, in the same order,
// flushed line by line, so that a program can ask and wait. A bad line gives an error object and the next line counts.
#pragma once
#include <cstddef>
#include <functional>
#include <iosfwd>
#include <stop_token>
#include <string>

#include "base/json.h"

namespace afina::app {

inline constexpr size_t kMaxLineBytes = size_t{16} << 20;

/// line: one object; where: "line 3", for messages. What it returns is printed; what it throws becomes
/// {"error":{"kind","message"}}.
using LineHandler = std::function<OrderedJson(const OrderedJson& line, const std::string& where)>;

/// Reads stdin to its end. Blank lines are skipped; lines above 16 MiB, of invalid UTF-8, of broken JSON or that are no
/// object are errors of that line. Returns 0 once every line was answered, whatever the answers; 130 where stop was
/// requested between lines. Throws StorageError where stdout cannot be written.
int run_jsonl(const LineHandler& handle, const std::stop_token& stop = {});
/// As run_jsonl on other streams.
int run_jsonl(std::istream& in, std::ostream& out, const LineHandler& handle, const std::stop_token& stop = {});

}  // namespace afina::app
