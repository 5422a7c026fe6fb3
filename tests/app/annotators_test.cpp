// SPDX-License-Identifier: Apache-2.0
#include "app/demo/annotators.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"

namespace afina::app {
namespace {

AnnotatorPanel shipped() {
  return read_annotators(read_file(std::string(AFINA_SOURCE_DIR) + "/app/demo/annotators.json"));
}

const char* const kShortSpanish = "Puedes pagar la luz en la caja vecina de tu barrio con el número de cliente.";
const char* const kLongEnglish =
    "You can pay the bill at the office of the company and you can also pay it with the bank and the office of the "
    "company and you can also pay it with the bank and the office of the company and you can also pay it with the bank "
    "and the office of the company and you can also pay it with the bank and the office of the company and you can";

TEST(DemoAnnotators, AllPreferAShortFinishedAnswerInThePromptsLanguage) {
  const auto panel = shipped();
  ASSERT_EQ(panel.annotators.size(), 3U);
  for (const auto& rules : panel.annotators) {
    EXPECT_EQ(judge(panel, rules, "es", kShortSpanish, kLongEnglish), "3") << rules.name;
    EXPECT_EQ(judge(panel, rules, "es", kLongEnglish, kShortSpanish), "-3") << rules.name;
  }
}

TEST(DemoAnnotators, CallTwoEqualAnswersATie) {
  const auto panel = shipped();
  for (const auto& rules : panel.annotators) {
    EXPECT_EQ(
        judge(panel, rules, "es", "Puedes pagar la luz en el banco y en la", "Puedes pagar la luz en el banco y en la"),
        "0");
  }
}

TEST(DemoAnnotators, MeasureTheTextAlone) {
  const auto panel = shipped();
  const auto es = measure_answer(panel, "es", kShortSpanish), wrong = measure_answer(panel, "pt", kLongEnglish);
  EXPECT_EQ(es.finished, 1.0);
  EXPECT_GT(es.language, 0.3);
  EXPECT_NEAR(es.brevity, 1.0 - 16.0 / 60.0, 1e-12);
  EXPECT_EQ(es.repetition, 0.0);
  EXPECT_EQ(wrong.finished, 0.0);
  EXPECT_LT(wrong.language, -0.3);
  EXPECT_EQ(wrong.brevity, 0.0);
  EXPECT_GT(wrong.repetition, 0.5);
  EXPECT_EQ(measure_answer(panel, "es", "").language, 0.0);
}

TEST(DemoAnnotators, CountAccentedWordsWhateverTheirCase) {
  const auto panel = shipped();
  EXPECT_GT(measure_answer(panel, "pt", "VOCÊ NÃO É").language, 0.9);
}

TEST(DemoAnnotators, RefuseAFileOfAnotherForm) {
  EXPECT_THROW(read_annotators("{\"annotators\":[{}]}"), DataError);
}

}  // namespace
}  // namespace afina::app
