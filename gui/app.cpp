// SPDX-License-Identifier: Apache-2.0
#include "gui/app.h"

#include "base/error.h"
#include "base/log.h"
#include "gui/host_glfw.h"
#include "gui/host_headless.h"

namespace afina::gui {

namespace {

void log_font_warnings(const Workbench& workbench) {
  for (const std::string& warning : workbench.font_warnings())
    log_warning("gui", warning);
}

std::string error_of(const Snapshots& snapshots) {
  for (const std::string* error : {&snapshots.loop->error, &snapshots.page->error, &snapshots.conversation->error,
                                   &snapshots.runs->error, &snapshots.run->error}) {
    if (!error->empty()) return *error;
  }
  return "";
}

}  // namespace

void run_window(DataSource& source, const Clock& clock, const WorkbenchOptions& options, std::stop_token stop) {
  const auto host = make_glfw_host("Afina", 1360, 860);
  Workbench workbench(options, FontFiles{}, kFontSizePixels * host->content_scale());
  log_font_warnings(workbench);
  Session session(source, clock, [&host] { host->wake(); });
  const std::stop_callback woken(stop, [&host] { host->wake(); });
  while (!stop.stop_requested() && host->begin_frame()) {
    const Commands commands = workbench.draw(session.snapshots(), clock.now());
    host->end_frame();
    for (const Command& command : commands) {
      if (std::holds_alternative<Quit>(command)) return;
      session.execute(command);
    }
    if (!commands.empty()) host->wake();  // a command changes what the next frame shows
  }
}

Screenshot take_screenshot(DataSource& source, const Clock& clock, const ScreenshotOptions& options) {
  const auto host = make_headless_host(options.width, options.height, options.scale);
  Workbench workbench(options.workbench, FontFiles{}, kFontSizePixels * options.scale);
  log_font_warnings(workbench);
  Session session(source, clock, [] {});
  Snapshots snapshots;
  // The first data may lead to a selection, whose data may change the layout: three rounds of waiting, then the frames
  // in which docking and automatic sizes settle.
  constexpr int kRounds = 3, kFramesARound = 8;
  for (int round = 0; round < kRounds; ++round) {
    if (!session.wait_settled(options.limit)) {
      throw StorageError(cat("[workbench.screenshot] must have its data within ", options.limit.count() / 1000,
                             " s, but ", source.describe(), " has not answered."));
    }
    snapshots = session.snapshots();
    for (int frame = 0; frame < kFramesARound; ++frame) {
      host->begin_frame();
      const Commands commands = workbench.draw(snapshots, clock.now());
      host->end_frame();
      for (const Command& command : commands)
        session.execute(command);
    }
  }
  return {host->picture(), error_of(snapshots)};
}

}  // namespace afina::gui
