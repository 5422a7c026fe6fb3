// SPDX-License-Identifier: Apache-2.0
#include "storage/database.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "base/home.h"
#include "base/log.h"
#include "base/uuid.h"
#include "storage/database_url.h"
#include "storage/keeper_link.h"
#include "storage/migrations.h"
#include "storage/pool.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

std::string session_sql(const DatabaseOptions& options) {
  std::string sql =
      cat("SET client_encoding = 'UTF8'; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; ",
          "SET client_min_messages = warning; SET statement_timeout = ", options.statement_timeout.count(),
          "; SET lock_timeout = ", options.lock_timeout.count(), "; SET idle_in_transaction_session_timeout = 60000");
  if (options.role == kWebRole || options.role == kTrainerRole) sql += cat("; SET ROLE ", options.role);
  return sql;
}

constexpr std::chrono::seconds kLongestPause{4};

std::string& thread_workspace() {
  thread_local std::string workspace;
  return workspace;
}

std::string& thread_project() {
  thread_local std::string project;
  return project;
}

std::string project_sql() {
  const std::string& project = thread_project();
  if (project.empty()) return "";
  if (!is_uuid(project)) {
    throw InternalError(cat("[storage] a project must be named by its id, but got '", project.substr(0, 80), "'."));
  }
  return cat("; SET LOCAL app.project = '", project, "'");
}

// Ids are made of hexadecimal digits and dashes: nothing to escape.
std::string workspace_sql(const std::string& workspace) {
  if (workspace.empty()) return "";
  if (workspace != kEveryWorkspace && !is_uuid(workspace)) {
    throw InternalError(cat("[storage] a workspace must be named by its id, but got '", workspace.substr(0, 80), "'."));
  }
  return cat("; SET LOCAL app.workspace = '", workspace, "'");
}

// Whether this login may act as that role. From version 16 on a member may be one that cannot.
bool may_take(PgConnection& connection, const std::string& role) {
  return connection
             .exec(
                 "SELECT count(*) AS n FROM pg_roles WHERE rolname = $1 AND pg_has_role(current_user, oid, CASE WHEN "
                 "current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END)",
                 Params().text(role))
             .one()
             .integer("n") == 1;
}

std::string begin_sql(const TransactionOptions& options) {
  std::string sql = "BEGIN ISOLATION LEVEL ";
  switch (options.isolation) {
    case Isolation::read_committed:
      sql += "READ COMMITTED";
      break;
    case Isolation::repeatable_read:
      sql += "REPEATABLE READ";
      break;
    case Isolation::serializable:
      sql += "SERIALIZABLE";
      break;
  }
  if (options.read_only) sql += " READ ONLY";
  return options.generic_plans ? sql + "; SET LOCAL plan_cache_mode = force_generic_plan" : sql;
}

// Those that met once must not meet again at the same moment.
void pause_before_retry(int attempt) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const int longest_ms = 2 << std::min(attempt, 6);
  std::this_thread::sleep_for(
      std::chrono::microseconds(std::uniform_int_distribution<int>(0, longest_ms * 1000)(random)));
}

void rollback(ConnectionPool::Lease& lease) noexcept {
  try {
    lease->script("ROLLBACK");
  } catch (...) {
    lease.discard();
  }
}

bool is_serialisation_failure(const StorageError& error) {
  return error.sqlstate() == "40001" || error.sqlstate() == "40P01";
}

}  // namespace

WorkspaceScope::WorkspaceScope(std::string workspace, std::string project)
    : before_(std::exchange(thread_workspace(), std::move(workspace))),
      project_before_(std::exchange(thread_project(), std::move(project))) {}

WorkspaceScope::~WorkspaceScope() {
  thread_workspace() = std::move(before_);
  thread_project() = std::move(project_before_);
}

const std::string& WorkspaceScope::current() {
  return thread_workspace();
}

DatabaseTarget database_target(const std::optional<std::string>& database_option) {
  std::optional<std::string> url = database_option;
  const char* variable = std::getenv("DATABASE_URL");
  if (!url && variable != nullptr && *variable != '\0') url = variable;
  if (url && *url == "none") return {DatabaseTarget::Kind::none, "", {}};
  if (url) return {DatabaseTarget::Kind::url, *url, {}};
  return {DatabaseTarget::Kind::home, "", find_home(home_inputs_from_environment())};
}

std::unique_ptr<Database> Database::open(const DatabaseTarget& target, const DatabaseOptions& options) {
  const auto last_try = std::chrono::steady_clock::now() + options.patience;
  std::mutex mutex;
  std::condition_variable_any never;
  for (std::chrono::milliseconds pause{250};; pause = std::min<std::chrono::milliseconds>(2 * pause, kLongestPause)) {
    try {
      return open_once(target, options);
    } catch (const StorageError& error) {
      const bool away =
          error.retryable() && (error.sqlstate().starts_with("08") || error.sqlstate().starts_with("57P"));
      if (!away || options.stop.stop_requested() || std::chrono::steady_clock::now() >= last_try) throw;
      log_warning("storage", "waiting for the database: ", error.what());
    }
    std::unique_lock lock(mutex);
    never.wait_for(lock, options.stop, pause, [] { return false; });
  }
}

std::unique_ptr<Database> Database::open_once(const DatabaseTarget& target, const DatabaseOptions& options) {
  if (target.kind == DatabaseTarget::Kind::none) {
    throw UsageError("[storage] this must have a database, but --database is none.",
                     "leave --database and DATABASE_URL unset for a private cluster");
  }
  std::unique_ptr<Database> database(new Database());
  Database& d = *database;
  std::function<std::string()> url_of;
  if (target.kind == DatabaseTarget::Kind::home) {
    d.home_ = std::filesystem::absolute(target.home).lexically_normal();
    KeeperLinkOptions link{d.home_, options.keeper_command, options.keeper_linger};
    d.keeper_ = std::make_unique<KeeperLink>(std::move(link));
    d.data_folder_ = d.keeper_->ensure().data_folder;
    url_of = [keeper = d.keeper_.get()] { return keeper->ensure().url; };
  } else {
    d.url_ = with_connection_defaults(target.url);
    url_of = [url = d.url_] { return url; };
  }
  // Whoever opens may migrate; the role is for what comes after.
  PgConnection first(url_of());
  first.script(session_sql({}));
  if (first.exec("SELECT current_setting('server_encoding') AS encoding").one().text("encoding") != "UTF8") {
    throw UsageError("[storage] the database must be encoded in UTF8, but is not.",
                     "createdb --encoding=UTF8 --template=template0 NAME");
  }
  d.schema_version_ = migrate(first, embedded_migrations(), options.migrate);
  ConnectionPool::Options pool;
  pool.max_connections = options.max_connections;
  pool.wait = options.pool_wait;
  DatabaseOptions session = options;
  if (!options.role.empty() && !may_take(first, options.role)) {
    if (options.role_required) {
      const std::string who = first.exec("SELECT quote_ident(current_user) AS who").one().text("who");
      throw UsageError(cat("[storage] the login ", who, " must be allowed to act as ", options.role,
                           ", but is not: row-level security would not hold."),
                       cat("as a superuser of PostgreSQL, before the first start: CREATE ROLE ", options.role,
                           " NOLOGIN; GRANT ", options.role, " TO ", who));
    }
    log_warning("storage", "this login may not act as ", options.role,
                ": its own rights hold, and row-level security may not. Hint: GRANT ", options.role, " TO …");
    session.role.clear();
  }
  d.workspace_ = options.workspace;
  pool.session_sql = session_sql(session);
  d.pool_ = std::make_unique<ConnectionPool>(url_of, pool);
  if (options.announce) {
    log_info("storage", d.describe(), d.data_folder_.empty() ? "" : cat(", files in ", d.data_folder_.string()));
  }
  return database;
}

Database::~Database() = default;

std::string Database::describe() const {
  return keeper_ ? cat("private PostgreSQL of ", home_.string()) : cat("PostgreSQL at ", without_secrets(url_));
}

std::string Database::url() const {
  return keeper_ ? keeper_->ensure().url : url_;
}

void Database::run(Body body, const TransactionOptions& options) {
  const std::string& ambient = thread_workspace().empty() ? workspace_ : thread_workspace();
  const std::string begin =
      begin_sql(options) + workspace_sql(options.workspace.empty() ? ambient : options.workspace) + project_sql();
  int clashes = 0;
  bool lost_before = false;
  for (;;) {
    ConnectionPool::Lease lease = pool_->acquire();
    Transaction transaction(*lease);
    bool committing = false;
    try {
      lease->script(begin);
      body.call(body.fn, transaction);
      AFINA_CHECK(!lease->failed(), "a transaction whose statement failed must end with that error");
      committing = true;
      lease->script("COMMIT");
      return;
    } catch (const StorageError& error) {
      if (!lease->broken()) {
        rollback(lease);
        if (!is_serialisation_failure(error) || ++clashes >= options.max_tries) throw;
      } else {
        pool_->drop_idle();
        // Before COMMIT was sent nothing is stored, and the function may always run again. After it nobody knows.
        if (committing && !options.repeatable) {
          throw StorageError(
              "[storage] a commit must be answered, but the connection was lost: its outcome is unknown.",
              "look before you repeat it", false, "08007");
        }
        if (lost_before) throw;
        lost_before = true;
        continue;
      }
    } catch (...) {
      rollback(lease);
      throw;
    }
    pause_before_retry(clashes);
  }
}

}  // namespace afina::storage
