// SPDX-License-Identifier: Apache-2.0
// `afina export-data`: what people said, as a file.
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "app/afina/report.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "datasets/transfer/export_data.h"
#include "storage/accounts/accounts.h"
#include "storage/sql.h"

namespace afina::app {
namespace {

struct Options {
  datasets::ExportRequest request;
  std::string kind = "judgements", form, since, workspace;
  std::filesystem::path out;
  bool all_workspaces = false, include_revealed = false, json = false;
};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// Written beside its place and renamed, so that a broken export leaves no half file.
datasets::ExportReport write_file(storage::Database& database, const Options& options) {
  std::filesystem::path temporary = options.out;
  temporary += ".tmp-" + random_hex(6);
  const auto fail = [&](const char* what) {
    throw StorageError(
        cat("[", options.out.string(), "] must be writable, but ", what, " got: ", std::strerror(errno), "."));
  };
  try {
    std::unique_ptr<std::FILE, CloseFile> file(std::fopen(temporary.c_str(), "wbxe"));
    if (!file) fail("opening");
    const auto report = datasets::export_data(database, options.request, [&](std::string_view bytes) {
      if (std::fwrite(bytes.data(), 1, bytes.size(), file.get()) != bytes.size()) fail("writing");
      return true;
    });
    if (std::fclose(file.release()) != 0) fail("closing");
    sync_path(temporary);
    std::filesystem::rename(temporary, options.out);
    return report;
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw;
  }
}

storage::Time since_of(const std::string& text) {
  try {
    return storage::since_from_text(text);
  } catch (const Error&) {
    throw UsageError(cat("[export-data] must have a time such as 2026-11-21 as --since, but got \"", text, "\"."));
  }
}

// What organisations keep apart leaves in one file only where somebody says so.
void choose_workspace(storage::Database& database, Options& options) {
  if (!options.workspace.empty()) {
    options.request.filter.workspace_id = workspace_named(database, options.workspace, "export-data");
    return;
  }
  const auto all = database.read([](storage::Transaction& t) { return storage::workspaces(t); });
  if (all.size() > 1 && !options.all_workspaces) {
    throw UsageError(cat("[export-data] must be of one workspace, but there are ", all.size(), "."),
                     "name one with --workspace, or give --all-workspaces");
  }
}

int run(const Context& context, Options options) {
  if (!datasets::from_string(options.kind, options.request.kind))
    throw UsageError(
        cat("[export-data] must have --kind ", datasets::export_kind_words(), ", but got \"", options.kind, "\"."));
  if (options.form.empty()) options.form = options.out.extension() == ".parquet" ? "parquet" : "jsonl";
  if (!datasets::from_string(options.form, options.request.form))
    throw UsageError(cat("[export-data] must have --form jsonl or parquet, but got \"", options.form, "\"."));
  if (!options.since.empty()) options.request.filter.since = since_of(options.since);
  if (std::filesystem::exists(options.out))
    throw Conflict(cat("[", options.out.string(), "] must not exist yet, but does."), "name a new file with --out");
  options.request.blind_only = !options.include_revealed;
  options.request.actor = "command line";
  const auto database = open_database(context);
  choose_workspace(*database, options);
  const auto report = write_file(*database, options);
  const OrderedJson left_out(report.left_out);
  if (options.json) {
    print_json({{"file", options.out.string()},
                {"rows", report.rows},
                {"bytes", report.bytes},
                {"sha256", report.sha256},
                {"left_out", left_out}},
               2);
  } else {
    print(
        cat(options.out.string(), ": ", report.rows, " rows, ", report.bytes, " bytes, sha256 ", report.sha256, ".\n"));
    for (const auto& [why, n] : report.left_out)
      print(cat("  left out, ", why, ": ", n, "\n"));
  }
  return 0;
}

}  // namespace

void add_export_data(CLI::App& app, Context& context) {
  const auto options = std::make_shared<Options>();
  auto* verb = app.add_subcommand(
      "export-data", "Write judgements, training rows, conversations, submissions, notes or scores to a file");
  verb->add_option("--kind", options->kind, datasets::export_kind_words())->capture_default_str();
  verb->add_option("--out", options->out, "New file")->required();
  verb->add_option("--form", options->form, "jsonl or parquet (default: from the name of --out)");
  verb->add_option("--purpose", options->request.filter.purpose,
                   "Only of people who allow it: train, review or publish")
      ->check(CLI::IsMember({"train", "review", "publish"}))
      ->capture_default_str();
  verb->add_option("--locale", options->request.filter.locale, "Only conversations in it; es takes es-CL too");
  auto* workspace =
      verb->add_option("--workspace", options->workspace, "Only what belongs to this workspace: its name or id");
  verb->add_flag("--all-workspaces", options->all_workspaces, "Of several workspaces in one file")->excludes(workspace);
  verb->add_option("--project", options->request.filter.project_id, "Only what was said in that task project (id)");
  verb->add_option("--since", options->since, "Only judgements from then on, such as 2026-11-21 (UTC)");
  verb->add_option("--margin-scale", options->request.margin_scale, "m0 of dpo rows, nats; 0 leaves it to the run");
  verb->add_flag("--include-revealed", options->include_revealed, "Also votes cast after the models' names were shown");
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([&context, options] { context.run = [&context, options] { return run(context, *options); }; });
}

}  // namespace afina::app
