// SPDX-License-Identifier: Apache-2.0
// `afina accounts create-admin|list|disable|enable|workspaces`: the first admin of a workspace, and closing an account
// from the server's own side. No passphrase passes here: people choose theirs when they join.
#include "storage/accounts/accounts.h"

#include <cstdio>

#include "app/afina/verbs.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "storage/accounts/operator.h"
#include "storage/database.h"

namespace afina::app {
namespace {

struct Options {
  std::string name, workspace = "public", url;
  bool json = false;
};

std::unique_ptr<storage::Database> open(const Context& context) {
  storage::DatabaseOptions options;
  options.announce = false;
  return storage::Database::open(storage::database_target(context.database), options);
}

int create_admin(const Context& context, const Options& options) {
  const auto database = open(context);
  const storage::AdminInvitation made = storage::invite_admin(*database, options.name, options.workspace);
  const std::string link = cat(options.url, "/join#", made.token);
  std::fprintf(stderr, "In %s.\n", database->describe().c_str());
  if (options.url.empty()) {
    std::fprintf(stderr, "Put the page's address before this path, or name it: --url https://afina.example\n");
  }
  if (options.json) {
    std::printf("%s\n", dump_json(Json{{"workspace", made.workspace_id},
                                       {"name", options.name},
                                       {"link", link},
                                       {"expires_at", iso8601_utc(made.expires_at)}})
                            .c_str());
    return 0;
  }
  std::printf("%s\n", link.c_str());
  std::fprintf(stderr, "One use, until %s: %s joins \"%s\" as admin and chooses a passphrase there.\n",
               iso8601_utc(made.expires_at).c_str(), options.name.c_str(), options.workspace.c_str());
  return 0;
}

int list(const Context& context, const Options& options) {
  const auto database = open(context);
  for (const storage::Member& m : storage::all_members(*database)) {
    const std::string_view state = m.active ? "active" : "disabled";
    if (options.json) {
      std::printf("%s\n", dump_json(Json{{"id", m.account.id},
                                         {"name", m.account.name},
                                         {"workspace", m.workspace_name},
                                         {"role", to_string(m.role)},
                                         {"status", state},
                                         {"since", iso8601_utc(m.since)}})
                              .c_str());
      continue;
    }
    std::printf("%-30s  %-9s  %-8s  %s\n", m.account.name.c_str(), std::string(to_string(m.role)).c_str(),
                std::string(state).c_str(), m.workspace_name.c_str());
  }
  return 0;
}

int set_active(const Context& context, const Options& options, bool active) {
  const auto database = open(context);
  storage::operator_sets_active(*database, options.name, active);
  std::printf("%s is %s\n", options.name.c_str(),
              active ? "active" : "disabled; every session and token of it is dead");
  return 0;
}

int workspaces(const Context& context, const Options& options) {
  const auto database = open(context);
  for (const auto& w : database->read([](storage::Transaction& t) { return storage::workspaces(t); })) {
    if (options.json) {
      std::printf("%s\n", dump_json(Json{{"id", w.id}, {"name", w.name}}).c_str());
    } else {
      std::printf("%s  %s\n", w.id.c_str(), w.name.c_str());
    }
  }
  return 0;
}

}  // namespace

void add_accounts(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* accounts = app.add_subcommand("accounts", "Accounts of the collector: the first admin, who there is");
  accounts->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, std::function<int(const Context&, const Options&)> verb) {
    CLI::App* sub = accounts->add_subcommand(name, help);
    sub->callback(
        [&context, options, verb] { context.run = [&context, options, verb] { return verb(context, *options); }; });
    return sub;
  };
  CLI::App* create =
      add("create-admin", "Invite an admin: prints a link that works once, within 72 hours", create_admin);
  create->add_option("--name", options->name, "sign-in name, a pseudonym; only this name may join")->required();
  create->add_option("--workspace", options->workspace, "workspace of that name, made where there is none")
      ->capture_default_str();
  create->add_option("--url", options->url, "where people reach the page, such as https://afina.example");
  create->add_flag("--json", options->json, "for machines");
  add("list", "Members of every workspace", list)->add_flag("--json", options->json, "for machines");
  add("disable", "Close an account in every workspace, at once",
      [](const Context& c, const Options& o) { return set_active(c, o, false); })
      ->add_option("name", options->name, "sign-in name")
      ->required();
  add("enable", "Open it again", [](const Context& c, const Options& o) { return set_active(c, o, true); })
      ->add_option("name", options->name, "sign-in name")
      ->required();
  add("workspaces", "Workspaces and their ids", workspaces)->add_flag("--json", options->json, "for machines");
}

}  // namespace afina::app
