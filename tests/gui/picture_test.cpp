// SPDX-License-Identifier: Apache-2.0
// What a person sees, with and without data, drawn without a display and compared with tests/golden/gui/*.png.
// UPDATE_GOLDEN=1 rewrites them; a difference leaves NAME.new.png and NAME.diff.png beside the golden.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "gui/app.h"
#include "tests/gui/fake_source.h"
#include "tests/support/golden.h"

namespace afina::gui {
namespace {

// The same build draws the same bytes every time. Another Mesa rounds blended edges and another FreeType-free font
// package hints differently by a few levels, so a pixel counts as different only from 24 levels in one channel, and
// 0.5 % of them may be. Moving a word by one pixel exceeds that; a changed colour of a panel exceeds it a hundredfold.
constexpr int kLevels = 24;
constexpr double kShare = 0.005;

double differing_share(const Image& a, const Image& b, Image& diff) {
  diff = b;
  if (a.width != b.width || a.height != b.height) return 1;
  size_t differing = 0;
  for (size_t i = 0; i < a.rgba.size(); i += 4) {
    bool differs = false;
    for (size_t c = 0; c < 3; ++c)
      differs |= std::abs(int{a.rgba[i + c]} - int{b.rgba[i + c]}) >= kLevels;
    for (size_t c = 0; c < 3; ++c)
      diff.rgba[i + c] = differs ? (c == 0 ? 255 : 0) : b.rgba[i + c] / 3;
    differing += differs ? 1 : 0;
  }
  return 4.0 * static_cast<double>(differing) / static_cast<double>(a.rgba.size());
}

// Keeps tests/golden/SHA256SUMS true: one line a file, sorted by path.
void update_sum(const std::string& name) {
  std::map<std::string, std::string> hashes;
  std::ifstream in(golden_path("SHA256SUMS"));
  for (std::string line; std::getline(in, line);)
    hashes[line.substr(66)] = line.substr(0, 64);
  hashes["./" + name] = sha256_file_hex(golden_path(name).string());
  std::string out;
  for (const auto& [path, hash] : hashes)
    out += hash + "  " + path + "\n";
  write_file_atomic(golden_path("SHA256SUMS"), out);
}

void expect_golden(const std::string& name, const Image& image) {
  const auto golden = golden_path("gui/" + name + ".png");
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    write_png(golden, image);
    return update_sum("gui/" + name + ".png");
  }
  Image diff;
  const Image expected = read_png(golden);
  const double share = differing_share(expected, image, diff);
  if (share <= kShare) return;
  write_png(golden_path("gui/" + name + ".new.png"), image);
  write_png(golden_path("gui/" + name + ".diff.png"), diff);
  ADD_FAILURE() << name << ": " << 100 * share << " % of the pixels differ; see " << name << ".new.png and .diff.png";
}

ScreenshotOptions options(PanelId panel, bool dark = true, Language language = Language::en) {
  ScreenshotOptions out;
  out.workbench = {dark, language, panel, ""};
  return out;
}

Image draw(DataSource& source, const ScreenshotOptions& options) {
  const Screenshot shot = take_screenshot(source, FixedClock(), options);
  EXPECT_EQ(shot.error, "");
  return shot.image;
}

TEST(Picture, LoopShowsEveryStageAndTheNextStep) {
  FakeSource source;
  expect_golden("loop_dark", draw(source, options(PanelId::loop)));
}

TEST(Picture, LoopIsLegibleOnALightGround) {
  FakeSource source;
  expect_golden("loop_light_es", draw(source, options(PanelId::loop, false, Language::es)));
}

TEST(Picture, LoopWithoutDataSaysWhatToDoFirst) {
  EmptySource source;
  expect_golden("loop_empty", draw(source, options(PanelId::loop)));
}

TEST(Picture, ConversationShowsVotesBesideTheTwoAnswers) {
  FakeSource source;
  expect_golden("conversations_dark", draw(source, options(PanelId::conversations)));
}

TEST(Picture, ConversationInPortugueseOnALightGround) {
  FakeSource source;
  expect_golden("conversations_light_pt", draw(source, options(PanelId::conversations, false, Language::pt)));
}

TEST(Picture, ConversationsWithoutDataSayHowToCollect) {
  EmptySource source;
  expect_golden("conversations_empty", draw(source, options(PanelId::conversations)));
}

TEST(Picture, RunsShowCurvesConfigAndLineage) {
  FakeSource source;
  expect_golden("runs_dark", draw(source, options(PanelId::runs)));
}

TEST(Picture, RunsOnALightGround) {
  FakeSource source;
  ScreenshotOptions chosen = options(PanelId::runs, false);
  chosen.workbench.selected_id = fake_runs()[1].id;  // SFT: no reward margin
  expect_golden("runs_light_sft", draw(source, chosen));
}

TEST(Picture, RunsWithoutDataSayHowToTrain) {
  EmptySource source;
  expect_golden("runs_empty", draw(source, options(PanelId::runs, false)));
}

TEST(Picture, DatabaseAwayShowsTheReasonAndTheHint) {
  FakeSource source;
  source.set_away(true);
  const Screenshot shot = take_screenshot(source, FixedClock(), options(PanelId::loop));
  EXPECT_NE(shot.error.find("connection refused"), std::string::npos);
  expect_golden("loop_away", shot.image);
}

TEST(Picture, SameDataGivesTheSameBytes) {
  FakeSource source;
  EXPECT_EQ(draw(source, options(PanelId::runs)).rgba, draw(source, options(PanelId::runs)).rgba);
}

// The control of the comparison: what it is there to find, it finds.
TEST(Picture, ComparisonNoticesAnotherTheme) {
  FakeSource source;
  Image diff;
  const Image dark = draw(source, options(PanelId::loop)), light = draw(source, options(PanelId::loop, false));
  EXPECT_GT(differing_share(dark, light, diff), 0.5);
  EXPECT_EQ(differing_share(dark, dark, diff), 0);
}

TEST(Picture, SizesOutOfRangeAreRefused) {
  FakeSource source;
  ScreenshotOptions tiny = options(PanelId::loop);
  tiny.width = 10;
  EXPECT_THROW(take_screenshot(source, FixedClock(), tiny), UsageError);
}

}  // namespace
}  // namespace afina::gui
