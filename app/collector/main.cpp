// SPDX-License-Identifier: Apache-2.0
// `afina-collector`: the page where people chat, compare and vote, and its API.
#include <CLI/CLI.hpp>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "base/cancel.h"
#include "base/cat.h"
#include "base/error.h"
#include "base/log.h"
#include "collector/collector.h"

namespace {

struct Flags {
  std::string config_file, database, home;
  std::vector<std::string> upstreams, settings;
  std::string host;
  int port = -1, wait_for_database_s = 60;
};

void add_flags(CLI::App& app, Flags& flags) {
  app.add_option("--upstream", flags.upstreams,
                 "NAME=URL[,model=…][,temperature=…][,api_key_env=…]…: a model behind an OpenAI-compatible server; "
                 "may be given several times");
  app.add_option("--config", flags.config_file, "JSON file with the settings below and a list \"upstreams\"");
  app.add_option("--host", flags.host, "address to listen on (default 127.0.0.1)");
  app.add_option("--port", flags.port, "port; 0 takes a free one (default 8080)")->check(CLI::Range(0, 65535));
  app.add_option("--database", flags.database, "PostgreSQL URL (default: $DATABASE_URL, else a private cluster)");
  app.add_option("--home", flags.home,
                 "folder of the private cluster (default: $AFINA_HOME, else as base/home.h says)");
  app.add_option("--wait-for-database", flags.wait_for_database_s,
                 "seconds for which a database that does not answer is tried again at the start (default 60)")
      ->check(CLI::Range(0, 86'400));
  app.add_option("--set", flags.settings, "key=value for any setting");
  app.set_version_flag("--version", "afina-collector 0.8.0");
  app.footer(afina::cat("Settings:\n", afina::config_help<afina::collector::CollectorConfig>(), "Of an upstream:\n",
                        afina::config_help<afina::collector::UpstreamConfig>(),
                        "Example: afina-collector --upstream base=http://127.0.0.1:8090"));
}

afina::collector::CollectorConfig read_config(const Flags& flags) {
  afina::collector::CollectorConfig config;
  if (!flags.config_file.empty()) afina::collector::read_config_file(config, flags.config_file);
  for (const std::string& text : flags.upstreams)
    config.upstreams.push_back(afina::collector::parse_upstream_flag(text));
  for (const std::string& setting : flags.settings)
    afina::set_field_from_text(config, setting, "--set");
  if (!flags.host.empty()) config.host = flags.host;
  if (flags.port >= 0) config.port = flags.port;
  afina::collector::validate(config);
  return config;
}

afina::storage::DatabaseTarget target_of(const Flags& flags) {
  if (!flags.home.empty()) {
    if (!flags.database.empty()) throw afina::UsageError("[--home] must not be given with --database, but is.");
    return {.kind = afina::storage::DatabaseTarget::Kind::home, .home = std::filesystem::absolute(flags.home)};
  }
  return afina::storage::database_target(flags.database.empty() ? std::nullopt : std::optional(flags.database));
}

void wait_for(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait(lock, stop, [] { return false; });
}

int run(const Flags& flags) {
  const std::stop_token stop = afina::stop_on_signals();
  const afina::collector::CollectorConfig config = read_config(flags);
  afina::storage::DatabaseOptions options;
  options.role = afina::storage::kWebRole;
  // A site that strangers reach must have the second fence; a server of one's own may not let the login switch roles.
  options.role_required = !config.public_hosts.empty();
  // Requests name their workspace; what runs beside them (batched votes, answers being written, webhooks) serves all.
  options.workspace = afina::storage::kEveryWorkspace;
  options.patience = std::chrono::seconds(flags.wait_for_database_s);
  options.stop = stop;
  const auto database = afina::storage::Database::open(target_of(flags), options);
  afina::collector::Collector collector(config, *database);
  collector.start();
  // The one line of stdout: scripts read it.
  std::printf("%s\n", collector.address().c_str());
  std::fflush(stdout);
  wait_for(stop);
  afina::log_info("collector", "stopping: answers being written are kept as interrupted");
  collector.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Afina's collector: a page where people chat with models, compare two blind answers and vote.",
               "afina-collector"};
  Flags flags;
  add_flags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : afina::exit_code(afina::ErrorKind::usage);
  }
  try {
    return run(flags);
  } catch (const std::exception& error) {
    return afina::report_exception(error);
  }
}
