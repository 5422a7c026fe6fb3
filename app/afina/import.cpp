// SPDX-License-Identifier: Apache-2.0
// `afina import`: a file of prompts, conversations or judgements into the database.
#include "app/afina/report.h"
#include "base/error.h"
#include "datasets/transfer/import_file.h"
#include "storage/accounts/accounts.h"

namespace afina::app {
namespace {

struct Options {
  datasets::ImportRequest request;
  std::string format;
  std::filesystem::path file;
  bool json = false;
};

int run(const Context& context, Options options) {
  datasets::ImportRequest& request = options.request;
  if (!datasets::from_string(options.format, request.format)) {
    throw UsageError(
        cat("[import] must have --format text, markdown, qa, jsonl, argilla, label_studio, open_assistant, lmsys or "
            "sharegpt, but got \"",
            options.format, "\"."));
  }
  request.about.workspace_id = storage::kPublicWorkspace;
  request.about.actor = "command line";
  if (request.about.source.empty()) request.about.source = options.file.filename().string();
  datasets::ImportFile file{[&] { return datasets::file_source(options.file); }, {}};
  if (options.file.extension() == ".parquet") file.parquet = options.file;
  const auto report = datasets::import_file(*open_database(context), file, request);
  if (options.json) {
    OrderedJson skipped = OrderedJson::array();
    for (const auto& row : report.skipped)
      skipped.push_back({{"line", row.line}, {"why", row.why}});
    print_json({{"id", report.id},
                {"conversations", report.counts.conversations},
                {"answers", report.counts.answers},
                {"judgements", report.counts.judgements},
                {"existing", report.counts.existing},
                {"narrower", report.counts.narrower},
                {"repeated", report.repeated},
                {"receipt_code", report.receipt_code},
                {"skipped_total", report.counts.skipped},
                {"skipped", skipped}},
               2);
    return 0;
  }
  print(cat(options.file.string(), ": ", report.counts.conversations, " conversations, ", report.counts.answers,
            " answers, ", report.counts.judgements, " judgements; ", report.counts.existing, " were there before, ",
            report.counts.skipped, " rows skipped.\n"));
  if (report.counts.narrower > 0)
    print(cat(report.counts.narrower,
              " conversations came with an earlier file whose declaration allows less: they stay under it.\n"));
  for (const auto& row : report.skipped)
    print(cat("  line ", row.line, ": ", row.why, "\n"));
  if (!report.receipt_code.empty()) print(cat("Receipt code, which takes the file back: ", report.receipt_code, "\n"));
  return 0;
}

}  // namespace

void add_import(CLI::App& app, Context& context) {
  const auto options = std::make_shared<Options>();
  options->request.about.purposes = {"train", "review"};
  auto* verb = app.add_subcommand("import", "Bring a file of prompts, conversations or judgements");
  verb->add_option("file", options->file, "File; rows of a .parquet file are read as those of JSON Lines")->required();
  verb->add_option("--format", options->format,
                   "text, markdown, qa, jsonl, argilla, label_studio, open_assistant, lmsys or sharegpt")
      ->required();
  verb->add_option("--licence", options->request.about.licence, "Licence of the data, as you declare it")->required();
  verb->add_option("--declaration", options->request.about.declaration, "On what ground it may be used here")
      ->required();
  verb->add_option("--name", options->request.about.source, "Where it comes from (default: the file's name)");
  verb->add_option("--purpose", options->request.about.purposes, "train, review, publish; may be repeated")
      ->capture_default_str();
  verb->add_option("--locale", options->request.about.locale, "Language of rows that name none, such as es or pt-BR");
  verb->add_option("--rating-max", options->request.parse.rating_max, "Best rating of Argilla and Label Studio")
      ->capture_default_str();
  verb->add_flag("--suggestions", options->request.parse.suggestions, "Also what models suggested in Argilla");
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([&context, options] { context.run = [&context, options] { return run(context, *options); }; });
}

}  // namespace afina::app
