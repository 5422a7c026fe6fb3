// SPDX-License-Identifier: Apache-2.0
#include "gui/host_headless.h"

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GL/gl.h>
#include <imgui.h>
#include <imgui_impl_opengl3.h>
#include <implot.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace afina::gui {

namespace {

[[noreturn]] void no_egl(const char* step) {
  throw UsageError(cat("[workbench.screenshot] must draw through EGL without a display, but ", step,
                       " failed (EGL error ", eglGetError(), ")."),
                   "apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri");
}

/// Display, pixel buffer and context; current on the thread that made it.
class EglSurface {
 public:
  EglSurface(int width, int height) {
    const auto get_display =
        reinterpret_cast<PFNEGLGETPLATFORMDISPLAYEXTPROC>(eglGetProcAddress("eglGetPlatformDisplayEXT"));
    if (get_display == nullptr) no_egl("eglGetPlatformDisplayEXT");
    display_ = get_display(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, nullptr);
    if (display_ == EGL_NO_DISPLAY || eglInitialize(display_, nullptr, nullptr) == EGL_FALSE) no_egl("eglInitialize");
    if (eglBindAPI(EGL_OPENGL_API) == EGL_FALSE) no_egl("eglBindAPI");
    const std::array<EGLint, 13> wanted = {EGL_SURFACE_TYPE,
                                           EGL_PBUFFER_BIT,
                                           EGL_RENDERABLE_TYPE,
                                           EGL_OPENGL_BIT,
                                           EGL_RED_SIZE,
                                           8,
                                           EGL_GREEN_SIZE,
                                           8,
                                           EGL_BLUE_SIZE,
                                           8,
                                           EGL_ALPHA_SIZE,
                                           8,
                                           EGL_NONE};
    EGLConfig config = nullptr;
    EGLint count = 0;
    if (eglChooseConfig(display_, wanted.data(), &config, 1, &count) == EGL_FALSE || count < 1)
      no_egl("eglChooseConfig");
    const std::array<EGLint, 5> size = {EGL_WIDTH, width, EGL_HEIGHT, height, EGL_NONE};
    surface_ = eglCreatePbufferSurface(display_, config, size.data());
    if (surface_ == EGL_NO_SURFACE) no_egl("eglCreatePbufferSurface");
    const std::array<EGLint, 7> version = {
        EGL_CONTEXT_MAJOR_VERSION,           3,       EGL_CONTEXT_MINOR_VERSION, 3, EGL_CONTEXT_OPENGL_PROFILE_MASK,
        EGL_CONTEXT_OPENGL_CORE_PROFILE_BIT, EGL_NONE};
    context_ = eglCreateContext(display_, config, EGL_NO_CONTEXT, version.data());
    if (context_ == EGL_NO_CONTEXT) no_egl("eglCreateContext");
    if (eglMakeCurrent(display_, surface_, surface_, context_) == EGL_FALSE) no_egl("eglMakeCurrent");
  }
  ~EglSurface() {
    if (display_ == EGL_NO_DISPLAY) return;
    eglMakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
    if (context_ != EGL_NO_CONTEXT) eglDestroyContext(display_, context_);
    if (surface_ != EGL_NO_SURFACE) eglDestroySurface(display_, surface_);
    eglTerminate(display_);
  }
  EglSurface(const EglSurface&) = delete;
  EglSurface& operator=(const EglSurface&) = delete;

 private:
  EGLDisplay display_ = EGL_NO_DISPLAY;
  EGLSurface surface_ = EGL_NO_SURFACE;
  EGLContext context_ = EGL_NO_CONTEXT;
};

class EglHost final : public HeadlessHost {
 public:
  EglHost(int width, int height, float scale) : surface_(width, height), width_(width), height_(height), scale_(scale) {
    ImGui::CreateContext();
    ImPlot::CreateContext();
    ImGuiIO& io = ImGui::GetIO();
    io.IniFilename = nullptr;
    io.LogFilename = nullptr;
    io.DeltaTime = 1.0F / 60.0F;
    io.DisplaySize = {static_cast<float>(width), static_cast<float>(height)};
    io.ConfigFlags |= ImGuiConfigFlags_DockingEnable;
    io.ConfigInputTextCursorBlink = false;
    ImGui_ImplOpenGL3_Init("#version 330 core");
  }
  ~EglHost() override {
    ImGui_ImplOpenGL3_Shutdown();
    ImPlot::DestroyContext();
    ImGui::DestroyContext();
  }

  bool begin_frame() override {
    ImGui_ImplOpenGL3_NewFrame();
    ImGui::NewFrame();
    return true;
  }
  void end_frame() override {
    ImGui::Render();
    glViewport(0, 0, width_, height_);
    glClearColor(0, 0, 0, 1);
    glClear(GL_COLOR_BUFFER_BIT);
    ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
  }
  void wake() override {}  // every begin_frame() draws at once
  float content_scale() const override { return scale_; }

  Image picture() const override {
    Image image{width_, height_, std::vector<uint8_t>(static_cast<size_t>(width_) * static_cast<size_t>(height_) * 4)};
    glPixelStorei(GL_PACK_ALIGNMENT, 1);
    glReadPixels(0, 0, width_, height_, GL_RGBA, GL_UNSIGNED_BYTE, image.rgba.data());
    const size_t row = static_cast<size_t>(width_) * 4;  // OpenGL's rows start at the bottom
    for (size_t top = 0, bottom = static_cast<size_t>(height_) - 1; top < bottom; ++top, --bottom) {
      std::swap_ranges(image.rgba.begin() + static_cast<ptrdiff_t>(top * row),
                       image.rgba.begin() + static_cast<ptrdiff_t>((top + 1) * row),
                       image.rgba.begin() + static_cast<ptrdiff_t>(bottom * row));
    }
    return image;
  }

 private:
  EglSurface surface_;
  int width_;
  int height_;
  float scale_;
};

}  // namespace

std::unique_ptr<HeadlessHost> make_headless_host(int width, int height, float scale) {
  if (width < 64 || height < 64 || width > 8192 || height > 8192) {
    throw UsageError(cat("[workbench.size] must be 64 to 8192 pixels a side, but got ", width, "x", height, "."));
  }
  if (!(scale >= 0.5F && scale <= 4.0F)) {
    throw UsageError(cat("[workbench.scale] must be 0.5 to 4, but got ", scale, "."));
  }
  return std::make_unique<EglHost>(width, height, scale);
}

}  // namespace afina::gui
