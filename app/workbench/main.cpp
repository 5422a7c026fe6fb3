// SPDX-License-Identifier: Apache-2.0
// `afina-workbench`: the desktop window over the loop, and pictures of it on machines without a display.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/cancel.h"
#include "base/error.h"
#include "gui/app.h"
#include "gui/storage_source.h"

namespace {

using namespace afina;

struct Arguments {
  std::optional<std::string> database;
  std::string home;
  std::string screenshot;
  std::string panel = "loop";
  std::string size = "1280x800";
  std::string theme = "dark";
  std::string language;
  std::string select;
  float scale = 1.0F;
};

void add_options(CLI::App& app, Arguments& arguments) {
  app.add_option("--database", arguments.database, "PostgreSQL URL (default: $DATABASE_URL, else a private cluster)");
  app.add_option("--home", arguments.home,
                 "folder of the private cluster (default: $AFINA_HOME, else the nearest .afina)");
  app.add_option("--panel", arguments.panel, "loop, conversations or runs");
  app.add_option("--select", arguments.select, "id of the conversation or run to open");
  app.add_option("--theme", arguments.theme, "dark or light")->check(CLI::IsMember({"dark", "light"}));
  app.add_option("--lang", arguments.language, "en, es or pt (default: $LANG where it is one of these, else en)");
  app.add_option("--screenshot", arguments.screenshot, "write a PNG and exit; needs no display");
  app.add_option("--size", arguments.size, "of the screenshot, WIDTHxHEIGHT in pixels");
  app.add_option("--scale", arguments.scale, "of the screenshot's text and spacing, 0.5 to 4");
  app.footer("Example: afina-workbench --screenshot loop.png --panel loop --theme light");
}

gui::Language language_of(const Arguments& arguments) {
  if (!arguments.language.empty()) return gui::language_from_tag(arguments.language);
  const char* locale = std::getenv("LANG");
  try {
    return gui::language_from_tag(locale == nullptr ? "en" : locale);
  } catch (const UsageError&) {
    return gui::Language::en;  // a system in another language is no mistake
  }
}

std::pair<int, int> size_of(const std::string& text) {
  int width = 0, height = 0, used = 0;
  if (std::sscanf(text.c_str(), "%5dx%5d%n", &width, &height, &used) != 2 || used != static_cast<int>(text.size())) {
    throw UsageError(cat("[workbench.size] must be WIDTHxHEIGHT, but got \"", text, "\"."), "1280x800");
  }
  return {width, height};
}

int run(const Arguments& arguments) {
  gui::WorkbenchOptions options;
  options.is_dark = arguments.theme == "dark";
  options.language = language_of(arguments);
  options.panel = gui::panel_from_word(arguments.panel);
  options.selected_id = arguments.select;
  const auto [width, height] = size_of(arguments.size);
  if (!arguments.home.empty()) setenv("AFINA_HOME", arguments.home.c_str(), 1);  // before any thread is started
  storage::DatabaseOptions database;
  database.max_connections = 3;
  gui::StorageSource source(storage::database_target(arguments.database), database);
  const std::stop_token stop = stop_on_signals();
  if (arguments.screenshot.empty()) {
    gui::run_window(source, system_clock(), options, stop);
    return stop.stop_requested() ? exit_code(ErrorKind::cancelled) : 0;
  }
  gui::ScreenshotOptions picture;
  picture.workbench = options;
  picture.width = width;
  picture.height = height;
  picture.scale = arguments.scale;
  const gui::Screenshot shot = gui::take_screenshot(source, system_clock(), picture);
  gui::write_png(arguments.screenshot, shot.image);
  std::printf("%s\n", arguments.screenshot.c_str());
  if (shot.error.empty()) return 0;
  // The picture shows the banner; a script must learn of it too.
  std::fprintf(stderr, "error: %s\n", shot.error.c_str());
  return exit_code(ErrorKind::storage);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"The workbench shows the loop: conversations, votes, runs and what to do next.", "afina-workbench"};
  app.set_version_flag("--version", "afina-workbench 0.1.0");
  Arguments arguments;
  add_options(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_code(ErrorKind::usage);
  }
  try {
    return run(arguments);
  } catch (const std::exception& error) {
    return report_exception(error);
  }
}
