// SPDX-License-Identifier: Apache-2.0
// `afina db keep|status|migrate|url|backup`: the database itself.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "app/afina/verbs.h"
#include "base/error.h"
#include "base/file.h"
#include "base/home.h"
#include "base/json.h"
#include "storage/child_process.h"
#include "storage/cluster_paths.h"
#include "storage/database.h"
#include "storage/keeper.h"
#include "storage/keeper_link.h"
#include "storage/migrations.h"
#include "storage/pg_connection.h"

namespace afina::app {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::optional<std::string> home;
  std::string file;
  int64_t linger_ms = -1;
  int ready_fd = -1;
  bool json = false;
};

fs::path home_of(const Options& options) {
  return options.home ? fs::absolute(*options.home).lexically_normal() : find_home(home_inputs_from_environment());
}

storage::DatabaseTarget target_of(const Context& context, const Options& options) {
  if (options.home) return {storage::DatabaseTarget::Kind::home, "", home_of(options)};
  return storage::database_target(context.database);
}

int keep(const Context& context, const Options& options) {
  return storage::run_keeper({home_of(options), std::chrono::milliseconds(options.linger_ms), options.ready_fd},
                             context.stop);
}

// Says what is there and starts nothing.
int status(const Context& context, const Options& options) {
  const storage::DatabaseTarget target = target_of(context, options);
  OrderedJson out;
  std::string url = target.url;
  if (target.kind == storage::DatabaseTarget::Kind::none) {
    out["database"] = "none";
  } else if (target.kind == storage::DatabaseTarget::Kind::home) {
    const storage::ClusterPaths paths = storage::cluster_paths(storage::cluster_path_inputs(target.home));
    storage::ClusterAddress address;
    const bool up = storage::ask_keeper(target.home, address);
    out["database"] = "private PostgreSQL";
    out["home"] = paths.home.string();
    out["files"] = paths.data.string();
    out["log"] = paths.log.string();
    out["state"] = up                       ? "running"
                   : fs::exists(paths.data) ? "stopped: starts with the first program that needs it"
                                            : "not made yet";
    if (up) out["keeper_pid"] = address.keeper_pid;
    if (up) out["postgres_pid"] = address.postgres_pid;
    url = address.url;
  } else {
    out["database"] = "PostgreSQL of the given address";
  }
  if (!url.empty()) {
    storage::PgConnection connection(url);
    const auto applied = storage::applied_migrations(connection);
    out["server"] = connection.exec("SELECT current_setting('server_version') AS v").one().text("v");
    out["schema_version"] = applied.empty() ? 0 : applied.back().version;
  }
  out["schema_version_of_this_program"] = storage::embedded_migrations().size();
  if (options.json) {
    std::printf("%s\n", dump_json(out).c_str());
    return 0;
  }
  for (const auto& [key, value] : out.items()) {
    std::printf("%-31s %s\n", key.c_str(), (value.is_string() ? value.get<std::string>() : value.dump()).c_str());
  }
  return 0;
}

int migrate(const Context& context, const Options& options) {
  const auto database = storage::Database::open(target_of(context, options));
  std::printf("%s: schema version %d\n", database->describe().c_str(), database->schema_version());
  return 0;
}

int url(const Context& context, const Options& options) {
  storage::DatabaseOptions open;
  open.announce = false;
  std::printf("%s\n", storage::Database::open(target_of(context, options), open)->url().c_str());
  return 0;
}

// pg_dump's own format, whole or not at all.
int backup(const Context& context, const Options& options) {
  const auto database = storage::Database::open(target_of(context, options));
  const fs::path file = fs::absolute(options.file);
  if (fs::exists(file)) throw Conflict(cat("[db] ", file.string(), " must be a new file, but exists."));
  const fs::path unfinished = file.string() + ".part";
  storage::ChildOptions child;
  child.command = {storage::find_postgres() / "pg_dump", "--format=custom", "--file", unfinished, database->url()};
  child.output = STDERR_FILENO;
  const int ended = storage::wait_child(storage::start_child(child));
  if (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0) {
    fs::remove(unfinished);
    throw StorageError(cat("[db] pg_dump must write ", file.string(), ", but failed."));
  }
  sync_path(unfinished);
  fs::rename(unfinished, file);
  sync_path(file.parent_path());
  std::printf("%s: %ju bytes; restore with: pg_restore --clean --if-exists --dbname \"$(afina db url)\" %s\n",
              file.c_str(), static_cast<uintmax_t>(fs::file_size(file)), file.c_str());
  return 0;
}

}  // namespace

void add_db(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* db = app.add_subcommand("db", "The database: where it is, its schema, a backup");
  db->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, int (*verb)(const Context&, const Options&)) {
    CLI::App* sub = db->add_subcommand(name, help);
    sub->add_option("--home", options->home,
                    "folder of a private cluster (default: $AFINA_HOME, else as afina finds it)");
    sub->callback(
        [&context, options, verb] { context.run = [&context, options, verb] { return verb(context, *options); }; });
    return sub;
  };
  CLI::App* keep_verb = add("keep", "Run the private PostgreSQL of a home folder until it is stopped", keep);
  keep_verb->add_option("--linger-ms", options->linger_ms, "stop so long after the last program has gone; -1: never");
  keep_verb->add_option("--ready-fd", options->ready_fd)->group("");
  add("status", "What is there; starts nothing", status)->add_flag("--json", options->json, "for machines");
  add("migrate", "Bring the schema up to date", migrate);
  add("url", "Print the address, as for: psql \"$(afina db url)\"", url);
  add("backup", "Write everything into one new file (pg_dump)", backup)
      ->add_option("file", options->file, "file to write")
      ->required();
}

}  // namespace afina::app
