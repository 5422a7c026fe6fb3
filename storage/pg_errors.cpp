// SPDX-License-Identifier: Apache-2.0
#include "storage/pg_errors.h"

#include "storage/occupied.h"

namespace afina::storage {
namespace {

std::string detail_line(const std::string& message) {
  const size_t at = message.find("DETAIL:");
  if (at == std::string::npos) return "";
  const std::string rest = message.substr(at + 8);
  return cat(" ", rest.substr(0, rest.find('\n')));
}

bool starts_with(const std::string& text, const char* head) {
  return text.rfind(head, 0) == 0;
}

}  // namespace

std::string first_line(const std::string& message) {
  std::string line = message.substr(0, message.find('\n'));
  for (const char* level : {"ERROR:", "FATAL:", "PANIC:"}) {
    const size_t at = line.find(level);
    if (at == std::string::npos) continue;
    line = line.substr(at + 6);
    break;
  }
  line.erase(0, line.find_first_not_of(' ') == std::string::npos ? 0 : line.find_first_not_of(' '));
  return line;
}

void throw_sqlstate(const std::string& sqlstate, const std::string& message, std::string_view sql) {
  const std::string said = cat(first_line(message), " (SQLSTATE ", sqlstate, ")");
  if (sqlstate == "23505") throw Occupied(cat("[storage] a row must be unique, but ", said, ".", detail_line(message)));
  if (sqlstate == "23503") throw NotFound(cat("[storage] a row must refer to an existing one, but ", said, "."));
  if (starts_with(sqlstate, "22") || starts_with(sqlstate, "23")) {
    throw DataError(cat("[storage] values must fit the schema, but ", said, "."));
  }
  if (sqlstate == "40001" || sqlstate == "40P01") {
    throw StorageError(cat("[storage] a transaction must not meet another, but ", said, "."), "try again", true,
                       sqlstate);
  }
  if (sqlstate == "53100") {
    throw StorageError(cat("[storage] the disk must have room, but ", said, "."),
                       "free space on the database's volume; nothing was stored", false, sqlstate);
  }
  if (starts_with(sqlstate, "53") || starts_with(sqlstate, "57P") || sqlstate == "55P03") {
    throw StorageError(cat("[storage] PostgreSQL must take the request, but ", said, "."), "try again", true, sqlstate);
  }
  if (sqlstate == "57014") {
    throw StorageError(cat("[storage] a statement must end within its time limit, but ", said, "."), "", false,
                       sqlstate);
  }
  if (sqlstate == "42501") {
    throw StorageError(cat("[storage] the role must be allowed to do this, but ", said, "."), "", false, sqlstate);
  }
  throw InternalError(cat("[storage] SQL must be accepted, but ", said, " in: ", sql.substr(0, 200)));
}

}  // namespace afina::storage
