// SPDX-License-Identifier: Apache-2.0
// Ties a host, a session and the workbench together: the window's life, and the picture without a window.
#pragma once
#include <filesystem>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "gui/data_source.h"
#include "gui/image.h"
#include "gui/workbench.h"

namespace afina::gui {

/// Height of the interface's text at scale 1, in pixels.
inline constexpr float kFontSizePixels = 15.0F;

/// Opens the window and returns when it is closed, someone quits, or `stop` is tripped. Throws UsageError without a
/// display.
void run_window(DataSource& source, const Clock& clock, const WorkbenchOptions& options, std::stop_token stop);

struct ScreenshotOptions {
  WorkbenchOptions workbench;
  int width = 1280;
  int height = 800;
  float scale = 1.0F;
  std::chrono::milliseconds limit{20'000};  ///< for the data to arrive
};

struct Screenshot {
  Image image;
  std::string error;  ///< what the panel's data failed with; the picture then shows the banner
};

/// Draws what the window would show once its data has arrived. Throws UsageError where nothing can be drawn,
/// StorageError where the data did not arrive within the limit.
Screenshot take_screenshot(DataSource& source, const Clock& clock, const ScreenshotOptions& options);

}  // namespace afina::gui
