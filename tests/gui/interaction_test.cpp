// SPDX-License-Identifier: Apache-2.0
// A person at the workbench: Dear ImGui's Test Engine moves the mouse and types, a null renderer draws nothing, and
// what is asserted on are the commands that come out. The engine is linked here only; its licence keeps it out of the
// programs.
#include <gtest/gtest.h>
#include <imgui.h>
#include <imgui_te_context.h>
#include <imgui_te_engine.h>
#include <implot.h>

#include <algorithm>
#include <functional>

#include "gui/workbench.h"
#include "tests/gui/fake_source.h"

namespace afina::gui {
namespace {

/// The workbench over fixed snapshots, without a window or OpenGL.
class Bench {
 public:
  Bench() : snapshots_(snapshots_of_fake()) {
    ImGui::CreateContext();
    ImPlot::CreateContext();
    ImGuiIO& io = ImGui::GetIO();
    io.IniFilename = nullptr;
    io.DisplaySize = {1280, 800};
    io.DeltaTime = 1.0F / 60.0F;
    io.ConfigFlags |= ImGuiConfigFlags_DockingEnable;
    io.BackendFlags |= ImGuiBackendFlags_RendererHasTextures | ImGuiBackendFlags_RendererHasVtxOffset;
    engine_ = ImGuiTestEngine_CreateContext();
    ImGuiTestEngineIO& test_io = ImGuiTestEngine_GetIO(engine_);
    test_io.ConfigRunSpeed = ImGuiTestRunSpeed_Fast;
    test_io.ConfigNoThrottle = true;
    test_io.ConfigFixedDeltaTime = 1.0F / 60.0F;
    test_io.ConfigSavedSettings = false;
    test_io.ConfigCaptureEnabled = false;
    test_io.ConfigVerboseLevel = ImGuiTestVerboseLevel_Warning;
    test_io.ConfigLogToTTY = true;
    ImGuiTestEngine_Start(engine_, ImGui::GetCurrentContext());
    workbench_ = std::make_unique<Workbench>(WorkbenchOptions{}, FontFiles{}, 15.0F);
  }
  ~Bench() {
    workbench_.reset();
    ImGuiTestEngine_Stop(engine_);
    ImPlot::DestroyContext();
    ImGui::DestroyContext();
    ImGuiTestEngine_DestroyContext(engine_);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  /// Runs one scripted visit; false where the engine could not do a step (an item that is not there, for example).
  bool visit(const std::function<void(ImGuiTestContext&)>& script) {
    ImGuiTest* test = ImGuiTestEngine_RegisterTest(engine_, "workbench", "visit", __FILE__, __LINE__);
    test->UserData = const_cast<std::function<void(ImGuiTestContext&)>*>(&script);
    test->TestFunc = [](ImGuiTestContext* context) {
      (*static_cast<std::function<void(ImGuiTestContext&)>*>(context->Test->UserData))(*context);
    };
    for (int i = 0; i < 5; ++i)
      frame();  // docking settles
    commands_.clear();
    ImGuiTestEngine_QueueTest(engine_, test, ImGuiTestRunFlags_RunFromCommandLine);
    for (int i = 0; i < 10'000 && !ImGuiTestEngine_IsTestQueueEmpty(engine_); ++i)
      frame();
    frame();
    return test->Output.Status == ImGuiTestStatus_Success;
  }

  const Commands& commands() const { return commands_; }
  void show(const Snapshots& snapshots) { snapshots_ = snapshots; }
  const Snapshots& shown() const { return snapshots_; }

  template <typename C>
  bool has(const C& command) const {
    return std::find(commands_.begin(), commands_.end(), Command(command)) != commands_.end();
  }

 private:
  static Snapshots snapshots_of_fake() {
    FakeSource source;
    Snapshots s = empty_snapshots("test");
    const auto area = [](auto data) {
      Area<decltype(data)> filled;
      filled.data = std::make_shared<const decltype(data)>(std::move(data));
      filled.read_at = fixed_now();
      return std::make_shared<const decltype(filled)>(filled);
    };
    s.loop = area(source.loop());
    s.page = area(source.conversations({}));
    s.conversation = area(source.conversation(s.page->data->rows[0].id));
    s.runs = area(source.runs());
    s.run = area(fake_run(fake_runs()[0].id));
    return s;
  }

  void frame() {
    ImGui::NewFrame();
    const Commands commands = workbench_->draw(snapshots_, fixed_now());
    commands_.insert(commands_.end(), commands.begin(), commands.end());
    ImGui::Render();
    for (ImTextureData* texture : ImGui::GetPlatformIO().Textures) {
      if (texture->Status == ImTextureStatus_WantCreate || texture->Status == ImTextureStatus_WantUpdates) {
        texture->SetTexID(1);
        texture->SetStatus(ImTextureStatus_OK);
      } else if (texture->Status == ImTextureStatus_WantDestroy) {
        texture->SetTexID(ImTextureID_Invalid);
        texture->SetStatus(ImTextureStatus_Destroyed);
      }
    }
    ImGuiTestEngine_PostSwap(engine_);
  }

  Snapshots snapshots_;
  Commands commands_;
  ImGuiTestEngine* engine_ = nullptr;
  std::unique_ptr<Workbench> workbench_;
};

TEST(Interaction, TheViewMenuSwitchesPanels) {
  Bench bench;
  ASSERT_TRUE(bench.visit([](ImGuiTestContext& person) {
    person.SetRef("##MainMenuBar");
    person.MenuClick("###view/###show_runs");
    person.MenuClick("###view/###show_conversations");
  }));
  EXPECT_TRUE(bench.has(ShowPanel{PanelId::runs}));
  EXPECT_TRUE(bench.has(ShowPanel{PanelId::conversations}));
}

TEST(Interaction, AStageOfThePictureLeadsToItsPanel) {
  Bench bench;
  ASSERT_TRUE(bench.visit([](ImGuiTestContext& person) { person.ItemClick("**/runs/card"); }));
  EXPECT_TRUE(bench.has(ShowPanel{PanelId::runs}));
}

TEST(Interaction, TypingInTheSearchAsksForWhatWasTypedAccentsAndAll) {
  Bench bench;
  ASSERT_TRUE(bench.visit([](ImGuiTestContext& person) {
    person.SetRef("##MainMenuBar");
    person.MenuClick("###view/###show_conversations");
    person.SetRef("");
    person.ItemClick("**/##search");
    person.KeyCharsReplace("señal ñ ŋ");
  }));
  ConversationQuery query;
  query.text = "señal ñ ŋ";
  EXPECT_TRUE(bench.has(SearchConversations{query}));
}

TEST(Interaction, AClickOpensAConversationAndTheNextPage) {
  Bench bench;
  const std::string third = bench.shown().page->data->rows[2].id;
  ASSERT_TRUE(bench.visit([&](ImGuiTestContext& person) {
    person.SetRef("##MainMenuBar");
    person.MenuClick("###view/###show_conversations");
    person.SetRef("");
    person.ItemClick(("**/" + third + "/##row").c_str());
    person.ItemClick("**/##next");
  }));
  EXPECT_TRUE(bench.has(OpenConversation{third}));
  ConversationQuery second_page;
  second_page.page = 1;
  EXPECT_TRUE(bench.has(SearchConversations{second_page}));
}

TEST(Interaction, AClickSelectsARun) {
  Bench bench;
  const std::string third = fake_runs()[2].id;
  ASSERT_TRUE(bench.visit([&](ImGuiTestContext& person) {
    person.SetRef("##MainMenuBar");
    person.MenuClick("###view/###show_runs");
    person.SetRef("");
    person.ItemClick(("**/" + third + "/##row").c_str());
  }));
  EXPECT_TRUE(bench.has(OpenRun{third}));
}

TEST(Interaction, CopyPutsTheCommandLineOnTheClipboard) {
  Bench bench;
  std::string clipboard;
  ASSERT_TRUE(bench.visit([&](ImGuiTestContext& person) {
    person.ItemClick("**/command/###copy");
    clipboard = ImGui::GetClipboardText();
  }));
  EXPECT_EQ(clipboard, "afina runs tail --follow dpo-nov-20-r16");
  EXPECT_TRUE(bench.has(CopyText{clipboard}));
}

TEST(Interaction, ThemeAndLanguageChangeWithoutLosingThePanels) {
  Bench bench;
  ASSERT_TRUE(bench.visit([](ImGuiTestContext& person) {
    person.SetRef("##MainMenuBar");
    person.MenuClick("###view/###light");
    person.MenuClick("###view/###language/Español");
    person.MenuClick("###view/###show_runs");
  }));
  EXPECT_TRUE(bench.has(SetTheme{false}));
  EXPECT_TRUE(bench.has(SetLanguage{Language::es}));
  EXPECT_TRUE(bench.has(ShowPanel{PanelId::runs}));
}

TEST(Interaction, WithoutDataEveryPanelIsStillThere) {
  Bench bench;
  bench.show(empty_snapshots("test"));
  EXPECT_TRUE(bench.visit([](ImGuiTestContext& person) {
    person.SetRef("##MainMenuBar");
    for (const char* item : {"###view/###show_runs", "###view/###show_conversations", "###view/###show_loop"}) {
      person.MenuClick(item);
    }
  }));
}

// The control: a visit that cannot be made is reported.
TEST(Interaction, AVisitToWhatIsNotThereFails) {
  Bench bench;
  EXPECT_FALSE(bench.visit([](ImGuiTestContext& person) { person.ItemClick("//no such window/no such item"); }));
}

}  // namespace
}  // namespace afina::gui
