// SPDX-License-Identifier: Apache-2.0
#include "evaluation/publish_gate.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace afina::evaluation {
namespace {

using testing::HasSubstr;

const std::vector<GatePrompt> kPrompts = {{"uno", {1, 2, 3}}, {"dos", {4, 5}}};

PromptLogits logits(double shift) {
  at::manual_seed(3);
  const at::Tensor a = at::randn({3, 20}), b = at::randn({2, 20});
  at::manual_seed(4);
  return {a + shift * at::randn({3, 20}), b + shift * at::randn({2, 20})};
}

TEST(PublishGate, PassesEqualLogits) {
  const GateReport report = compare_logits(kPrompts, logits(0), logits(1), logits(0), tolerance_of("F32"));
  EXPECT_TRUE(report.passed);
  EXPECT_EQ(report.max_logit_difference, 0);
  EXPECT_EQ(report.top1_agreement, 1);
  EXPECT_GT(report.effect, 0.01);
}

TEST(PublishGate, NamesThePromptPositionAndTokenWhereExactFilesPart) {
  PromptLogits published = logits(0);
  published[1][1][7] += 0.01;
  const GateReport report = compare_logits(kPrompts, logits(0), logits(1), published, tolerance_of("F32"));
  EXPECT_FALSE(report.passed);
  EXPECT_THAT(report.reason, HasSubstr("on \"dos\", position 1, token 7"));
}

TEST(PublishGate, RefusesFilesInWhichTheAdapterIsInert) {
  const GateReport report = compare_logits(kPrompts, logits(0.05), logits(0), logits(0), tolerance_of("BF16"));
  EXPECT_FALSE(report.passed);
  EXPECT_THAT(report.reason, HasSubstr("what was trained would be lost"));
}

TEST(PublishGate, LetsRoundingThroughThatIsSmallBesideTheAdaptersEffect) {
  PromptLogits published = logits(0.3);
  for (auto& values : published)
    values = values + 1e-3;
  EXPECT_TRUE(compare_logits(kPrompts, logits(0.3), logits(0), published, tolerance_of("BF16")).passed);
}

TEST(PublishGate, TakesNaNAsAFailure) {
  PromptLogits published = logits(0);
  published[0][0][0] = NAN;
  EXPECT_FALSE(compare_logits(kPrompts, logits(0), logits(1), published, tolerance_of("F32")).passed);
  EXPECT_FALSE(compare_logits(kPrompts, logits(0), logits(1), published, tolerance_of("Q4_0")).passed);
}

TEST(PublishGate, RefusesAnotherVocabularySize) {
  PromptLogits published = {at::randn({3, 21}), at::randn({2, 21})};
  EXPECT_THROW(compare_logits(kPrompts, logits(0), logits(1), published, tolerance_of("F32")), ModelError);
}

TEST(GatePrompts, OfAModelWithoutATokenizerAreIdsOfItsVocabulary) {
  for (const GatePrompt& prompt : stored_prompts(nullptr, 50)) {
    EXPECT_EQ(prompt.ids.size(), 32U);
    for (const int id : prompt.ids)
      EXPECT_TRUE(id >= 0 && id < 50);
  }
}

TEST(GatePrompts, OfAFileAreCheckedLineByLine) {
  const TempFolder folder;
  const auto file = folder.path() / "p.jsonl";
  write_file_atomic(file, "{\"ids\":[1,2]}\n{\"ids\":[1,99]}\n");
  EXPECT_THAT([&] { prompts_of_file(file, nullptr, 50); }, testing::ThrowsMessage<DataError>(HasSubstr(":2")));
  write_file_atomic(file, "{\"messages\":[]}\n");
  EXPECT_THROW(prompts_of_file(file, nullptr, 50), DataError);
  write_file_atomic(file, "");
  EXPECT_THROW(prompts_of_file(file, nullptr, 50), DataError);
}

}  // namespace
}  // namespace afina::evaluation
