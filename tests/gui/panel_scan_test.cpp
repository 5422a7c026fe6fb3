// SPDX-License-Identifier: Apache-2.0
// Reads the sources of what is drawn: no storage, file or thread header, no colour literal, no format string made from
// data. So that "never waits while a frame is drawn" stays true by construction.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> drawn_sources() {
  std::vector<fs::path> files = {"gui/widgets.h", "gui/widgets.cpp", "gui/workbench.h", "gui/workbench.cpp"};
  for (const auto& entry : fs::directory_iterator(fs::path(AFINA_SOURCE_DIR) / "gui/panels")) {
    files.push_back(fs::relative(entry.path(), AFINA_SOURCE_DIR));
  }
  return files;
}

// Lines of the drawn sources that match, as "file:line".
std::vector<std::string> hits(const std::string& pattern) {
  const std::regex expression(pattern);
  std::vector<std::string> found;
  for (const fs::path& file : drawn_sources()) {
    std::ifstream in(fs::path(AFINA_SOURCE_DIR) / file);
    EXPECT_TRUE(in.good()) << file;
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      if (std::regex_search(line, expression)) found.push_back(file.string() + ":" + std::to_string(number));
    }
  }
  return found;
}

using Lines = std::vector<std::string>;

TEST(PanelScan, NothingDrawnIncludesStorageFilesOrNetwork) {
  EXPECT_EQ(hits(R"(#include [<"](storage/|http/|base/file\.h|base/home\.h|filesystem|fstream|libpq|mutex|thread))"),
            Lines{});
  EXPECT_EQ(hits(R"(storage_source|std::ifstream|std::ofstream|fopen|std::mutex|sleep_for)"), Lines{});
}

TEST(PanelScan, ColoursAreNamedByMeaning) {
  EXPECT_EQ(hits(R"(ImVec4\s*[({]|IM_COL32|ImColor|0x[0-9A-Fa-f]{6})"), Lines{});
}

// Text(), TextWrapped() and their like take a format string; a '%' in what people wrote must stay a '%'.
TEST(PanelScan, PeoplesTextIsNeverAFormatString) {
  EXPECT_EQ(hits(R"(ImGui::(Text|TextWrapped|TextColored|TextDisabled|BulletText|LabelText)\()"), Lines{});
  EXPECT_EQ(hits(R"~(Set(Item)?Tooltip\((?!"%s"))~"), Lines{});
}

// The control: the scan sees what is there.
TEST(PanelScan, FindsWhatItLooksFor) {
  EXPECT_GT(hits("#include").size(), 20U);
}

}  // namespace
