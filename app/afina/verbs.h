// SPDX-License-Identifier: Apache-2.0
// The verbs of the `afina` command. Each has one file of its name (those that train share
// train.cpp), which adds its subcommand and runs it.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

namespace afina::app {

/// What every verb gets. `run` is set by the chosen verb's callback and executed by main after parsing, so that errors
/// are reported in one place.
struct Context {
  std::stop_token stop;                 ///< tripped by Ctrl-C and SIGTERM
  std::optional<std::string> database;  ///< --database: a URL, or "none"; unset: DATABASE_URL, else the private cluster
  std::function<int()> run;
};

void add_generate(CLI::App& app, Context& context);
void add_serve(CLI::App& app, Context& context);
void add_compose(CLI::App& app, Context& context);
void add_export(CLI::App& app, Context& context);
void add_export_data(CLI::App& app, Context& context);
void add_import(CLI::App& app, Context& context);
void add_inspect(CLI::App& app, Context& context);
void add_merge(CLI::App& app, Context& context);
void add_quantize(CLI::App& app, Context& context);
void add_score(CLI::App& app, Context& context);
void add_tokenize(CLI::App& app, Context& context);
void add_detokenize(CLI::App& app, Context& context);
void add_render(CLI::App& app, Context& context);
void add_fertility(CLI::App& app, Context& context);
/// sft, dpo, kto, bco, cpo, orpo, reward.
void add_training(CLI::App& app, Context& context);
void add_snapshot(CLI::App& app, Context& context);
void add_runs(CLI::App& app, Context& context);
void add_adapters(CLI::App& app, Context& context);
void add_demo(CLI::App& app, Context& context);
void add_db(CLI::App& app, Context& context);
void add_accounts(CLI::App& app, Context& context);
void add_audit(CLI::App& app, Context& context);

}  // namespace afina::app
