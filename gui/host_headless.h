// SPDX-License-Identifier: Apache-2.0
// Pictures without a display: EGL's surfaceless platform and a pixel buffer, so that neither X nor a GPU is needed.
// The clock stands still, so that the same data gives the same picture.
#pragma once
#include <memory>

#include "gui/host.h"
#include "gui/image.h"

namespace afina::gui {

class HeadlessHost : public Host {
 public:
  /// The last frame drawn.
  virtual Image picture() const = 0;
};

/// width and height in pixels, 64 … 8192; scale as Host::content_scale(), 0.5 … 4. Throws UsageError outside these, and
/// where EGL cannot draw without a display, with the Debian package that helps.
std::unique_ptr<HeadlessHost> make_headless_host(int width, int height, float scale = 1.0F);

}  // namespace afina::gui
