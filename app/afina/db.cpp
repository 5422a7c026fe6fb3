// SPDX-License-Identifier: Apache-2.0
// `afina db keep|status|migrate|url|backup|restore|retention|withdrawals|withdraw`: the database itself.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "app/afina/verbs.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/home.h"
#include "base/json.h"
#include "collector/events/retention_job.h"
#include "storage/cluster_paths.h"
#include "storage/database.h"
#include "storage/database_url.h"
#include "storage/events/backup.h"
#include "storage/events/retention.h"
#include "storage/events/withdrawals.h"
#include "storage/keeper.h"
#include "storage/keeper_link.h"
#include "storage/migrations.h"
#include "storage/pg_connection.h"
#include "storage/transfer/export_filter.h"

namespace afina::app {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::optional<std::string> home;
  std::string file, config_file, since, from;
  std::vector<std::string> visitors;
  int64_t linger_ms = -1;
  int ready_fd = -1;
  bool json = false;
  bool apply = false;
  std::optional<int> days_withdrawn, days_events, days_sessions;
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

/// The address without looking at the schema, which opening would bring up to date; a private cluster runs meanwhile.
class Address {
 public:
  explicit Address(const storage::DatabaseTarget& target) : url_(target.url) {
    if (target.kind == storage::DatabaseTarget::Kind::none) {
      throw UsageError("[db] this must have a database, but --database is none.");
    }
    if (target.kind != storage::DatabaseTarget::Kind::home) return;
    keeper_ = std::make_unique<storage::KeeperLink>(
        storage::KeeperLinkOptions{.home = fs::absolute(target.home).lexically_normal()});
    url_ = keeper_->ensure().url;
  }
  std::string url() const { return storage::with_connection_defaults(url_); }

 private:
  std::string url_;
  std::unique_ptr<storage::KeeperLink> keeper_;
};

int backup(const Context& context, const Options& options) {
  const Address address(target_of(context, options));
  const fs::path file = fs::absolute(options.file);
  print_tables(storage::backup_database(address.url(), file));
  std::printf("%s and %s.manifest.json are written; restore them into an empty database with: afina db restore %s\n",
              file.c_str(), file.c_str(), file.c_str());
  return 0;
}

int restore(const Context& context, const Options& options) {
  const storage::DatabaseTarget target = target_of(context, options);
  const Address address(target);
  print_tables(storage::restore_database(address.url(), fs::absolute(options.file)));
  std::printf("restored: every table is as it was when the backup was made\n");
  storage::PgConnection connection(address.url());
  const int before = storage::applied_migrations(connection).back().version;
  const int after = storage::Database::open(target)->schema_version();
  if (before == after) {
    std::printf("schema version %d, which is this program's\n", after);
  } else {
    std::printf("schema brought from version %d to %d\n", before, after);
  }
  return 0;
}

storage::RetentionRules rules_of(const Options& options) {
  storage::RetentionRules rules;
  if (!options.config_file.empty()) {
    collector::CollectorConfig config;
    collector::read_config_file(config, options.config_file);
    rules = collector::retention_rules(config);
  }
  rules.days_withdrawn = options.days_withdrawn.value_or(rules.days_withdrawn);
  rules.days_events = options.days_events.value_or(rules.days_events);
  rules.days_sessions = options.days_sessions.value_or(rules.days_sessions);
  return rules;
}

int retention(const Context& context, const Options& options) {
  const storage::RetentionRules rules = rules_of(options);
  const auto database = storage::Database::open(target_of(context, options));
  const Json report = storage::to_json(storage::run_retention(*database, rules, options.apply));
  if (options.json) {
    std::printf("%s\n", dump_json(report).c_str());
  } else {
    std::printf("%s: %s\n", options.apply ? "gone for good" : "would go with --apply", dump_json(report).c_str());
    std::printf("days: withdrawn %d, events %d, sessions %d\n", rules.days_withdrawn, rules.days_events,
                rules.days_sessions);
  }
  return 0;
}

int withdrawals(const Context& context, const Options& options) {
  std::optional<storage::Time> since;
  if (!options.since.empty()) since = storage::since_from_text(options.since);
  const Address address(target_of(context, options));
  for (const storage::KnownWithdrawal& one : storage::withdrawals_since(address.url(), since))
    std::printf("%s %s\n", one.visitor_id.c_str(), iso8601_utc(one.at).c_str());
  return 0;
}

/// The first word of every line that is not empty, as `afina db withdrawals` writes them.
std::vector<std::string> visitors_of(const Options& options) {
  std::vector<std::string> ids = options.visitors;
  if (options.from.empty()) return ids;
  std::ifstream file(options.from);
  if (!file) throw NotFound(cat("[db withdraw] ", options.from, " must be readable, but is not."));
  for (std::string line; std::getline(file, line);) {
    const std::string id = line.substr(0, line.find_first_of(" \t\r"));
    if (!id.empty()) ids.push_back(id);
  }
  return ids;
}

int withdraw(const Context& context, const Options& options) {
  const std::vector<std::string> ids = visitors_of(options);
  if (options.visitors.empty() && options.from.empty()) {
    throw UsageError("[db withdraw] must be told who, by ids or --from FILE, but is not.");
  }
  const auto database = storage::Database::open(target_of(context, options));
  size_t done = 0, already = 0, unknown = 0;
  for (const std::string& id : ids) {
    const storage::Rewithdrawal what = storage::withdraw_again(*database, id);
    if (what == storage::Rewithdrawal::done) ++done;
    if (what == storage::Rewithdrawal::already) ++already;
    if (what != storage::Rewithdrawal::unknown) continue;
    ++unknown;
    std::fprintf(stderr, "%s is nobody here\n", id.c_str());
  }
  std::printf("withdrawn: %zu, had withdrawn before: %zu, not in this database: %zu\n", done, already, unknown);
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
  keep_short->add_option("--config", options->config_file,
                         "the collector's file: its three retention_days_* hold (default: 30, 30, 180)");
  keep_short->add_option("--days-withdrawn", options->days_withdrawn,
                         "texts of people who withdrew longer ago; -1: never");
  keep_short->add_option("--days-events", options->days_events, "events of webhooks; -1: for ever");
  keep_short->add_option("--days-sessions", options->days_sessions, "ended sessions; -1: for ever");
  add("withdrawals", "Who took everything back: an id and a time a line, to keep beside backups", withdrawals)
      ->add_option("--since", options->since, "only from then on, such as 2026-11-21 or 2026-11-21T12:00:00Z");
  CLI::App* again =
      add("withdraw", "Take everything of these people back, as their receipt code does; repeatable", withdraw);
  again->add_option("visitor", options->visitors, "ids of visitors");
  again->add_option("--from", options->from, "file of such ids, as `afina db withdrawals` writes it");
}

}  // namespace afina::app
