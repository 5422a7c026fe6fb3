// SPDX-License-Identifier: Apache-2.0
#include "evaluation/model_card.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace afina::evaluation {
namespace {

using testing::HasSubstr;
using testing::Not;

ModelCard card() {
  ModelCard card;
  card.name = "Llama-trámites";
  card.base_model = "org/base";
  card.format = "PEFT LoRA adapter (F32)";
  card.is_adapter = true;
  card.licence = {"llama3.1", "README.md"};
  card.duties = duties_of(card.licence);
  card.languages = {"es", "pt"};
  card.gate.rows.resize(6);
  return card;
}

TEST(ModelCard, TellsBaseDataLanguagesLicenceAndGate) {
  ModelCard made = card();
  made.training.run_id = "0190";
  made.training.data_sha256 = "feed";
  made.training.source = "snapshot mayo";
  made.training.eval_rows = 24;
  made.training.evaluation = {{"eval_rewards/accuracies", 0.625}};
  const std::string text = model_card_text(made);
  for (const char* part : {"license: \"llama3.1\"", "base_model: \"org/base\"", "- \"es\"", "library_name: peft",
                           "snapshot mayo", "feed", "0.625", "Built with Llama", "stored prompts", "24 held-out rows"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(ModelCard, KeepsHostileNamesOutOfTheFrontMatterAndTables) {
  ModelCard made = card();
  made.base_model = "x\"\nlicense: mit\nevil: [";
  made.name = "<script>alert(1)</script> | `x`";
  const std::string text = model_card_text(made);
  EXPECT_THAT(text, Not(HasSubstr("\nlicense: mit")));
  EXPECT_THAT(text, Not(HasSubstr("<script>")));
}

TEST(ModelCard, SaysWhatIsNotKnown) {
  const std::string text = model_card_text(card());
  EXPECT_THAT(text, HasSubstr("Nothing is recorded of the training"));
  EXPECT_THAT(text, HasSubstr("No held-out figures are recorded"));
}

TEST(ReadTraining, TakesTheLastHeldOutFiguresOfARun) {
  const TempFolder run;
  write_file_atomic(run.path() / "run.json", R"({"run_id": "r1", "kind": "dpo", "source": "snapshot s", "rows": 9})");
  write_file_atomic(run.path() / "metrics.jsonl",
                    "{\"step\":1,\"eval_loss\":0.7}\n{\"step\":2,\"loss\":0.6}\n{\"step\":3,\"eval_loss\":0.5}\n");
  const Training training = read_training(run.path());
  EXPECT_EQ(training.rows, 9);
  ASSERT_EQ(training.evaluation.size(), 1U);
  EXPECT_EQ(training.evaluation[0].second, 0.5);
}

TEST(ReadTraining, IsEmptyWithoutARecordAndRefusesABrokenOne) {
  const TempFolder run;
  EXPECT_TRUE(read_training(run.path()).run_id.empty());
  write_file_atomic(run.path() / "run.json", "[1]");
  EXPECT_THROW(read_training(run.path()), DataError);
}

}  // namespace
}  // namespace afina::evaluation
