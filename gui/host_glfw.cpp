// SPDX-License-Identifier: Apache-2.0
#include "gui/host_glfw.h"

#include <GLFW/glfw3.h>
#include <imgui.h>
#include <imgui_impl_glfw.h>
#include <imgui_impl_opengl3.h>
#include <imgui_internal.h>
#include <implot.h>

#include <atomic>
#include <chrono>

#include "base/error.h"

namespace afina::gui {

namespace {

// Frames drawn after an event, so that hover, focus and docking settle.
constexpr int kSettleFrames = 3;
// Ages ("3 min ago") move on by themselves this often; half a minute keeps them true at no measurable cost.
constexpr std::chrono::seconds kClockTick{30};

std::string last_glfw_error() {
  const char* text = nullptr;
  glfwGetError(&text);
  return text != nullptr ? text : "no reason given";
}

[[noreturn]] void no_window(const std::string& what) {
  throw UsageError(cat("[workbench.window] must open a window with OpenGL 3.3, but ", what, "."),
                   "on a machine without a display: afina-workbench --screenshot FILE.png --panel loop");
}

class GlfwHost final : public Host {
 public:
  GlfwHost(const std::string& title, int width, int height) {
    if (glfwInit() == GLFW_FALSE) no_window(last_glfw_error());
    glfwWindowHint(GLFW_CONTEXT_VERSION_MAJOR, 3);
    glfwWindowHint(GLFW_CONTEXT_VERSION_MINOR, 3);
    glfwWindowHint(GLFW_OPENGL_PROFILE, GLFW_OPENGL_CORE_PROFILE);
    glfwWindowHint(GLFW_SCALE_TO_MONITOR, GLFW_TRUE);
    window_ = glfwCreateWindow(width, height, title.c_str(), nullptr, nullptr);
    if (window_ == nullptr) {
      const std::string reason = last_glfw_error();
      glfwTerminate();
      no_window(reason);
    }
    glfwMakeContextCurrent(window_);
    glfwSwapInterval(1);
    glfwSetWindowUserPointer(window_, this);
    // Set before ImGui's own callbacks, which chain to these.
    glfwSetWindowRefreshCallback(window_, [](GLFWwindow* window) { of(window)->frames_left_ = kSettleFrames; });
    glfwSetFramebufferSizeCallback(window_,
                                   [](GLFWwindow* window, int, int) { of(window)->frames_left_ = kSettleFrames; });
    ImGui::CreateContext();
    ImPlot::CreateContext();
    ImGui::GetIO().IniFilename = nullptr;
    ImGui::GetIO().ConfigFlags |= ImGuiConfigFlags_DockingEnable | ImGuiConfigFlags_NavEnableKeyboard;
    ImGui_ImplGlfw_InitForOpenGL(window_, true);
    ImGui_ImplOpenGL3_Init("#version 330 core");
  }

  ~GlfwHost() override {
    ImGui_ImplOpenGL3_Shutdown();
    ImGui_ImplGlfw_Shutdown();
    ImPlot::DestroyContext();
    ImGui::DestroyContext();
    glfwDestroyWindow(window_);
    glfwTerminate();
  }

  bool begin_frame() override {
    wait_for_something();
    if (glfwWindowShouldClose(window_) != 0) return false;
    last_frame_ = std::chrono::steady_clock::now();
    ImGui_ImplOpenGL3_NewFrame();
    ImGui_ImplGlfw_NewFrame();
    ImGui::NewFrame();
    return true;
  }

  void end_frame() override {
    ImGui::Render();
    int width = 0, height = 0;
    glfwGetFramebufferSize(window_, &width, &height);
    glViewport(0, 0, width, height);
    glClear(GL_COLOR_BUFFER_BIT);
    ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
    glfwSwapBuffers(window_);
  }

  void wake() override {
    dirty_.store(true);
    glfwPostEmptyEvent();
  }

  float content_scale() const override {
    float x = 1, y = 1;
    glfwGetWindowContentScale(window_, &x, &y);
    return x;
  }

 private:
  static GlfwHost* of(GLFWwindow* window) { return static_cast<GlfwHost*>(glfwGetWindowUserPointer(window)); }

  void wait_for_something() {
    while (glfwWindowShouldClose(window_) == 0) {
      if (frames_left_ > 0) {
        glfwPollEvents();
      } else {
        glfwWaitEventsTimeout(0.5);
      }
      if (ImGui::GetCurrentContext()->InputEventsQueue.Size > 0 || dirty_.exchange(false)) frames_left_ = kSettleFrames;
      // A text cursor blinks; everything else stands still between events.
      const auto quiet = std::chrono::steady_clock::now() - last_frame_;
      if (ImGui::GetIO().WantTextInput && quiet > std::chrono::milliseconds(400))
        frames_left_ = std::max(frames_left_, 1);
      if (quiet > kClockTick) frames_left_ = std::max(frames_left_, 1);
      if (frames_left_ == 0) continue;
      --frames_left_;
      return;
    }
  }

  GLFWwindow* window_ = nullptr;
  int frames_left_ = kSettleFrames;
  std::atomic<bool> dirty_ = true;
  std::chrono::steady_clock::time_point last_frame_ = std::chrono::steady_clock::now();
};

}  // namespace

std::unique_ptr<Host> make_glfw_host(const std::string& title, int width, int height) {
  return std::make_unique<GlfwHost>(title, width, height);
}

}  // namespace afina::gui
