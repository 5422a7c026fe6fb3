// SPDX-License-Identifier: Apache-2.0
// What a frame is drawn into. Two hosts: a window (host_glfw) and a picture in memory (host_headless); interaction
// tests bring a third without a renderer. A host owns the ImGui and ImPlot contexts of its life. Drawing thread only,
// but wake().
#pragma once

namespace afina::gui {

class Host {
 public:
  Host() = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  virtual ~Host() = default;

  /// Waits until there is something to draw, then starts a frame. False when the window was closed.
  virtual bool begin_frame() = 0;
  /// Draws what was submitted since begin_frame().
  virtual void end_frame() = 0;
  /// Makes a waiting begin_frame() return. Any thread; cheap to call often.
  virtual void wake() = 0;
  /// Pixels of the screen a unit of layout; 1 on a common monitor.
  virtual float content_scale() const = 0;
};

}  // namespace afina::gui
