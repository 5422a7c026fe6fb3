// SPDX-License-Identifier: Apache-2.0
// The workbench over a real PostgreSQL: what people and trainers wrote is what the panels get, and the program draws
// it.
#include "gui/storage_source.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>

#include "base/error.h"
#include "gui/image.h"
#include "storage/adapters.h"
#include "storage/runs.h"
#include "storage/snapshots.h"
#include "tests/storage/fixtures.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::gui {
namespace {

using storage::TestDatabase;
using storage::Transaction;

/// One conversation with two votes by one person, the second correcting the first.
storage::Shown make_voted_pair(storage::Database& db) {
  return db.transaction([](Transaction& t) {
    const storage::Person person = storage::make_person(t);
    const storage::Shown shown = storage::make_pair_for(t, person, "¿Dónde pago la luz en Ñuñoa?");
    storage::NewPreference first = storage::vote_on(shown.exposure, 3);
    storage::put_preference(t, first);
    storage::NewPreference second = storage::vote_on(shown.exposure, -2);
    second.supersedes_id = first.id;
    second.reason = "B es más clara";
    storage::put_preference(t, second);
    return shown;
  });
}

storage::Run make_run(storage::Database& db, int steps) {
  storage::Run run;
  run.name = "dpo-1";
  run.kind = storage::RunKind::dpo;
  run.config = OrderedJson::parse(R"({"learning_rate": 5e-05, "beta": 0.1, "target_modules": ["q_proj", "v_proj"]})");
  run.model = "model.gguf";
  run.data_path = "votes.jsonl";
  run.max_steps = 20;
  db.transaction([&](Transaction& t) { storage::create_run(t, run); });
  const int attempt = db.transaction([&](Transaction& t) { return storage::claim_run(t, run.id, 0, "host", "0.1.0"); });
  std::vector<storage::Metric> metrics;
  for (int step = 1; step <= steps; ++step) {
    metrics.push_back({step, "loss", 0.7 - 0.01 * step});
    metrics.push_back({step, "rewards/margins", 0.02 * step});
  }
  db.transaction([&](Transaction& t) { storage::insert_metrics(t, run.id, attempt, metrics); });
  run.attempt = attempt;
  return run;
}

TEST(StorageSource, AnEmptyDatabaseIsAnEmptyLoop) {
  TestDatabase test;
  StorageSource source(test.target(), {.announce = false});
  EXPECT_EQ(source.loop(), LoopData{});
  EXPECT_EQ(source.conversations({}).total, 0);
  EXPECT_TRUE(source.runs().empty());
}

TEST(StorageSource, ShowsTheVotesBesideTheirPairWithTheCorrectedOneMarked) {
  TestDatabase test;
  const storage::Shown shown = make_voted_pair(test.db());
  StorageSource source(test.target(), {.announce = false});
  const LoopData loop = source.loop();
  EXPECT_EQ(loop.conversations.conversations, 1);
  EXPECT_EQ(loop.votes.votes, 1);
  const ConversationPage page = source.conversations({"nunoa", 0, 50});
  ASSERT_EQ(page.rows.size(), 1U);
  EXPECT_EQ(page.rows[0].title, "¿Dónde pago la luz en Ñuñoa?");
  EXPECT_EQ(page.rows[0].votes, 1);
  const ConversationDetail detail = source.conversation(shown.conversation.id);
  ASSERT_EQ(detail.turns.size(), 2U);
  EXPECT_EQ(detail.turns[0].role, "user");
  const Turn& pair = detail.turns[1];
  ASSERT_EQ(pair.pair.size(), 2U);
  EXPECT_EQ(pair.pair[1].text, "No lo sé.");
  ASSERT_EQ(pair.votes.size(), 2U);
  EXPECT_TRUE(pair.votes[0].superseded);
  EXPECT_EQ(pair.votes[1].grade, -2);
  EXPECT_EQ(pair.votes[1].reason, "B es más clara");
  EXPECT_THROW(source.conversation("0193a001-0000-7000-8000-000000000000"), NotFound);
}

TEST(StorageSource, ReadsOnlyTheNewPointsOfARunAndGetsTheSameCurves) {
  TestDatabase test;
  const storage::Run run = make_run(test.db(), 10);
  StorageSource source(test.target(), {.announce = false});
  const RunDetail first = source.run(run.id, nullptr);
  EXPECT_EQ(first.row.method, "dpo");
  EXPECT_EQ(first.row.state, "running");
  EXPECT_EQ(first.series.at("loss").steps.size(), 10U);
  ASSERT_EQ(first.config.size(), 3U);
  EXPECT_EQ(first.config[0].first, "learning_rate");
  EXPECT_EQ(first.config[2].second, "q_proj, v_proj");
  // An evaluation of the last step, written after its loss, and one more step.
  test.db().transaction([&](Transaction& t) {
    storage::insert_metrics(t, run.id, run.attempt, {{10, "eval_loss", 0.65}, {11, "loss", 0.5}});
  });
  const RunDetail second = source.run(run.id, &first);
  EXPECT_EQ(second.series.at("eval_loss").steps, std::vector<double>{10});
  EXPECT_EQ(second.series.at("loss").steps.size(), 11U);
  const RunDetail whole = source.run(run.id, nullptr);
  EXPECT_EQ(second, whole);
  ASSERT_EQ(source.runs().size(), 1U);
  EXPECT_DOUBLE_EQ(source.runs()[0].loss.value(), 0.5);
}

TEST(StorageSource, AResumeThatUndidStepsIsReadAfresh) {
  TestDatabase test;
  const storage::Run run = make_run(test.db(), 10);
  StorageSource source(test.target(), {.announce = false});
  const RunDetail before = source.run(run.id, nullptr);
  const int attempt =
      test.db().transaction([&](Transaction& t) { return storage::claim_run(t, run.id, 5, "host", "0.1.0"); });
  test.db().transaction([&](Transaction& t) { storage::insert_metrics(t, run.id, attempt, {{6, "loss", 9.0}}); });
  const RunDetail after = source.run(run.id, &before);
  EXPECT_EQ(after.series.at("loss").steps, (std::vector<double>{1, 2, 3, 4, 5, 6}));
  EXPECT_DOUBLE_EQ(after.series.at("loss").values.back(), 9.0);
}

TEST(StorageSource, WithoutADatabaseIsRefusedAtOnce) {
  EXPECT_THROW(StorageSource({storage::DatabaseTarget::Kind::none, "", {}}, {}), UsageError);
}

struct Outcome_ {
  int code = -1;
  std::string text;
};

Outcome_ run_program(const std::string& arguments) {
  Outcome_ outcome;
  FILE* pipe = popen((program_path("afina-workbench").string() + " " + arguments + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer{};
  for (size_t n = 0; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    outcome.text.append(buffer.data(), n);
  outcome.code = WEXITSTATUS(pclose(pipe));
  return outcome;
}

TEST(WorkbenchProgram, DrawsARealDatabaseWithoutADisplay) {
  TestDatabase test;
  make_voted_pair(test.db());
  const storage::Run run = make_run(test.db(), 10);
  const TempFolder folder;
  for (const std::string panel : {"loop", "conversations", "runs"}) {
    const auto file = folder.path() / (panel + ".png");
    const Outcome_ outcome = run_program("--database '" + test.url() + "' --screenshot " + file.string() + " --panel " +
                                         panel + " --size 1000x700 --theme light --lang es");
    EXPECT_EQ(outcome.code, 0) << outcome.text;
    EXPECT_EQ(read_png(file).width, 1000);
  }
  const Outcome_ chosen = run_program("--database '" + test.url() + "' --panel runs --select " + run.id +
                                      " --screenshot " + (folder.path() / "run.png").string());
  EXPECT_EQ(chosen.code, 0) << chosen.text;
}

TEST(WorkbenchProgram, ADatabaseThatIsAwayIsInThePictureAndInTheExitCode) {
  const TempFolder folder;
  const auto file = folder.path() / "away.png";
  const Outcome_ outcome = run_program("--database postgresql://127.0.0.1:1/nothing --screenshot " + file.string());
  EXPECT_EQ(outcome.code, 4) << outcome.text;
  EXPECT_NE(outcome.text.find("error: "), std::string::npos);
  EXPECT_EQ(read_png(file).width, 1280);
}

TEST(WorkbenchProgram, BadArgumentsAreUsageErrorsThatNameTheArgument) {
  for (const std::string arguments : {"--size 1280", "--size 9x9", "--panel nowhere", "--lang quz", "--scale 99",
                                      "--database none", "--theme purple", "--no-such-flag"}) {
    const Outcome_ outcome = run_program(arguments + " --screenshot /dev/null/x.png");
    EXPECT_EQ(outcome.code, 2) << arguments << ": " << outcome.text;
    EXPECT_NE(outcome.text.find(arguments.substr(2, arguments.find(' ') - 2)), std::string::npos) << outcome.text;
  }
}

}  // namespace
}  // namespace afina::gui
