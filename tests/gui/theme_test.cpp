// SPDX-License-Identifier: Apache-2.0
// Contrast of the two themes, and the catalogue's completeness in its three languages.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/error.h"
#include "base/utf8.h"
#include "gui/catalogue.h"
#include "gui/palette.h"

namespace afina::gui {
namespace {

constexpr double kText = 4.5;      // WCAG 2.2, 1.4.3, level AA
constexpr double kGraphics = 3.0;  // WCAG 2.2, 1.4.11

class Theme : public testing::TestWithParam<const Palette*> {};
INSTANTIATE_TEST_SUITE_P(Both, Theme, testing::Values(&dark_palette(), &light_palette()),
                         [](const auto& info) { return info.param->is_dark ? "Dark" : "Light"; });

TEST_P(Theme, EveryTextColourIsLegibleOnEveryGround) {
  const Palette& p = *GetParam();
  const Rgb texts[] = {p.text, p.muted, p.accent, p.chosen, p.rejected, p.tie, p.ok, p.warning, p.error};
  const Rgb grounds[] = {p.window, p.surface, p.raised, p.hovered, p.selected};
  for (size_t t = 0; t < std::size(texts); ++t) {
    for (size_t g = 0; g < std::size(grounds); ++g) {
      EXPECT_GE(contrast(texts[t], grounds[g]), kText) << "text " << t << " on ground " << g;
    }
  }
  EXPECT_GE(contrast(p.on_accent, p.accent), kText);
  EXPECT_GE(contrast(p.text, blend(p.error, p.surface, 0.12)), kText) << "the banner";
  EXPECT_GE(contrast(p.error, blend(p.error, p.surface, 0.12)), kText) << "the banner's title";
}

TEST_P(Theme, PillsAreLegibleOnTheirTint) {
  const Palette& p = *GetParam();
  for (const Rgb rgb : {p.muted, p.accent}) {
    for (const Rgb ground : {p.surface, p.raised, p.selected}) {
      EXPECT_GE(contrast(rgb, blend(rgb, ground, 0.12)), 4.0);  // small labels that repeat what the text says
    }
  }
}

TEST_P(Theme, SeriesStandOutFromThePlot) {
  const Palette& p = *GetParam();
  for (size_t i = 0; i < p.series.size(); ++i)
    EXPECT_GE(contrast(p.series[i], p.raised), kGraphics) << "series " << i;
}

TEST_P(Theme, SeriesDiffer) {
  const auto& series = GetParam()->series;
  for (size_t i = 0; i < series.size(); ++i) {
    for (size_t j = i + 1; j < series.size(); ++j)
      EXPECT_FALSE(series[i] == series[j]) << i << " and " << j;
  }
}

TEST(Contrast, AgreesWithTheDefinition) {
  EXPECT_NEAR(contrast(rgb(0x000000), rgb(0xFFFFFF)), 21.0, 1e-9);
  EXPECT_NEAR(contrast(rgb(0x777777), rgb(0xFFFFFF)), 4.48, 0.005);
}

std::set<std::string> placeholders(const std::string& text) {
  std::set<std::string> found;
  for (size_t i = 0; i + 2 < text.size(); ++i) {
    if (text[i] == '{' && text[i + 2] == '}') found.insert(text.substr(i, 3));
  }
  return found;
}

TEST(Catalogue, EverySentenceStandsInThreeLanguagesWithTheSamePlaceholders) {
  for (int i = 0; i < static_cast<int>(Text::count); ++i) {
    const auto text = static_cast<Text>(i);
    const std::string english = text_of(text, Language::en);
    for (const Language language : {Language::en, Language::es, Language::pt}) {
      const std::string other = text_of(text, language);
      EXPECT_FALSE(other.empty()) << english;
      EXPECT_TRUE(is_valid_utf8(other)) << english;
      EXPECT_EQ(placeholders(other), placeholders(english)) << english << " in " << to_string(language);
    }
  }
}

TEST(Catalogue, FillsPlaceholdersAndLeavesPeoplesBracesAlone) {
  const Catalogue texts(Language::en);
  EXPECT_EQ(texts(Text::search_none, "{0}{1}"), "Nothing holds \"{0}{1}\".");
  EXPECT_EQ(texts(Text::page_rows, 1, 50, 240), "1–50 of 240");
}

TEST(Catalogue, TagsWithARegionAreUnderstoodAndOthersRefused) {
  EXPECT_EQ(language_from_tag("pt-BR"), Language::pt);
  EXPECT_EQ(language_from_tag("es_CL.UTF-8"), Language::es);
  EXPECT_THROW(language_from_tag("quz"), UsageError);
}

}  // namespace
}  // namespace afina::gui
