// SPDX-License-Identifier: Apache-2.0
// The promise: a run that is killed at any step and resumed ends where an unbroken one does, bit for bit, with dropout,
// accumulation and packing on, whatever its optimiser, objective and schedule keep. The control: any piece of state
// left out is seen.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>

#include "base/error.h"
#include "finetune/file_sink.h"
#include "tests/finetune/child.h"
#include "tests/finetune/toy_run.h"
#include "tests/support/temp_folder.h"

namespace afina::finetune::toy {
namespace {

using ::testing::HasSubstr;

/// A run whose every piece of state matters: dropout, accumulation and packing, one optimiser, objective or schedule
/// with a state of its own.
struct RunSetup {
  const char* name;
  RunKind kind = RunKind::sft;
  OptimiserType optim = OptimiserType::adamw_torch;
  bool plateau = false, stops_early = false;
};
const std::vector<RunSetup> kSetups = {{"sft"},
                                       {"dpo", RunKind::dpo},
                                       {"bco", RunKind::bco},
                                       {"adamw_8bit", RunKind::sft, OptimiserType::adamw_8bit},
                                       {"lion", RunKind::dpo, OptimiserType::lion},
                                       {"adafactor", RunKind::sft, OptimiserType::adafactor},
                                       {"sgd", RunKind::sft, OptimiserType::sgd},
                                       {"muon", RunKind::sft, OptimiserType::muon},
                                       {"plateau", RunKind::sft, OptimiserType::adamw_torch, true},
                                       {"stops_early", RunKind::sft, OptimiserType::adamw_torch, false, true}};

const RunSetup& setup_of(const std::string& name) {
  for (const auto& setup : kSetups)
    if (setup.name == name) return setup;
  throw std::runtime_error(cat("no setup ", name));
}

RunConfig config_of(const RunSetup& setup) {
  RunConfig config = toy_config();
  config.optim = setup.optim;
  config.momentum = setup.optim == OptimiserType::sgd ? 0.9 : 0.0;
  if (setup.optim == OptimiserType::lion) config.learning_rate = 0.01;
  config.packing = setup.kind == RunKind::sft;
  config.max_length = 24;
  if (setup.plateau) {
    config.lr_scheduler_type = SchedulerType::reduce_lr_on_plateau;
    config.lr_scheduler_kwargs = {"patience=1", "factor=0.7", "threshold=0.5"};
    config.eval_steps = 2;
  }
  if (setup.stops_early) {
    config.eval_steps = 4;
    config.early_stopping_patience = 3;
    config.early_stopping_threshold = 100.0;
  }
  return config;
}

struct Finished {
  std::vector<float> parameters;
  std::vector<std::vector<std::pair<std::string, double>>> records;  // timing left out
};

std::vector<std::pair<std::string, double>> untimed(const StepRecord& record) {
  auto values = record.values;
  std::erase_if(values, [](const auto& value) { return value.first == "tokens_per_second"; });
  values.emplace_back("step", static_cast<double>(record.step));
  return values;
}

Finished straight_run_once(const RunSetup& setup) {
  const TempFolder folder;
  MemorySink sink;
  ToyRun run(setup.kind, config_of(setup), folder.path(), sink);
  run.trainer->run({});
  Finished out{run.parameters(), {}};
  for (const auto& record : sink.records)
    out.records.push_back(untimed(record));
  return out;
}

const Finished& straight_run(const RunSetup& setup) {
  static std::map<std::string, Finished> done;
  const auto found = done.find(setup.name);
  return found != done.end() ? found->second : done.emplace(setup.name, straight_run_once(setup)).first->second;
}

/// Trains on from the newest checkpoint of folder, in this process.
Finished resumed_run(const RunSetup& setup, const std::filesystem::path& folder, int64_t expected_step) {
  MemorySink sink;
  ToyRun run(setup.kind, config_of(setup), folder, sink);
  const auto checkpoint = run.checkpoints.newest_valid();
  EXPECT_TRUE(checkpoint);
  if (!checkpoint) return {};
  run.trainer->restore(*checkpoint);
  if (expected_step >= 0) {
    EXPECT_EQ(run.trainer->step(), expected_step);
  }
  run.trainer->run({});
  Finished out{run.parameters(), {}};
  for (const auto& record : sink.records)
    out.records.push_back(untimed(record));
  return out;
}

const RunSetup& child_setup() {
  return setup_of(std::getenv("AFINA_TEST_SETUP"));
}

TEST(Child, DISABLED_KilledAfterAStep) {
  MemorySink sink;
  sink.on_record = [](const StepRecord& record) {
    if (record.step == std::atoll(std::getenv("AFINA_TEST_STEP"))) ::kill(::getpid(), SIGKILL);
  };
  ToyRun run(child_setup().kind, config_of(child_setup()), std::getenv("AFINA_TEST_FOLDER"), sink);
  run.trainer->run({});
}

TEST(Child, DISABLED_KilledWhileSavingStep15) {
  MemorySink sink;
  int64_t last = 0;
  sink.on_record = [&](const StepRecord& record) { last = record.step; };
  ToyRun run(child_setup().kind, config_of(child_setup()), std::getenv("AFINA_TEST_FOLDER"), sink);
  run.policy.on_save = [&] {
    if (last == 15) ::kill(::getpid(), SIGKILL);
  };
  run.trainer->run({});
}

void expect_tail(const Finished& tail, const Finished& whole) {
  EXPECT_EQ(tail.parameters, whole.parameters);
  ASSERT_LT(tail.records.size(), whole.records.size());
  const size_t skipped = whole.records.size() - tail.records.size();
  for (size_t i = 0; i < tail.records.size(); ++i)
    EXPECT_EQ(tail.records[i], whole.records[skipped + i]) << "record " << skipped + i + 1;
}

class Resume : public ::testing::TestWithParam<RunSetup> {
 protected:
  void SetUp() override { ::setenv("AFINA_TEST_SETUP", GetParam().name, 1); }
};
INSTANTIATE_TEST_SUITE_P(Trainer, Resume, ::testing::ValuesIn(kSetups),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(Resume, AKillAtARandomStepChangesNothingInTheEnd) {
  const TempFolder folder;
  const size_t steps = straight_run(GetParam()).records.size();
  const size_t step = 6 + std::random_device{}() % (steps - 6);
  ::setenv("AFINA_TEST_STEP", std::to_string(step).c_str(), 1);
  const int status = run_child("Child.DISABLED_KilledAfterAStep", folder.path());
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  SCOPED_TRACE(cat("killed after step ", step));
  expect_tail(resumed_run(GetParam(), folder.path(), -1), straight_run(GetParam()));
}

TEST_P(Resume, AStopIsResumedBitForBit) {
  const TempFolder folder;
  std::stop_source stop;
  MemorySink sink;
  sink.on_record = [&](const StepRecord& record) {
    if (record.step == 10) stop.request_stop();
  };
  ToyRun run(GetParam().kind, config_of(GetParam()), folder.path(), sink);
  EXPECT_THROW(run.trainer->run(stop.get_token()), Cancelled);
  expect_tail(resumed_run(GetParam(), folder.path(), 10), straight_run(GetParam()));
}

TEST(ResumeSave, AKillWhileSavingLeavesTheCheckpointBefore) {
  const TempFolder folder;
  const RunSetup& setup = setup_of("dpo");
  ::setenv("AFINA_TEST_SETUP", setup.name, 1);
  const int status = run_child("Child.DISABLED_KilledWhileSavingStep15", folder.path());
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "checkpoints/ckpt-00000015.tmp"));
  expect_tail(resumed_run(setup, folder.path(), 10), straight_run(setup));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "checkpoints/ckpt-00000015.tmp"));
}

TEST(ResumeStop, AStopWithinAnEvaluationIsMadeUpForByTheNextAttempt) {
  // Without it the schedule would not hear of the evaluation of step 10.
  const TempFolder folder;
  const RunSetup& setup = setup_of("plateau");
  std::stop_source stop;
  MemorySink sink;
  ToyRun run(setup.kind, config_of(setup), folder.path(), sink);
  run.policy.on_evaluate = [&] {
    if (run.trainer->step() == 10) stop.request_stop();
  };
  EXPECT_THROW(run.trainer->run(stop.get_token()), Cancelled);
  EXPECT_EQ(sink.records.back().step, 10);
  EXPECT_EQ(sink.records.back().find("eval_loss"), nullptr);
  EXPECT_EQ(resumed_run(setup, folder.path(), 10).parameters, straight_run(setup).parameters);
}

TEST(ResumeStop, AStopBetweenMicroBatchesDropsTheHalfStep) {
  const TempFolder folder;
  std::stop_source stop;
  stop.request_stop();
  MemorySink sink;
  ToyRun run(RunKind::sft, toy_config(), folder.path(), sink);
  EXPECT_THROW(run.trainer->run(stop.get_token()), Cancelled);
  EXPECT_TRUE(sink.records.empty());
  ASSERT_TRUE(run.checkpoints.newest_valid());
  EXPECT_EQ(run.checkpoints.newest_valid()->step, 0);
}

void forget(OptimiserState& state, size_t buffer) {
  std::visit([](auto& values) { std::fill(values.begin(), values.end(), 0); }, state.buffers.at(buffer).values);
}

struct Piece {
  const char* name;
  const char* setup;
  void (*forget)(TrainState&);
};

class LeftOut : public ::testing::TestWithParam<Piece> {};
INSTANTIATE_TEST_SUITE_P(
    Resume, LeftOut,
    ::testing::Values(Piece{"nothing", "sft", [](TrainState&) {}},
                      Piece{"first_moment", "sft", [](TrainState& s) { forget(s.optimiser, 0); }},
                      Piece{"second_moment", "sft", [](TrainState& s) { forget(s.optimiser, 1); }},
                      Piece{"optimiser_step", "sft", [](TrainState& s) { s.optimiser.step = 0; }},
                      Piece{"place_in_data", "sft", [](TrainState& s) { s.cursor = {}; }},
                      Piece{"epoch_of_the_order", "sft", [](TrainState& s) { s.cursor.epoch = 0; }},
                      Piece{"step_of_schedule_and_dropout", "sft", [](TrainState& s) { s.step = 9; }},
                      Piece{"parameters", "sft", [](TrainState& s) { s.parameters[3] = 0.0F; }},
                      Piece{"momentum_of_lion", "lion", [](TrainState& s) { forget(s.optimiser, 0); }},
                      Piece{"rows_of_adafactor", "adafactor", [](TrainState& s) { forget(s.optimiser, 0); }},
                      Piece{"columns_of_adafactor", "adafactor", [](TrainState& s) { forget(s.optimiser, 1); }},
                      Piece{"step_of_adafactor", "adafactor", [](TrainState& s) { s.optimiser.step = 0; }},
                      Piece{"momentum_of_sgd", "sgd", [](TrainState& s) { forget(s.optimiser, 0); }},
                      Piece{"momentum_of_muon", "muon", [](TrainState& s) { forget(s.optimiser, 0); }},
                      Piece{"mean_of_bco", "bco", [](TrainState& s) { s.objective[0] = 0.0; }},
                      Piece{"count_of_bco", "bco", [](TrainState& s) { s.objective[1] = 0.0; }},
                      Piece{"rate_of_the_plateau", "plateau", [](TrainState& s) { s.schedule[0] = 0.05; }},
                      Piece{"best_of_the_plateau", "plateau", [](TrainState& s) { s.schedule[1] = INFINITY; }},
                      Piece{"patience_of_the_plateau", "plateau", [](TrainState& s) { s.schedule[2] += 1.0; }},
                      Piece{"patience_of_the_best_model", "stops_early", [](TrainState& s) { s.best_model[2] = 0.0; }}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_P(LeftOut, IsSeenInTheResult) {
  const RunSetup& setup = setup_of(GetParam().setup);
  const TempFolder folder;
  MemorySink sink;
  std::stop_source stop;
  sink.on_record = [&](const StepRecord& record) {
    if (record.step == 10) stop.request_stop();
  };
  ToyRun run(setup.kind, config_of(setup), folder.path(), sink);
  EXPECT_THROW(run.trainer->run(stop.get_token()), Cancelled);
  const auto checkpoint = run.checkpoints.newest_valid();
  TrainState state = load_train_state(checkpoint->folder, kVocab * kVocab);
  GetParam().forget(state);
  const TempFolder other;
  CheckpointStore store(other.path() / "checkpoints", 3);
  store.save(state.step, checkpoint->facts, [&](const auto& target) { save_train_state(target, state); });
  std::vector<float> resumed;
  try {
    resumed = resumed_run(setup, other.path(), state.step).parameters;
  } catch (const ModelError&) {
    // Without its second moment Adam may fly off to a loss that is not a number: seen as well.
  }
  if (std::string(GetParam().name) == "nothing") {
    EXPECT_EQ(resumed, straight_run(setup).parameters);
  } else {
    EXPECT_NE(resumed, straight_run(setup).parameters);
  }
}

TEST(TrainStateFiles, KeepEveryBitOfEveryPiece) {
  TrainState state{7, {2, 5}, 11, 13, {0.1F, -0.0F, 1e-40F}, {}, {0.1, -3.0}, {1e-5, INFINITY}, {NAN, -1.0}, true};
  state.optimiser = {6,
                     {{"momentum", std::vector<float>{0.3F, 1e-45F}},
                      {"codes", std::vector<uint8_t>{0, 255, 7}},
                      {"empty", std::vector<float>{}}}};
  const TempFolder folder;
  save_train_state(folder.path(), state);
  const TrainState back = load_train_state(folder.path(), 3);
  EXPECT_EQ(back.optimiser, state.optimiser);
  EXPECT_EQ(back.step, 7);
  EXPECT_EQ(back.cursor, (Cursor{2, 5}));
  EXPECT_EQ(back.parameters, state.parameters);
  EXPECT_EQ(back.objective, state.objective);
  EXPECT_EQ(back.schedule, state.schedule);
  EXPECT_TRUE(std::isnan(back.best_model.at(0)));
  EXPECT_TRUE(back.evaluation_due);
  EXPECT_THROW(load_train_state(folder.path(), 4), ModelError);
}

TEST(ResumeOther, RunsAreRefused) {
  const TempFolder folder;
  MemorySink sink;
  ToyRun run(RunKind::sft, toy_config(), folder.path(), sink);
  run.trainer->run({});
  const auto refusal = [&](RunConfig config, int64_t rows) -> std::string {
    MemorySink other_sink;
    ToyRun other(RunKind::sft, config, folder.path(), other_sink, true, rows);
    try {
      other.trainer->restore(*other.checkpoints.newest_valid());
    } catch (const Conflict& error) {
      return error.what();
    }
    return "";
  };
  RunConfig config = toy_config();
  EXPECT_EQ(refusal(config, 37), "");
  EXPECT_THAT(refusal(config, 36), HasSubstr("the data"));
  config.save_steps = 4;
  EXPECT_EQ(refusal(config, 37), "");
  config.seed = 7;
  EXPECT_THAT(refusal(config, 36), HasSubstr("the config, the data"));
}

TEST(ResumeRecords, OfStepsThatAResumeUndoesAreCut) {
  const TempFolder folder;
  const ToyRows rows(4, false);
  {
    FileSink sink(folder.path(), rows);
    sink.begin(0, 9);
    for (int64_t step = 1; step <= 5; ++step) {
      sink.examples(step, {{step % 4, 0.5}});
      sink.record({step, {{"loss", 0.25}, {"num_tokens", 7.0}}});
    }
  }
  std::ofstream(folder.path() / "metrics.jsonl", std::ios::app) << "{\"step\":6,\"lo";
  FileSink sink(folder.path(), rows);
  sink.begin(3, 9);
  sink.record({4, {{"loss", 1.5}}});
  sink.flush(4);
  EXPECT_EQ(read_file(folder.path() / "metrics.jsonl"),
            "{\"step\":1,\"loss\":0.25,\"num_tokens\":7}\n{\"step\":2,\"loss\":0.25,\"num_tokens\":7}\n"
            "{\"step\":3,\"loss\":0.25,\"num_tokens\":7}\n{\"step\":4,\"loss\":1.5}\n");
  EXPECT_EQ(read_file(folder.path() / "examples.jsonl"),
            "{\"step\":1,\"row\":1,\"loss\":0.5,\"line\":2}\n{\"step\":2,\"row\":2,\"loss\":0.5,\"line\":3}\n"
            "{\"step\":3,\"row\":3,\"loss\":0.5,\"line\":4}\n");
}

}  // namespace
}  // namespace afina::finetune::toy
