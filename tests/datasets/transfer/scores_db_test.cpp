// SPDX-License-Identifier: Apache-2.0
// Marks of single answers: several raters, several questions, a scale that was named wrongly at first.
#include <algorithm>
#include <regex>

#include "datasets/transfer/import_file.h"
#include "storage/accounts/accounts.h"
#include "tests/datasets/transfer/exported.h"
#include "tests/storage/fixtures.h"

namespace afina::datasets {
namespace {

using storage::Transaction;

class Scores : public ::testing::Test {
 protected:
  ImportReport bring(ImportFormat format, const std::string& text, const ParseOptions& options = {}) {
    ImportRequest request;
    request.format = format;
    request.parse = options;
    request.about.workspace_id = storage::kPublicWorkspace;
    request.about.source = "estudio";
    request.about.licence = request.about.declaration = request.about.actor = "x";
    request.about.purposes = {"train", "review"};
    request.about.locale = "es";
    return import_file(test.db(), {[&] { return memory_source(text); }, {}}, request);
  }
  /// A row as our own export writes it.
  static std::string mark(const std::string& answer, const std::string& who, const std::string& question,
                          double value) {
    return dump_json(Json{{"score_id", cat(answer, who, question)},
                          {"generation_id", answer},
                          {"locale", "es-CL"},
                          {"annotator", who},
                          {"prompt", {{{"role", "user"}, {"content", "¿Llueve?"}}}},
                          {"answer", answer},
                          {"model", "smollm2"},
                          {"question", question},
                          {"value", value}}) +
           "\n";
  }
  /// "question value" of every mark, sorted.
  std::vector<std::string> marks() {
    std::vector<std::string> out;
    for (const Json& row : take_out(test.db(), ExportKind::scores).rows)
      out.push_back(cat(row["question"].get<std::string>(), " ", row["value"].get<double>()));
    std::sort(out.begin(), out.end());
    return out;
  }
  std::vector<Json> kto() { return take_out(test.db(), ExportKind::kto).rows; }

  storage::TestDatabase test;
};

TEST_F(Scores, EveryRaterAndEveryQuestionComesOutWholeInBothForms) {
  bring(ImportFormat::jsonl, mark("Sí", "ana", "helpfulness", 1.0) + mark("Sí", "ana", "toxicity", 0.0) +
                                 mark("Sí", "beto", "helpfulness", 0.5) + mark("No " + kWords, "ana", kWords, 0.25));
  const std::vector<std::string> want{"helpfulness 0.5", "helpfulness 1", "toxicity 0", kWords + " 0.25"};
  std::vector<std::string> sorted = want;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(marks(), sorted);
  std::vector<Json> lines = take_out(test.db(), ExportKind::scores).rows,
                    table = take_parquet(test.db(), ExportKind::scores).rows;
  for (auto* rows : {&lines, &table}) {
    ASSERT_EQ(rows->size(), 4U);
    const auto of_beto = std::find_if(rows->begin(), rows->end(), [](const Json& row) { return row["value"] == 0.5; });
    ASSERT_NE(of_beto, rows->end());
    Json& row = *of_beto;
    EXPECT_TRUE(std::regex_match(row["annotator"].get<std::string>(), std::regex("[0-9a-f]{32}")));
    EXPECT_TRUE(row["created_at"].get<std::string>().ends_with("Z"));
    for (const char* name : {"score_id", "conversation_id", "generation_id", "annotator", "created_at"})
      row.erase(name);
    EXPECT_EQ(row, Json({{"turn", 1},
                         {"locale", "es-CL"},
                         {"source", "import"},
                         {"file", "estudio"},
                         {"prompt", {{{"role", "user"}, {"content", "¿Llueve?"}}}},
                         {"answer", "Sí"},
                         {"model", "smollm2"},
                         {"adapter", nullptr},
                         {"question", "helpfulness"},
                         {"value", 0.5},
                         {"scale", nullptr},
                         {"superseded", false},
                         {"purposes", {"train", "review"}}}));
  }
}

TEST_F(Scores, AnExportOfThemComesBackWhole) {
  bring(ImportFormat::jsonl, mark("Sí", "ana", "helpfulness", 1.0) + mark("Sí", "ana", "toxicity", 0.0));
  const std::string file = take_out(test.db(), ExportKind::scores).bytes;
  const std::vector<std::string> before = marks();
  storage::TestDatabase other;
  ImportRequest request;
  request.about.workspace_id = storage::kPublicWorkspace;
  request.about.source = request.about.licence = request.about.declaration = request.about.actor = "x";
  request.about.purposes = {"train"};
  const ImportReport report = import_file(other.db(), {[&] { return memory_source(file); }, {}}, request);
  EXPECT_EQ(report.counts.skipped, 0);
  EXPECT_EQ(report.counts.conversations, 1) << "two marks of one answer";
  std::vector<std::string> after;
  for (const Json& row : take_out(other.db(), ExportKind::scores).rows)
    after.push_back(cat(row["question"].get<std::string>(), " ", row["value"].get<double>()));
  std::sort(after.begin(), after.end());
  EXPECT_EQ(after, before);
}

TEST_F(Scores, AMarkOfOneNarrowQuestionSaysNothingOfTheAnswerAsAWhole) {
  bring(ImportFormat::jsonl, mark("Sí", "ana", "quality", 1.0) + mark("Sí", "ana", "toxicity", 0.0) +
                                 mark("Sí", "beto", "", 0.8) + mark("No", "ana", "toxicity", 0.0) +
                                 mark("Quizá", "ana", "Overall rating", 0.0) +
                                 mark("Tal vez", "ana", "rating_response_2", 1.0));
  std::map<std::string, double> good;
  for (const Json& row : kto())
    good[row["completion"][0]["content"]] = row["probability"];
  EXPECT_EQ(good.size(), 3U) << "an answer that was marked as harmless and nothing else is neither good nor bad";
  EXPECT_NEAR(good["Sí"], 0.9, 1e-12) << "of quality and of the question without a name";
  EXPECT_EQ(take_out(test.db(), ExportKind::kto).report.left_out.at("no_overall_mark"), 1) << "and that is told";
  EXPECT_EQ(good["Quizá"], 0.0);
  EXPECT_EQ(good["Tal vez"], 1.0);
  EXPECT_EQ(marks().size(), 6U) << "the control: nothing is lost from the raw ones";
}

TEST_F(Scores, LabelsOfOpenAssistantKeepTheirNames) {
  const std::string reply =
      R"({"message_id":"r","parent_id":"p","message_tree_id":"p","role":"assistant","text":"Sí","lang":"es",)";
  const std::string prompt =
      R"({"message_id":"p","message_tree_id":"p","parent_id":null,"role":"prompter","text":"¿Llueve?","lang":"es"})"
      "\n";
  bring(ImportFormat::open_assistant,
        prompt + reply + R"("labels":{"name":["quality","toxicity","humor"],"value":[0.75,0,0.5],"count":[3,3,3]}})");
  EXPECT_EQ(marks(), (std::vector<std::string>{"humor 0.5", "quality 0.75", "toxicity 0"}));
  ASSERT_EQ(kto().size(), 1U);
  EXPECT_EQ(kto()[0]["probability"], 0.75);
  bring(ImportFormat::open_assistant, prompt + reply + R"("labels":{"quality":{"value":0.75},"spam":{"value":0}}})");
  EXPECT_EQ(marks().size(), 4U) << "the other form of labels; what both say is there once";
}

TEST_F(Scores, AFileThatIsReadAgainOnItsRealScaleCorrectsItsMarks) {
  const std::string file =
      R"([{"id":"1","fields":{"prompt":"p","response":"r"},"responses":[)"
      R"({"user_id":"a","values":{"overall":{"value":4}}},{"user_id":"b","values":{"overall":{"value":10}}}]}])";
  const ImportReport wrong = bring(ImportFormat::argilla, file);
  ASSERT_EQ(wrong.counts.skipped, 1);
  EXPECT_NE(wrong.skipped.at(0).why.find("rating_max"), std::string::npos) << wrong.skipped[0].why;
  ASSERT_EQ(kto().size(), 1U);
  EXPECT_EQ(kto()[0]["probability"], 0.75);
  const ImportReport right = bring(ImportFormat::argilla, file, {.rating_max = 10});
  EXPECT_FALSE(right.repeated) << "the advice can be followed";
  EXPECT_EQ(right.counts.judgements, 2);
  EXPECT_EQ(right.counts.conversations, 0);
  EXPECT_EQ(right.counts.skipped, 0);
  ASSERT_EQ(kto().size(), 1U);
  EXPECT_NEAR(kto()[0]["probability"].get<double>(), (3.0 / 9.0 + 1.0) / 2.0, 1e-12);
  int superseded = 0;
  for (const Json& row : take_out(test.db(), ExportKind::scores).rows) {
    superseded += row["superseded"] == true ? 1 : 0;
    EXPECT_EQ(row["superseded"], row["scale"] == 5.0);
  }
  EXPECT_EQ(superseded, 1);
  const ImportReport again = bring(ImportFormat::argilla, file, {.rating_max = 10});
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(again.counts.judgements, 0);
}

TEST_F(Scores, WhoeverWithdrewIsNotInTheFile) {
  const ImportReport report = bring(ImportFormat::jsonl, mark("Sí", "ana", "", 1.0));
  ASSERT_EQ(marks().size(), 1U);
  EXPECT_TRUE(take_out(test.db(), ExportKind::scores, {.purpose = "publish"}).rows.empty());
  EXPECT_TRUE(take_out(test.db(), ExportKind::scores, {.locale = "pt"}).rows.empty());
  test.db().transaction([&](Transaction& t) { storage::withdraw(t, report.receipt_code); });
  EXPECT_TRUE(marks().empty());
}

}  // namespace
}  // namespace afina::datasets
