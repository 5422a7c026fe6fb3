// SPDX-License-Identifier: Apache-2.0
// `afina`: the command line and the worker.
#include <cstdlib>
#include <cstring>

#include "app/afina/verbs.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"

namespace {

void set_log_level_from_environment() {
  const char* level = std::getenv("AFINA_LOG");
  if (level == nullptr) return;
  if (std::strcmp(level, "debug") == 0) afina::set_log_level(afina::LogLevel::debug);
  if (std::strcmp(level, "warning") == 0) afina::set_log_level(afina::LogLevel::warning);
  if (std::strcmp(level, "error") == 0) afina::set_log_level(afina::LogLevel::error);
}

}  // namespace

int main(int argc, char** argv) {
  set_log_level_from_environment();
  CLI::App app{"Afina post-trains open language models on what people say about their answers.", "afina"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "afina 0.8.0");
  app.footer("Example: afina generate --model model.gguf --prompt \"¿Dónde pago la luz?\"");
  afina::app::Context context;
  app.add_option("--database", context.database,
                 "PostgreSQL URL, or none (default: $DATABASE_URL, else a private cluster)");
  // Each verb adds itself here, in the order of --help.
  afina::app::add_tokenize(app, context);
  afina::app::add_detokenize(app, context);
  afina::app::add_render(app, context);
  afina::app::add_fertility(app, context);
  afina::app::add_generate(app, context);
  afina::app::add_score(app, context);
  afina::app::add_serve(app, context);
  afina::app::add_inspect(app, context);
  afina::app::add_merge(app, context);
  afina::app::add_compose(app, context);
  afina::app::add_export(app, context);
  afina::app::add_quantize(app, context);
  afina::app::add_import(app, context);
  afina::app::add_export_data(app, context);
  afina::app::add_snapshot(app, context);
  afina::app::add_runs(app, context);
  afina::app::add_adapters(app, context);
  afina::app::add_demo(app, context);
  afina::app::add_db(app, context);
  afina::app::add_accounts(app, context);
  afina::app::add_audit(app, context);
  afina::app::add_training(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : afina::exit_code(afina::ErrorKind::usage);
  }
  try {
    context.stop = afina::stop_on_signals();
    return context.run ? context.run() : 0;
  } catch (const std::exception& error) {
    return afina::report_exception(error);
  }
}
