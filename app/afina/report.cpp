// SPDX-License-Identifier: Apache-2.0
#include "app/afina/report.h"

#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "storage/accounts/accounts.h"

namespace afina::app {
namespace {

// Names come from people: an escape sequence in one must not reach the terminal.
std::string harmless(const std::string& cell) {
  std::string out = repair_utf8(cell);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return out;
}

}  // namespace

std::string Table::text() const {
  std::vector<size_t> widths;
  std::vector<std::vector<std::string>> cells;
  for (const auto& row : rows_) {
    auto& line = cells.emplace_back();
    for (size_t i = 0; i < row.size(); ++i) {
      line.push_back(harmless(row[i]));
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], code_points(line[i]).size());
    }
  }
  std::string out;
  for (const auto& line : cells) {
    for (size_t i = 0; i < line.size(); ++i) {
      out += line[i];
      if (i + 1 < line.size()) out.append(widths[i] - code_points(line[i]).size() + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw StorageError("[app] must write to stdout, but could not.");
  }
}

void print_json(const OrderedJson& value, int indent) {
  print(dump_json(value, indent) + "\n");
}

std::unique_ptr<storage::Database> open_database(const Context& context) {
  return storage::Database::open(storage::database_target(context.database));
}

std::string workspace_named(storage::Database& database, const std::string& name, const char* verb) {
  for (const auto& workspace : database.read([](storage::Transaction& t) { return storage::workspaces(t); })) {
    if (workspace.name == name || workspace.id == name) return workspace.id;
  }
  throw NotFound(cat("[", verb, "] must have the name or id of a workspace, but there is no \"", name, "\"."),
                 "`afina accounts workspaces` lists them");
}

std::string short_time(storage::Time time) {
  if (time == storage::Time{}) return "-";
  std::string text = iso8601_utc(time).substr(0, 16);
  text[10] = ' ';
  return text;
}

std::string short_number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.6g", value);
  return buffer;
}

}  // namespace afina::app
