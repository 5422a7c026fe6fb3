// SPDX-License-Identifier: Apache-2.0
// The same file again with other words beside it, and other files of the same people.
#include <limits>

#include "datasets/transfer/import_file.h"
#include "storage/accounts/accounts.h"
#include "tests/datasets/transfer/exported.h"
#include "tests/storage/fixtures.h"

namespace afina::datasets {
namespace {

using storage::Transaction;

const std::string kVote = R"({"prompt":"p","chosen":"c","rejected":"r","annotator":"ana","id":"1"})"
                          "\n";
const std::string kOther = R"({"prompt":"p2","chosen":"c","rejected":"r","annotator":"ana","id":"2"})"
                           "\n";

class ImportAgain : public ::testing::Test {
 protected:
  ImportReport bring(const std::string& text, const std::vector<std::string>& purposes = {"train", "review"},
                     ImportFormat format = ImportFormat::jsonl, const ParseOptions& options = {}) {
    ImportRequest request;
    request.format = format;
    request.parse = options;
    request.about.workspace_id = storage::kPublicWorkspace;
    request.about.source = "estudio";
    request.about.licence = request.about.actor = "x";
    request.about.declaration = cat("por ", purposes.size(), purposes.at(0));
    request.about.purposes = purposes;
    return import_file(test.db(), {[&] { return memory_source(text); }, {}}, request);
  }
  size_t votes(const std::string& purpose) {
    return take_out(test.db(), ExportKind::judgements, {.purpose = purpose}).rows.size();
  }
  int64_t count(const std::string& what) {
    return test.db().read(
        [&](Transaction& t) { return t.exec("SELECT (SELECT " + what + ") AS n").one().integer("n"); });
  }

  storage::TestDatabase test;
};

TEST_F(ImportAgain, ARepeatTellsTheRowsThatItPassedOverAsTheFirstTimeDid) {
  const ImportReport first = bring(kVote + "nada\n"), again = bring(kVote + "nada\n");
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(again.counts.skipped, 1);
  ASSERT_EQ(again.skipped.size(), 1U);
  EXPECT_EQ(again.skipped[0].line, first.skipped.at(0).line);
  EXPECT_EQ(again.skipped[0].why, first.skipped.at(0).why);
  EXPECT_EQ(again.counts.existing, 2) << "the conversation and its vote";
}

TEST_F(ImportAgain, OptionsThatCannotBeAreRefusedOnARepeatToo) {
  bring(kVote);
  for (const double scale : {std::numeric_limits<double>::quiet_NaN(), 1.0, -3.0, 1e9})
    EXPECT_THROW(bring(kVote, {"train"}, ImportFormat::jsonl, {.rating_max = scale}), UsageError) << scale;
}

TEST_F(ImportAgain, SuggestionsComeInWhenTheyAreAskedForLater) {
  const std::string file =
      R"([{"id":"1","fields":{"prompt":"p","response":"r"},"suggestions":{"overall":{"value":5,"agent":"gpt"}}}])";
  EXPECT_EQ(bring(file, {"train"}, ImportFormat::argilla).counts.judgements, 0);
  const ImportReport with = bring(file, {"train"}, ImportFormat::argilla, {.suggestions = true});
  EXPECT_FALSE(with.repeated);
  EXPECT_EQ(with.counts.judgements, 1);
  EXPECT_EQ(count("count(*) FROM import"), 1) << "one file, one import";
}

TEST_F(ImportAgain, AFileThatIsDeclaredForMoreMayBeUsedForMore) {
  bring(kVote, {"review"});
  EXPECT_EQ(votes("train"), 0U);
  const ImportReport wider = bring(kVote, {"train", "publish"});
  EXPECT_TRUE(wider.repeated) << "no new row";
  for (const char* purpose : {"train", "review", "publish"})
    EXPECT_EQ(votes(purpose), 1U) << purpose;
  EXPECT_EQ(count("count(*) FROM consent_event"), 4) << "two of the file's owner, two of ana: none was changed";
  EXPECT_EQ(count("count(*) FROM audit_event WHERE row::text LIKE '%import_widened%'"), 1);
  bring(kVote, {"review"});
  EXPECT_EQ(count("count(*) FROM consent_event"), 4) << "less takes nothing away, and needs no row";
  const auto listed =
      test.db().read([](Transaction& t) { return storage::list_imports(t, storage::kPublicWorkspace, 10); });
  EXPECT_EQ(listed.at(0).purposes, (std::vector<std::string>{"review", "train", "publish"}));
}

TEST_F(ImportAgain, ASecondFileOfTheSamePeopleCountsForWhatItDeclares) {
  bring(kVote, {"review"});
  bring(kOther, {"train"});
  EXPECT_EQ(votes("train"), 1U) << "ana's vote in the second file";
  EXPECT_EQ(votes("review"), 1U) << "the first file is not the second's to widen";
  const ImportReport both = bring(kOther + kVote, {"train"});
  EXPECT_EQ(both.counts.narrower, 1) << "the first file's conversation is told";
  EXPECT_EQ(votes("train"), 1U);
  EXPECT_EQ(bring(kOther, {"train"}).counts.narrower, 0) << "the control";
}

TEST_F(ImportAgain, WhatWasTakenBackStaysSoHoweverOftenTheFileIsGiven) {
  const ImportReport first = bring(kVote, {"review"});
  test.db().transaction([&](Transaction& t) { storage::withdraw(t, first.receipt_code); });
  bring(kVote, {"train", "review", "publish"});
  for (const char* purpose : {"train", "review", "publish"})
    EXPECT_EQ(votes(purpose), 0U) << purpose;
}

TEST_F(ImportAgain, ProbabilitiesOfOurOwnKtoFileComeBack) {
  bring(R"({"prompt":"p","completion":"c","label":0.75})"
        "\n");
  const Exported out = take_out(test.db(), ExportKind::kto);
  ASSERT_EQ(out.rows.size(), 1U);
  ASSERT_EQ(out.rows[0]["label"], true) << "as TRL wants it";
  const ParsedFile back = parse_whole(ImportFormat::jsonl, out.bytes);
  ASSERT_EQ(back.records.size(), 1U);
  EXPECT_EQ(back.records[0].judgements.at(0).score, 0.75);
  EXPECT_EQ(parse_whole(ImportFormat::jsonl, R"({"prompt":"p","completion":"c","label":true,"probability":7})")
                .skipped.size(),
            1U);
}

TEST_F(ImportAgain, AConversationWithAToolAndAsLongAsV1AcceptsComesBack) {
  const std::string longest((size_t{4} << 20) - 1000, 'x');
  const Json chat{{"messages",
                   {{{"role", "user"}, {"content", longest}},
                    {{"role", "assistant"}, {"content", "a"}},
                    {{"role", "tool"}, {"content", ""}},
                    {{"role", "tool"}, {"content", "{\"mm\": 3}"}},
                    {{"role", "assistant"}, {"content", "b"}}}}};
  const ImportReport report = bring(dump_json(chat) + "\n");
  ASSERT_EQ(report.counts.skipped, 0) << report.skipped.at(0).why;
  const Exported out = take_out(test.db(), ExportKind::conversations);
  ASSERT_EQ(out.rows.size(), 1U);
  const ParsedFile back = parse_whole(ImportFormat::jsonl, out.bytes);
  ASSERT_EQ(back.records.size(), 1U) << back.skipped.at(0).why;
  std::vector<std::string> roles;
  for (const ImportMessage& m : back.records[0].messages)
    roles.push_back(m.role);
  EXPECT_EQ(roles, (std::vector<std::string>{"user", "assistant", "tool", "tool", "assistant"}));
  EXPECT_EQ(back.records[0].messages[0].content, longest);
}

}  // namespace
}  // namespace afina::datasets
