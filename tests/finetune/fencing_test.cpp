// SPDX-License-Identifier: Apache-2.0
// Two trainers on one run, and a database that dies under one: the second waits for the first's lease, the first writes
// nothing once it has lost the run, and training never waits for the database.
#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>

#include "base/error.h"
#include "finetune/database_run.h"
#include "finetune/file_sink.h"
#include "finetune/run_folder.h"
#include "tests/finetune/toy_run.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_database.h"

namespace afina::finetune::toy {
namespace {

using ::testing::HasSubstr;

storage::Run run_of(const std::string& id, const std::string& out_folder) {
  storage::Run run;
  run.id = id;
  run.name = cat("run ", id);
  run.model = "toy";
  run.out_folder = out_folder;
  return run;
}

class Fencing : public ::testing::Test {
 protected:
  std::unique_ptr<DatabaseRun> holder(const std::string& folder, Lease lease = {}) {
    return std::make_unique<DatabaseRun>(test.db(), run_of(id, folder), rows, nullptr, lease);
  }
  std::string claim_error(DatabaseRun& run) {
    try {
      run.make_sink()->begin(0, 20);
    } catch (const Conflict& error) {
      return error.what();
    }
    return "";
  }
  storage::Run stored() {
    return test.db().read([&](storage::Transaction& t) { return storage::get_run(t, id); });
  }
  std::vector<storage::Metric> metrics() {
    return test.db().read([&](storage::Transaction& t) { return storage::metrics_since(t, id); });
  }
  /// As if the process had been silent for a minute and more.
  void let_the_lease_run_out() {
    storage::PgConnection(test.url()).script("UPDATE run SET heartbeat_at = heartbeat_at - interval '61 s'");
  }

  storage::TestDatabase test;
  const std::string id = new_uuid();
  const ToyRows rows{37, false};
};

TEST_F(Fencing, ASecondTrainerElsewhereWaitsForTheLease) {
  const auto first = holder("/a/run");
  first->make_sink()->begin(0, 20);
  const auto second = holder("/b/copy of the run");
  EXPECT_THAT(claim_error(*second), HasSubstr("held by a living process"));
  EXPECT_EQ(stored().attempt, 1);
  // The control: a lease of nothing lets it in at once.
  const auto third = holder("/b/copy of the run", {std::chrono::seconds(0), std::chrono::milliseconds(10'000)});
  EXPECT_EQ(claim_error(*third), "");
  EXPECT_EQ(stored().attempt, 2);
}

TEST_F(Fencing, OfTheSameFolderTheLockHasProvedTheFirstDead) {
  holder("/a/run")->make_sink()->begin(0, 20);  // killed: it never says that it ended
  EXPECT_EQ(claim_error(*holder("/a/run")), "");
  EXPECT_EQ(stored().attempt, 2);
}

TEST_F(Fencing, TheFolderItselfLetsOneProcessIn) {
  const TempFolder folder;
  const RunFolder first(folder.path() / "run", false, OrderedJson{{"format", 1}});
  EXPECT_THROW(RunFolder(folder.path() / "run", true, {}), Conflict);
}

TEST_F(Fencing, TheFirstWritesNeitherMetricsNorACheckpointOnceItIsTakenOver) {
  const TempFolder folder;
  const auto first = holder("/a/run"), second = holder("/b/copy of the run");
  SinkList sinks;
  sinks.add(first->make_sink());
  auto memory = std::make_unique<MemorySink>();
  MemorySink& seen = *memory;
  seen.on_record = [&](const StepRecord& record) {
    if (record.step != 7) return;
    let_the_lease_run_out();
    EXPECT_EQ(claim_error(*second), "");
  };
  sinks.add(std::move(memory));
  ToyRun run(RunKind::sft, toy_config(), folder.path(), sinks);
  EXPECT_THROW(run.trainer->run({}), Conflict);
  EXPECT_EQ(run.checkpoints.newest_valid()->step, 5);
  for (const auto& metric : metrics())
    EXPECT_LE(metric.step, 7) << metric.name;
  EXPECT_EQ(stored().attempt, 2);
  EXPECT_THROW(first->finish(storage::RunState::finished), Conflict);
  EXPECT_EQ(stored().state, storage::RunState::running);
}

TEST_F(Fencing, TheHeartbeatTellsAHolderThatRecordsNothing) {
  const auto first = holder("/a/run", {std::chrono::seconds(60), std::chrono::milliseconds(20)});
  const auto sink = first->make_sink();
  sink->begin(0, 20);
  sink->examples(1, {});
  let_the_lease_run_out();
  // The heartbeat revives the lease within 20 ms, so taking over needs a claim that does not ask for it.
  test.db().transaction([&](storage::Transaction& t) { storage::claim_run(t, id, 0, "elsewhere", "0"); });
  std::mutex mutex;
  std::condition_variable never;
  bool told = false;
  for (int i = 0; i < 500 && !told; ++i) {
    std::unique_lock lock(mutex);
    never.wait_for(lock, std::chrono::milliseconds(10));
    try {
      sink->examples(2, {});
    } catch (const Conflict&) {
      told = true;
    }
  }
  EXPECT_TRUE(told);
}

TEST_F(Fencing, ADatabaseThatDiesCostsNothingAndItsRecordsArriveLater) {
  const TempFolder folder;
  auto held = holder("/a/run");
  SinkList sinks;
  sinks.add(held->make_sink());
  auto memory = std::make_unique<MemorySink>();
  auto& cluster = storage::TestServer::shared().cluster();
  memory->on_record = [&](const StepRecord& record) {
    if (record.step == 6) cluster.stop();
    if (record.step == 17) cluster.start();
  };
  sinks.add(std::move(memory));
  ToyRun run(RunKind::sft, toy_config(), folder.path(), sinks);
  EXPECT_EQ(run.trainer->run({}).steps, 20);
  EXPECT_EQ(run.checkpoints.newest_valid()->step, 20);
  held->finish(storage::RunState::finished);
  std::set<int64_t> steps;
  for (const auto& metric : metrics())
    steps.insert(metric.step);
  EXPECT_EQ(steps.size(), 20U);
  EXPECT_EQ(stored().state, storage::RunState::finished);
}

}  // namespace
}  // namespace afina::finetune::toy
