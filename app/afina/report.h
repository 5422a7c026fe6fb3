// SPDX-License-Identifier: Apache-2.0
// How verbs speak: tables for people and JSON for machines on stdout, and the database that --database names. Not for
// logs.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "app/afina/verbs.h"
#include "base/json.h"
#include "storage/database.h"
#include "storage/types.h"

namespace afina::app {

/// Columns as wide as their widest cell, counted in code points; cells of control characters are made harmless.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  /// A row may be shorter than the header.
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// Writes to stdout. Throws StorageError where stdout is closed or full.
void print(const std::string& text);
/// One line, or indented.
void print_json(const OrderedJson& value, int indent = -1);

/// Opens what --database, DATABASE_URL or the home folder say.
std::unique_ptr<storage::Database> open_database(const Context& context);

/// The id of the workspace with that name or id. verb: named in the error. Throws NotFound.
std::string workspace_named(storage::Database& database, const std::string& name, const char* verb);

/// "2026-11-21 12:00" (UTC); "-" for nothing.
std::string short_time(storage::Time time);
/// At most six significant digits.
std::string short_number(double value);

}  // namespace afina::app
