// SPDX-License-Identifier: Apache-2.0
// What makes a run one to trust, beside exact resume: the best checkpoint, early stopping, several held-out sets, stops
// at the first number that is none, health verdicts, and a full disk that costs a checkpoint and nothing else.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>

#include "base/error.h"
#include "finetune/file_sink.h"
#include "tests/finetune/toy_run.h"
#include "tests/support/temp_folder.h"

namespace afina::finetune::toy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

RunConfig evaluated_config() {
  RunConfig config = toy_config();
  config.eval_steps = 4;
  config.learning_rate = 0.4;  // overshoots: the best evaluation is not the last
  config.lr_scheduler_type = SchedulerType::constant;
  config.max_steps = 24;
  config.save_total_limit = 1;
  config.load_best_model_at_end = true;
  return config;
}

/// Evaluations of a run by step: eval_loss.
std::vector<std::pair<int64_t, double>> evaluations(const MemorySink& sink) {
  std::vector<std::pair<int64_t, double>> out;
  for (const auto& record : sink.records)
    if (const double* value = record.find("eval_loss")) out.emplace_back(record.step, *value);
  return out;
}

TEST(BestModel, TheAdapterIsThatOfTheBestEvaluationAndItsCheckpointStays) {
  const TempFolder folder;
  MemorySink sink;
  ToyRun run(RunKind::dpo, evaluated_config(), folder.path(), sink);
  const RunOutcome outcome = run.trainer->run({});
  const auto all = evaluations(sink);
  const auto best = *std::min_element(all.begin(), all.end(), [](auto& a, auto& b) { return a.second < b.second; });
  EXPECT_EQ(outcome.best_step, best.first);
  EXPECT_EQ(outcome.best_value, best.second);
  ASSERT_LT(best.first, 24) << "the toy must overshoot";
  ASSERT_TRUE(run.checkpoints.best());
  EXPECT_EQ(run.checkpoints.best()->step, best.first);
  EXPECT_EQ(run.checkpoints.newest_valid()->step, 24);
  EXPECT_EQ(run.parameters(), load_parameters(run.checkpoints.best()->folder, kVocab * kVocab));
  const EvaluationSet set{&run.held_out, run.held_out_reference.get()};
  const auto values = evaluate_rows(run.policy, *run.objective, set, run.config, {});
  EXPECT_EQ(values.front().first, "eval_loss");
  EXPECT_NEAR(values.front().second, best.second, 1e-12);
}

TEST(BestModel, WithoutTheWishTheLastStepIsTheAdapter) {
  const TempFolder folder;
  MemorySink sink;
  RunConfig config = evaluated_config();
  config.load_best_model_at_end = false;
  ToyRun run(RunKind::dpo, config, folder.path(), sink);
  EXPECT_EQ(run.trainer->run({}).best_step, -1);
  EXPECT_FALSE(run.checkpoints.best());
  EXPECT_EQ(run.parameters(), load_parameters(run.checkpoints.newest_valid()->folder, kVocab * kVocab));
}

TEST(BestModel, ADamagedBestCheckpointIsAnErrorNotTheLastStep) {
  const TempFolder folder;
  MemorySink sink;
  ToyRun run(RunKind::dpo, evaluated_config(), folder.path(), sink);
  sink.on_record = [&](const StepRecord& record) {
    if (record.step != 24) return;
    const auto best = run.checkpoints.best();
    ASSERT_TRUE(best);
    std::filesystem::resize_file(best->folder / "state.safetensors", 20);
  };
  EXPECT_THROW(run.trainer->run({}), StorageError);
}

StepRecord evaluation(int64_t step, const char* name, double value) {
  return {step, {{"loss", 1.0}, {name, value}}};
}

TEST(BestModel, PatienceCountsEvaluationsThatAreNotClearlyBetter) {
  RunConfig config;
  config.early_stopping_patience = 2;
  config.early_stopping_threshold = 0.1;
  BestModel best(config);
  EXPECT_TRUE(best.evaluated(evaluation(1, "eval_loss", 1.0)));
  EXPECT_TRUE(best.evaluated(evaluation(2, "eval_loss", 0.95)));  // better, but not clearly
  EXPECT_FALSE(best.should_stop());
  EXPECT_TRUE(best.evaluated(evaluation(3, "eval_loss", 0.5)));
  EXPECT_FALSE(best.evaluated(evaluation(4, "eval_loss", 0.5)));
  EXPECT_FALSE(best.should_stop());
  EXPECT_FALSE(best.evaluated(evaluation(5, "eval_loss", NAN)));
  EXPECT_TRUE(best.should_stop());
  EXPECT_EQ(best.step(), 3);
}

TEST(BestModel, OfMetricsThatAreNoLossesMoreIsBetter) {
  RunConfig config;
  config.load_best_model_at_end = true;
  config.metric_for_best_model = "rewards/accuracies";
  BestModel best(config);
  EXPECT_TRUE(best.evaluated(evaluation(1, "eval_rewards/accuracies", 0.5)));
  EXPECT_FALSE(best.evaluated(evaluation(2, "eval_rewards/accuracies", 0.4)));
  EXPECT_TRUE(best.evaluated(evaluation(3, "eval_rewards/accuracies", 0.6)));
  EXPECT_THROW(best.evaluated(evaluation(4, "eval_loss", 0.6)), UsageError);
}

TEST(EarlyStopping, EndsTheRunWithACheckpointAndAFinishedOneStaysFinished) {
  const TempFolder folder;
  MemorySink sink;
  RunConfig config = evaluated_config();
  config.early_stopping_patience = 2;
  config.early_stopping_threshold = 100.0;
  ToyRun run(RunKind::sft, config, folder.path(), sink);
  const RunOutcome outcome = run.trainer->run({});
  EXPECT_TRUE(outcome.stopped_early);
  EXPECT_EQ(outcome.steps, 12);  // evaluations at 4, 8 and 12: the first counts as better
  ASSERT_EQ(run.checkpoints.newest_valid()->step, 12);
  MemorySink again;
  ToyRun resumed(RunKind::sft, config, folder.path(), again);
  resumed.trainer->restore(*resumed.checkpoints.newest_valid());
  EXPECT_EQ(resumed.trainer->run({}).steps, 12);
  EXPECT_TRUE(again.records.empty());
  EXPECT_EQ(resumed.parameters(), run.parameters());
}

TEST(Evaluation, SettingsThatNeedHeldOutRowsAreRefusedWithoutThem) {
  const TempFolder folder;
  MemorySink sink;
  ToyRun run(RunKind::sft, toy_config(), folder.path(), sink);
  const auto refused = [&](const RunConfig& config) {
    try {
      Trainer(config, {run.policy, *run.objective, *run.batches, run.rows, nullptr, {}, sink, run.checkpoints, {}});
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  RunConfig stopping = toy_config(), best = toy_config(), plateau = toy_config();
  stopping.early_stopping_patience = 1;
  best.load_best_model_at_end = true;
  plateau.lr_scheduler_type = SchedulerType::reduce_lr_on_plateau;
  EXPECT_EQ(refused(toy_config()), "");
  for (const auto& config : {stopping, best, plateau})
    EXPECT_THAT(refused(config), HasSubstr("must have held-out rows"));
}

TEST(Evaluation, EachHeldOutSetHasItsPrefix) {
  const TempFolder folder;
  MemorySink sink;
  RunConfig config = toy_config();
  config.max_steps = 4;
  config.eval_steps = 2;
  config.metric_for_best_model = "eval_annotator_loss";
  config.load_best_model_at_end = true;
  ToyRun run(RunKind::dpo, config, folder.path(), sink);
  const ToyRows annotators(5, true, 3);
  const auto reference = run.table(annotators, false);
  Trainer trainer(config, {run.policy,
                           *run.objective,
                           *run.batches,
                           run.rows,
                           run.reference.get(),
                           {{&run.held_out, run.held_out_reference.get(), "eval_prompt_"},
                            {&annotators, reference.get(), "eval_annotator_"}},
                           sink,
                           run.checkpoints,
                           {}});
  const RunOutcome outcome = trainer.run({});
  for (const char* name : {"eval_prompt_loss", "eval_prompt_rewards/margins", "eval_annotator_loss",
                           "eval_annotator_rewards/accuracies"}) {
    EXPECT_NE(sink.records.at(1).find(name), nullptr) << name;
    EXPECT_EQ(sink.records.at(0).find(name), nullptr) << name;
  }
  EXPECT_EQ(outcome.best_value,
            *sink.records.at(static_cast<size_t>(outcome.best_step) - 1).find("eval_annotator_loss"));
}

TEST(Finite, ABadLogProbabilityNamesItsOwnRowAndLayer) {
  const TempFolder folder;
  MemorySink sink;
  RunConfig config = toy_config();
  config.shuffle = false;
  ToyRun run(RunKind::bco, config, folder.path(), sink);
  run.reference->compute_all({});  // the reference is sound: the policy alone goes wrong
  run.rows.set_token(15, 1, kVocab - 1);
  run.policy.poisoned_token = kVocab - 1;
  run.policy.bad_layer = "layers.1";
  try {
    run.trainer->run({});
    ADD_FAILURE() << "no error";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), HasSubstr("a log-probability of nan, first in layers.1, at step 3 in toy.jsonl:16."));
  }
  // The checkpoint is of the state before the step, although BCO's mean had moved on within it.
  const auto checkpoint = run.checkpoints.newest_valid();
  ASSERT_TRUE(checkpoint);
  const TrainState state = load_train_state(checkpoint->folder, kVocab * kVocab);
  EXPECT_EQ(state.step, 2);
  ASSERT_EQ(state.objective.size(), 2U);
  EXPECT_EQ(state.objective[1], 12.0);
  EXPECT_GT(run.objective->state()[1], 12.0);
}

TEST(Finite, ABadReferenceValueStopsAtItsStepWithACheckpointOfTheStateBefore) {
  const TempFolder folder;
  MemorySink sink;
  RunConfig config = toy_config();
  config.shuffle = false;
  ToyRun run(RunKind::dpo, config, folder.path(), sink);
  run.rows.set_token(15, 1, kVocab - 1);
  run.policy.poisoned_token = kVocab - 1;
  try {
    run.trainer->run({});
    ADD_FAILURE() << "no error";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), HasSubstr("[finetune.reference]"));
    EXPECT_THAT(error.what(), HasSubstr("toy.jsonl:16."));
  }
  const auto checkpoint = run.checkpoints.newest_valid();
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(load_train_state(checkpoint->folder, kVocab * kVocab).step, 2);
}

TEST(HealthOfARun, VerdictsReachTheSinksTheFolderAndTheOutcome) {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path() / "run");
  RunConfig config = toy_config();
  config.reference = ReferencePolicy::base;
  SinkList sinks;
  const ToyRows rows(37, true);
  auto memory = std::make_unique<MemorySink>();
  MemorySink& seen = *memory;
  sinks.add(std::make_unique<FileSink>(folder.path() / "run", rows));
  sinks.add(std::move(memory));
  ToyRun run(RunKind::dpo, config, folder.path(), sinks, /*fresh=*/false);
  Trainer trainer(config, {run.policy,
                           *run.objective,
                           *run.batches,
                           run.rows,
                           run.reference.get(),
                           {},
                           sinks,
                           run.checkpoints,
                           {},
                           health_facts(RunKind::dpo, config, /*policy_is_reference=*/true)});
  const RunOutcome outcome = trainer.run({});
  ASSERT_FALSE(outcome.verdicts.empty());
  EXPECT_EQ(outcome.verdicts.front().code, "first_loss");
  EXPECT_EQ(seen.verdicts.size(), outcome.verdicts.size());
  const std::string lines = read_file(folder.path() / "run/health.jsonl");
  EXPECT_THAT(lines, HasSubstr("{\"step\":1,\"severity\":\"error\",\"code\":\"first_loss\""));
  EXPECT_GT(outcome.peak_memory_bytes, 10 << 20);
  EXPECT_EQ(outcome.optimiser_bytes, kVocab * kVocab * 8);
}

TEST(Fence, AFlushThatFindsTheRunTakenWritesNoCheckpoint) {
  const TempFolder folder;
  MemorySink sink;
  sink.on_flush = [](int64_t step) {
    if (step == 10) throw Conflict("[test] run must be held, but is not.");
  };
  ToyRun run(RunKind::sft, toy_config(), folder.path(), sink);
  EXPECT_THROW(run.trainer->run({}), Conflict);
  EXPECT_EQ(run.checkpoints.newest_valid()->step, 5);
}

/// While it lives no file of this process grows beyond `bytes`: what a full disk is to a writer.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    signal_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*signal_)(int) = nullptr;
};

std::vector<int64_t> steps_of_lines(const std::filesystem::path& path) {
  std::vector<int64_t> steps;
  std::string text = read_file(path);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    steps.push_back(parse_json(text.substr(begin, end - begin), "line")["step"].get<int64_t>());
    begin = end + 1;
  }
  return steps;
}

TEST(FullDisk, CostsACheckpointAndNeitherTheRunNorALine) {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path() / "run");
  std::unique_ptr<FullDisk> full;
  SinkList sinks;
  auto memory = std::make_unique<MemorySink>();
  memory->on_record = [&](const StepRecord& record) {
    if (record.step == 8) full = std::make_unique<FullDisk>(600);
    if (record.step == 13) full.reset();
    if (record.step == 14) {
      EXPECT_FALSE(std::filesystem::exists(folder.path() / "checkpoints/ckpt-00000010"));
      EXPECT_EQ(checkpoint_fault(folder.path() / "checkpoints/ckpt-00000005"), "");
    }
  };
  const ToyRows rows(37, false);
  sinks.add(std::make_unique<FileSink>(folder.path() / "run", rows));
  sinks.add(std::make_unique<TensorBoardSink>(folder.path() / "run"));
  sinks.add(std::move(memory));
  ToyRun run(RunKind::sft, toy_config(), folder.path(), sinks);
  EXPECT_EQ(run.trainer->run({}).steps, 20);
  EXPECT_EQ(run.checkpoints.newest_valid()->step, 20);
  EXPECT_EQ(checkpoint_fault(folder.path() / "checkpoints/ckpt-00000015"), "");
  const auto steps = steps_of_lines(folder.path() / "run/metrics.jsonl");
  ASSERT_EQ(steps.size(), 20U);
  for (size_t i = 0; i < steps.size(); ++i)
    EXPECT_EQ(steps[i], static_cast<int64_t>(i + 1));
  const auto examples = steps_of_lines(folder.path() / "run/examples.jsonl");
  EXPECT_TRUE(std::is_sorted(examples.begin(), examples.end()));
  EXPECT_EQ(examples.back(), 20);
}

}  // namespace
}  // namespace afina::finetune::toy
