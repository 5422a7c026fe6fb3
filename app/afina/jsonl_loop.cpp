// SPDX-License-Identifier: Apache-2.0
#include "app/afina/jsonl_loop.h"

#include <iostream>

#include "base/cat.h"
#include "base/error.h"
#include "base/utf8.h"

namespace afina::app {

namespace {

enum class LineEnd { line, too_long, end };

// std::getline has no cap: a hostile line must not fill memory.
LineEnd read_line(std::istream& in, std::string& line) {
  line.clear();
  std::streambuf& buffer = *in.rdbuf();
  bool too_long = false;
  for (int c = buffer.sbumpc();; c = buffer.sbumpc()) {
    if (c == std::char_traits<char>::eof()) {
      if (too_long) return LineEnd::too_long;
      return line.empty() ? LineEnd::end : LineEnd::line;
    }
    if (c == '\n') return too_long ? LineEnd::too_long : LineEnd::line;
    if (line.size() == kMaxLineBytes) {
      too_long = true;
    } else {
      line += static_cast<char>(c);
    }
  }
}

OrderedJson error_json(ErrorKind kind, const std::string& message) {
  return {{"error", {{"kind", std::string(to_string(kind))}, {"message", repair_utf8(message)}}}};
}

OrderedJson answer(const std::string& line, const std::string& where, const LineHandler& handle) {
  try {
    const OrderedJson value = parse_ordered_json(line, where);
    if (!value.is_object())
      throw DataError(cat("[", where, "] must be a JSON object, but is a JSON ", value.type_name()));
    return handle(value, where);
  } catch (const Error& error) {
    return error_json(error.kind(), error.what());
  } catch (const std::bad_alloc&) {
    return error_json(ErrorKind::data, cat("[", where, "] must fit into memory, but does not"));
  } catch (const std::exception& error) {
    return error_json(ErrorKind::internal, cat("[", where, "] must be answered, but: ", error.what()));
  }
}

}  // namespace

int run_jsonl(std::istream& in, std::ostream& out, const LineHandler& handle, const std::stop_token& stop) {
  std::string line;
  for (size_t number = 1;; ++number) {
    if (stop.stop_requested()) return exit_code(ErrorKind::cancelled);
    const LineEnd end = read_line(in, line);
    if (end == LineEnd::end) return 0;
    if (end == LineEnd::line && line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = cat("line ", number);
    const OrderedJson result = end == LineEnd::too_long
                                   ? error_json(ErrorKind::data, cat("[", where, "] must have at most ", kMaxLineBytes,
                                                                     " bytes, but has more"))
                                   : answer(line, where, handle);
    out << dump_json(result) << '\n' << std::flush;
    if (!out) throw StorageError("[stdout] must take every answer, but cannot be written");
  }
}

int run_jsonl(const LineHandler& handle, const std::stop_token& stop) {
  std::ios::sync_with_stdio(false);
  return run_jsonl(std::cin, std::cout, handle, stop);
}

}  // namespace afina::app
