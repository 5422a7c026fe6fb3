// SPDX-License-Identifier: Apache-2.0
// `afina db keep|status|migrate|url|backup|restore|retention`: the database itself.
#include <cstdio>
#include <filesystem>

#include "app/afina/verbs.h"
#include "base/error.h"
#include "base/home.h"
#include "base/json.h"
#include "storage/cluster_paths.h"
#include "storage/database.h"
#include "storage/events/backup.h"
#include "storage/events/retention.h"
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
  bool apply = false;
  storage::RetentionRules rules;
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
  out["schema_version_of_this_program"] = storage::embedded_migrations().back().version;
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

void print_tables(const std::vector<storage::TableContent>& tables) {
  for (const storage::TableContent& table : tables) {
    std::printf("%-28s %12jd rows  %s\n", table.table.c_str(), static_cast<intmax_t>(table.rows), table.sha256.c_str());
  }
}

int backup(const Context& context, const Options& options) {
  const auto database = storage::Database::open(target_of(context, options));
  const fs::path file = fs::absolute(options.file);
  print_tables(storage::backup_database(database->url(), file));
  std::printf("%s and %s.manifest.json are written; restore them into an empty database with: afina db restore %s\n",
              file.c_str(), file.c_str(), file.c_str());
  return 0;
}

int restore(const Context& context, const Options& options) {
  const auto database = storage::Database::open(target_of(context, options));
  print_tables(storage::restore_database(database->url(), fs::absolute(options.file)));
  std::printf("restored: every table is as it was when the backup was made\n");
  return 0;
}

int retention(const Context& context, const Options& options) {
  const auto database = storage::Database::open(target_of(context, options));
  const Json report = storage::to_json(storage::run_retention(*database, options.rules, options.apply));
  if (options.json) {
    std::printf("%s\n", dump_json(report).c_str());
  } else {
    std::printf("%s: %s\n", options.apply ? "gone for good" : "would go with --apply", dump_json(report).c_str());
  }
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
  add("backup", "Write everything into one new file (pg_dump) and a manifest beside it", backup)
      ->add_option("file", options->file, "file to write")
      ->required();
  add("restore", "Read a backup into an empty database and compare every table with the manifest", restore)
      ->add_option("file", options->file, "file to read; its manifest stands beside it")
      ->required();
  CLI::App* keep_short = add("retention", "Tell what is kept for longer than it should be, and erase it", retention);
  keep_short->add_flag("--apply", options->apply, "erase for good; without it only counts are told");
  keep_short->add_flag("--json", options->json, "for machines");
  keep_short->add_option("--days-withdrawn", options->rules.days_withdrawn,
                         "texts of people who withdrew longer ago; -1: never");
  keep_short->add_option("--days-events", options->rules.days_events, "events of webhooks; -1: for ever");
  keep_short->add_option("--days-sessions", options->rules.days_sessions, "ended sessions; -1: for ever");
}

}  // namespace afina::app
