// SPDX-License-Identifier: Apache-2.0
#include "storage/pg_connection.h"

#include <map>
#include <optional>
#include <pqxx/pqxx>
#include <utility>

#include "base/error.h"

namespace afina::storage {
namespace {

// The first line of the server's message without its level: later lines may hold people's text.
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

std::string detail_line(const std::string& message) {
  const size_t at = message.find("DETAIL:");
  if (at == std::string::npos) return "";
  const std::string rest = message.substr(at + 8);
  return cat(" ", rest.substr(0, rest.find('\n')));
}

bool starts_with(const std::string& text, const char* head) {
  return text.rfind(head, 0) == 0;
}

class PqxxRows final : public RawRows {
 public:
  explicit PqxxRows(pqxx::result rows) : rows_(std::move(rows)), size_(static_cast<size_t>(rows_.size())) {}
  size_t size() const override { return size_; }
  std::string_view cell(size_t row, size_t column) const override {
    const auto field = rows_[static_cast<pqxx::result::size_type>(row)][static_cast<pqxx::row::size_type>(column)];
    return field.is_null() ? std::string_view() : std::string_view(field.c_str(), field.size());
  }

 private:
  pqxx::result rows_;
  size_t size_;
};

}  // namespace

void throw_sqlstate(const std::string& sqlstate, const std::string& message, std::string_view sql) {
  const std::string said = cat(first_line(message), " (SQLSTATE ", sqlstate, ")");
  if (sqlstate == "23505") throw Conflict(cat("[storage] a row must be unique, but ", said, ".", detail_line(message)));
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

struct PgConnection::Impl {
  explicit Impl(const std::string& url) : connection(url), session(connection) {}
  pqxx::connection connection;
  pqxx::nontransaction session;
  std::map<std::string, std::string, std::less<>> prepared;  ///< SQL to its name

  pqxx::result exec(const std::string& name, const std::vector<std::optional<std::string>>& values) {
#if PQXX_VERSION_MAJOR >= 7
    pqxx::params params;
    for (const auto& value : values) {
      value ? params.append(*value) : params.append();
    }
    return session.exec_prepared(name, params);
#else
    std::vector<const char*> pointers;
    for (const auto& value : values) {
      pointers.push_back(value ? value->c_str() : nullptr);
    }
    return session.exec_prepared(name, pqxx::prepare::make_dynamic_params(pointers.begin(), pointers.end()));
#endif
  }
};

template <typename F>
auto PgConnection::guarded(std::string_view sql, F&& fn) {
  const auto lost = [&](const char* what) {
    broken_ = true;
    throw StorageError(cat("[storage] PostgreSQL must stay connected, but ", first_line(what), "."), "try again", true,
                       "08006");
  };
  const bool failed_before = std::exchange(failed_, true);
  try {
    if (broken_) lost("the connection was lost before");
    auto result = fn();
    failed_ = failed_before;
    return result;
  } catch (const pqxx::serialization_failure& error) {  // no sql_error in 6.x, so it carries no state
    throw_sqlstate("40001", error.what(), sql);
  } catch (const pqxx::deadlock_detected& error) {
    throw_sqlstate("40P01", error.what(), sql);
  } catch (const pqxx::broken_connection& error) {
    lost(error.what());
  } catch (const pqxx::sql_error& error) {
    // A server that shuts down says so and hangs up: the state decides what the caller may do, the socket what we may.
    broken_ = !impl_->connection.is_open() || error.sqlstate().empty() || starts_with(error.sqlstate(), "57P");
    if (error.sqlstate().empty()) lost(error.what());
    throw_sqlstate(error.sqlstate(), error.what(), sql);
  } catch (const pqxx::failure& error) {
    lost(error.what());
  }
  throw InternalError("[storage] unreachable.");
}

PgConnection::PgConnection(const std::string& url) {
  try {
    impl_ = std::make_unique<Impl>(url);
#if PQXX_VERSION_MAJOR < 7
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    // 6.x would reconnect behind our back and lose settings, locks and the open transaction.
    impl_->connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
#endif
  } catch (const std::exception& error) {
    const std::string said = first_line(error.what());
    const bool refused = said.find("authentication") != std::string::npos || said.find("does not exist") == 0;
    throw StorageError(cat("[storage] PostgreSQL must be reachable, but ", said, "."),
                       "check the address, or leave DATABASE_URL unset for a private cluster", !refused, "08001");
  }
}

PgConnection::~PgConnection() = default;

Result PgConnection::exec(std::string_view sql, const Params& params) {
  return guarded(sql, [&] {
    auto found = impl_->prepared.find(sql);
    if (found == impl_->prepared.end()) {
      const std::string name = cat("s", impl_->prepared.size());
      impl_->connection.prepare(name, std::string(sql));
      found = impl_->prepared.emplace(std::string(sql), name).first;
    }
    const pqxx::result result = impl_->exec(found->second, params.values());
    std::vector<std::string> columns;
    for (pqxx::row::size_type c = 0; c < static_cast<pqxx::row::size_type>(result.columns()); ++c) {
      columns.emplace_back(result.column_name(c));
    }
    std::vector<std::optional<std::string>> cells;
    cells.reserve(static_cast<size_t>(result.size()) * columns.size());
    for (pqxx::result::size_type r = 0; r < result.size(); ++r) {
      for (pqxx::row::size_type c = 0; c < static_cast<pqxx::row::size_type>(columns.size()); ++c) {
        const auto field = result[r][c];
        cells.emplace_back(field.is_null() ? std::nullopt : std::optional<std::string>(field.c_str()));
      }
    }
    const size_t rows = static_cast<size_t>(result.size());
    return Result(std::move(columns), std::move(cells), rows, static_cast<size_t>(result.affected_rows()));
  });
}

std::unique_ptr<RawRows> PgConnection::fetch(const std::string& sql) {
  return guarded(sql,
                 [&]() -> std::unique_ptr<RawRows> { return std::make_unique<PqxxRows>(impl_->session.exec(sql)); });
}

void PgConnection::script(const std::string& sql) {
  guarded(sql, [&] {
    impl_->session.exec(sql);
    return 0;
  });
  if (sql == "ROLLBACK" || starts_with(sql, "BEGIN")) failed_ = false;
}

}  // namespace afina::storage
