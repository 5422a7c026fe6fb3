// SPDX-License-Identifier: Apache-2.0
#include "storage/pg_connection.h"

#include <libpq-fe.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "storage/pg_errors.h"

namespace afina::storage {
namespace {

bool is_good(const PGresult* rows) {
  const ExecStatusType status = PQresultStatus(rows);
  return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

// A statement that is on its way, and what came of it.
struct Asked {
  uint64_t number = 0;
  std::string sql;
  bool wanted = true;
  std::optional<RawRows> rows;
  std::exception_ptr error;
};

}  // namespace

RawRows::RawRows(pg_result* rows) : rows_(rows), size_(static_cast<size_t>(PQntuples(rows))) {}

void RawRows::Clear::operator()(pg_result* rows) const {
  PQclear(rows);
}

std::string_view RawRows::cell(size_t row, size_t column) const {
  const int r = static_cast<int>(row), c = static_cast<int>(column);
  const int bytes = PQgetlength(rows_.get(), r, c);
  if (bytes == 0 && PQgetisnull(rows_.get(), r, c) == 1) return {};
  return {PQgetvalue(rows_.get(), r, c), static_cast<size_t>(bytes)};
}

struct PgConnection::Impl {
  struct Finish {
    void operator()(PGconn* c) const { PQfinish(c); }
  };
  std::unique_ptr<PGconn, Finish> link;
  std::map<std::string, std::string, std::less<>> prepared;  ///< SQL to its name
  std::deque<Asked> on_the_way, landed;                      ///< in the order they were asked
  uint64_t last_number = 0;

  PGconn* get() const { return link.get(); }
  bool pipelined() const { return PQpipelineStatus(get()) != PQ_PIPELINE_OFF; }
};

PgConnection::PgConnection(const std::string& url) : impl_(std::make_unique<Impl>()) {
  impl_->link.reset(PQconnectdb(url.c_str()));
  if (PQstatus(impl_->get()) == CONNECTION_OK) {
    PQsetNoticeProcessor(
        impl_->get(), [](void*, const char*) {}, nullptr);
    return;
  }
  const std::string said = first_line(PQerrorMessage(impl_->get()));
  const bool refused = said.find("authentication") != std::string::npos || said.ends_with("does not exist");
  throw StorageError(cat("[storage] PostgreSQL must be reachable, but ", said, "."),
                     "check the address, or leave DATABASE_URL unset for a private cluster", !refused, "08001");
}

PgConnection::~PgConnection() = default;

void PgConnection::lost(const std::string& what) {
  broken_ = failed_ = true;
  throw StorageError(cat("[storage] PostgreSQL must stay connected, but ", first_line(what), "."), "try again", true,
                     "08006");
}

void PgConnection::require_open() {
  if (broken_) lost("the connection was lost before");
}

// Owns `rows` from the start. A server that shuts down says so and hangs up: the state decides what the caller may do,
// the socket what we may.
RawRows PgConnection::checked(pg_result* result, std::string_view sql) {
  if (result == nullptr) lost(PQerrorMessage(impl_->get()));
  RawRows rows(result);
  if (is_good(result)) return rows;
  const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string state = field == nullptr ? "" : field;
  failed_ = true;
  broken_ = PQstatus(impl_->get()) != CONNECTION_OK || state.empty() || state.starts_with("57P");
  if (state.empty() || state.starts_with("08")) lost(PQresultErrorMessage(result));
  throw_sqlstate(state, PQresultErrorMessage(result), sql);
}

Result PgConnection::exec(std::string_view sql, const Params& params) {
  require_open();
  settle(true);
  PGconn* const link = impl_->get();
  auto found = impl_->prepared.find(sql);
  if (found == impl_->prepared.end()) {
    const std::string text(sql), name = cat("s", impl_->prepared.size());
    checked(PQprepare(link, name.c_str(), text.c_str(), 0, nullptr), sql);
    found = impl_->prepared.emplace(text, name).first;
  }
  std::vector<const char*> values;
  values.reserve(params.values().size());
  for (const auto& value : params.values())
    values.push_back(value ? value->c_str() : nullptr);
  PGresult* const result =
      PQexecPrepared(link, found->second.c_str(), static_cast<int>(values.size()), values.data(), nullptr, nullptr, 0);
  const RawRows rows = checked(result, sql);
  std::vector<std::string> columns;
  for (int c = 0; c < PQnfields(result); ++c)
    columns.emplace_back(PQfname(result, c));
  std::vector<std::optional<std::string>> cells;
  cells.reserve(rows.size() * columns.size());
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t c = 0; c < columns.size(); ++c) {
      const std::string_view cell = rows.cell(r, c);
      cells.emplace_back(cell.data() == nullptr ? std::nullopt : std::optional<std::string>(cell));
    }
  }
  const std::string touched = PQcmdTuples(result);
  return Result(std::move(columns), std::move(cells), rows.size(), touched.empty() ? 0 : std::stoull(touched));
}

void PgConnection::script(const std::string& sql) {
  require_open();
  const bool giving_up = sql == "ROLLBACK";
  settle(!giving_up);
  checked(PQexec(impl_->get(), sql.c_str()), sql);
  if (!giving_up && !sql.starts_with("BEGIN")) return;
  failed_ = false;
  impl_->landed.clear();
}

uint64_t PgConnection::ask(const std::string& sql, bool binary) {
  require_open();
  PGconn* const link = impl_->get();
  const bool sent = (impl_->pipelined() || PQenterPipelineMode(link) == 1) &&
                    PQsendQueryParams(link, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, binary ? 1 : 0) == 1 &&
                    // A sync for each: the server counts as idle between them, as its time limits want it.
                    PQpipelineSync(link) == 1;
  if (!sent) lost(PQerrorMessage(link));
  impl_->on_the_way.push_back({.number = ++impl_->last_number, .sql = sql});
  return impl_->last_number;
}

// Reads the oldest answer that is on its way.
void PgConnection::land() {
  Asked asked = std::move(impl_->on_the_way.front());
  impl_->on_the_way.pop_front();
  PGconn* const link = impl_->get();
  try {
    asked.rows = checked(PQgetResult(link), asked.sql);
  } catch (...) {
    asked.error = std::current_exception();
  }
  // The end of the statement, then that of its sync.
  for (int nulls = 0; !broken_ && nulls < 2;) {
    PGresult* const rest = PQgetResult(link);
    nulls = rest == nullptr ? nulls + 1 : 0;
    const bool synced = PQresultStatus(rest) == PGRES_PIPELINE_SYNC;
    PQclear(rest);
    if (synced) break;
    if (PQstatus(link) != CONNECTION_OK) broken_ = failed_ = true;
  }
  if (!asked.wanted && !asked.error) return;
  impl_->landed.push_back(std::move(asked));
}

void PgConnection::settle(bool throw_errors) {
  if (!impl_->pipelined()) return;
  while (!impl_->on_the_way.empty() && !broken_)
    land();
  if (broken_) lost("the server ended the connection");
  if (PQexitPipelineMode(impl_->get()) != 1) lost(PQerrorMessage(impl_->get()));
  if (!throw_errors) return;
  for (const Asked& asked : impl_->landed)
    if (asked.error) std::rethrow_exception(asked.error);
}

RawRows PgConnection::answer(uint64_t number) {
  for (;;) {
    const auto found = std::ranges::find(impl_->landed, number, &Asked::number);
    if (found != impl_->landed.end()) {
      Asked asked = std::move(*found);
      impl_->landed.erase(found);
      if (asked.error) std::rethrow_exception(asked.error);
      return std::move(*asked.rows);
    }
    require_open();
    AFINA_CHECK(!impl_->on_the_way.empty(), "an answer must have been asked for");
    land();
  }
}

void PgConnection::forget(uint64_t number) noexcept {
  for (Asked& asked : impl_->on_the_way)
    if (asked.number == number) asked.wanted = false;
  std::erase_if(impl_->landed, [&](const Asked& asked) { return asked.number == number && !asked.error; });
}

void PgConnection::take_in() {
  // What fails here fails again, with its reason, where the answer is read.
  if (!broken_ && !impl_->on_the_way.empty()) PQconsumeInput(impl_->get());
}

}  // namespace afina::storage
