// SPDX-License-Identifier: Apache-2.0
// The one door to PostgreSQL: an explicit URL, the private cluster of a home folder, or none. Holds the connection pool
// and runs transactions whole: retried on serialisation failures and deadlocks, repeated once on a new connection where
// a commit is in doubt. No libpq type is seen here; SQL lives in this room only. Rules: docs/data_model.md.
#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"

namespace afina::storage {

class ConnectionPool;
class KeeperLink;
class Transaction;

/// Roles of migration 005: what the collector and the trainer may touch on a real server.
inline constexpr const char* kWebRole = "afina_web";
inline constexpr const char* kTrainerRole = "afina_trainer";

/// For TransactionOptions::workspace: acts that belong to no single workspace, such as looking up a session, a
/// withdrawal by receipt code, and background work.
inline constexpr const char* kEveryWorkspace = "*";

/// While it lives, transactions of this thread that name no workspace act in this one, and where a project is named see
/// that project only (SET LOCAL app.project, schema 017). The collector sets it for each request; a thread that goes on
/// with a request's work sets it again.
class WorkspaceScope {
 public:
  explicit WorkspaceScope(std::string workspace, std::string project = "");
  ~WorkspaceScope();
  WorkspaceScope(const WorkspaceScope&) = delete;
  WorkspaceScope& operator=(const WorkspaceScope&) = delete;
  /// Of this thread now; "" where there is none.
  static const std::string& current();

 private:
  std::string before_, project_before_;
};

/// Where the data is.
struct DatabaseTarget {
  enum class Kind { url, home, none };
  Kind kind = Kind::home;
  std::string url;             ///< kind url: anything libpq takes
  std::filesystem::path home;  ///< kind home: the folder whose private cluster is used
};

/// --database where given, else DATABASE_URL where set, else the private cluster of base/home.h's folder. "none" in
/// either gives kind none. Reads the environment: for main only.
DatabaseTarget database_target(const std::optional<std::string>& database_option);

struct DatabaseOptions {
  int max_connections = 8;                    ///< of this process
  std::chrono::milliseconds pool_wait{1500};  ///< for a free connection; then StorageError, retryable
  std::chrono::milliseconds statement_timeout{30'000};
  std::chrono::milliseconds lock_timeout{5'000};
  bool migrate = true;        ///< bring the schema up to date; false: refuse an old one too
  std::string role;           ///< SET ROLE of every connection: kWebRole, kTrainerRole; empty: whoever the URL names
  bool role_required = true;  ///< false: where that role cannot be taken, a warning and whoever the URL names
  /// Of transactions that name no workspace, in threads without a WorkspaceScope. Empty: under kWebRole they see no row
  /// that belongs to a workspace.
  std::string workspace;
  /// For how long open() tries again where PostgreSQL does not answer, or says that it starts or stops: a machine that
  /// boots starts both at once. Wrong names and passphrases are told at once. 0: one try.
  std::chrono::milliseconds patience{0};
  std::stop_token stop;                             ///< ends that wait: open() then throws what it met last
  bool announce = true;                             ///< one log line: which database and where its files are
  std::chrono::milliseconds keeper_linger{30'000};  ///< private cluster: it stops so long after its last client
  /// Private cluster: the command that runs the keeper, to which "--home H --linger-ms N" is added. Empty: `afina db
  /// keep` of the `afina` beside the running program.
  std::vector<std::string> keeper_command;
};

enum class Isolation { read_committed, repeatable_read, serializable };

struct TransactionOptions {
  Isolation isolation = Isolation::read_committed;
  bool read_only = false;
  /// The function may run again after a commit whose outcome is unknown: true for reads and for writes whose ids or
  /// idempotency keys were made before the call, which is how every store of this room is meant to be used. False: such
  /// a commit throws StorageError at once.
  bool repeatable = true;
  int max_tries = 8;  ///< on 40001 and 40P01
  /// For short statements by keys that run thousands of times a second: PostgreSQL then plans each once a connection
  /// instead of anew for every list of ids, which takes it longer than running it.
  bool generic_plans = false;
  /// SET LOCAL app.workspace, which row-level security (schema 013) asks for: an id or kEveryWorkspace. Empty: that of
  /// the thread's WorkspaceScope, else DatabaseOptions::workspace.
  std::string workspace;
};

/// An open database. Thread-safe; outlives every transaction. Moves are not needed: hold it by unique_ptr.
class Database {
 public:
  /// Connects, starts the private cluster where it is not running, and migrates. Throws UsageError for kind none,
  /// StorageError where PostgreSQL cannot be reached within the options' patience, Conflict for a schema that is newer
  /// than this program or altered.
  static std::unique_ptr<Database> open(const DatabaseTarget& target, const DatabaseOptions& options = {});
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs fn(Transaction&) in one transaction and commits before it returns. fn may run more than once, so it must
  /// touch nothing but the transaction and its own result. Whatever fn throws rolls back.
  template <typename F>
  auto transaction(F&& fn, const TransactionOptions& options = {}) -> std::invoke_result_t<F&, Transaction&> {
    using R = std::invoke_result_t<F&, Transaction&>;
    if constexpr (std::is_void_v<R>) {
      auto call = [&](Transaction& t) { fn(t); };
      run({[](void* f, Transaction& t) { (*static_cast<decltype(call)*>(f))(t); }, &call}, options);
    } else {
      std::optional<R> result;
      auto keep = [&](Transaction& t) { result.emplace(fn(t)); };
      run({[](void* f, Transaction& t) { (*static_cast<decltype(keep)*>(f))(t); }, &keep}, options);
      return std::move(*result);
    }
  }
  /// As transaction, read-only.
  template <typename F>
  auto read(F&& fn) {
    return transaction(std::forward<F>(fn), {.read_only = true});
  }

  /// "private PostgreSQL of /home/ana/.local/share/afina" or "PostgreSQL at db.example/afina": no password.
  std::string describe() const;
  /// A connection string for psql; of a private cluster it works only while somebody keeps the cluster up.
  std::string url() const;
  /// Where the cluster's files are; empty for an explicit URL.
  const std::filesystem::path& data_folder() const { return data_folder_; }
  /// The schema's version after opening.
  int schema_version() const { return schema_version_; }

 private:
  struct Body {  // a function reference without an allocation or a template in the .cpp
    void (*call)(void*, Transaction&);
    void* fn;
  };
  Database() = default;
  static std::unique_ptr<Database> open_once(const DatabaseTarget& target, const DatabaseOptions& options);
  void run(Body body, const TransactionOptions& options);

  std::string url_;        ///< of an explicit target
  std::string workspace_;  ///< DatabaseOptions::workspace
  std::filesystem::path data_folder_;
  std::filesystem::path home_;
  int schema_version_ = 0;
  std::unique_ptr<KeeperLink> keeper_;
  std::unique_ptr<ConnectionPool> pool_;
};

}  // namespace afina::storage
