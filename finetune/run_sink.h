// SPDX-License-Identifier: Apache-2.0
// Where a run's records go: the run folder, TensorBoard, the database, a progress line. Sinks are plugged in by the
// program; a run repeated from a checkpoint repeats its records, so every sink keeps one record a step.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace afina::finetune {

/// Values of one step by name (finetune/config/metric_names.h), in the order they are shown. `step` is not among them.
struct StepRecord {
  int64_t step = 0;
  std::vector<std::pair<std::string, double>> values;
  /// The value of that name, or nullptr.
  const double* find(const std::string& name) const;
};

/// The loss of one example in one step, before the update; not divided by the batch. row: index in the training data.
struct ExampleLoss {
  int64_t row = 0;
  double loss = 0.0;
};

enum class Severity { note, warning, error };
std::string_view to_string(Severity severity);

/// One sentence on a run's health (finetune/health.h).
struct Verdict {
  int64_t step = 0;
  Severity severity = Severity::note;
  std::string code;      ///< "reward_length_correlation": stable, for machines
  double value = 0.0;    ///< the number that made it speak
  std::string sentence;  ///< what is seen, with that number
  std::string advice;    ///< what to do
};

/// Called from the training thread. A sink that throws StorageError stops the run.
class RunSink {
 public:
  RunSink() = default;
  RunSink(const RunSink&) = delete;
  RunSink& operator=(const RunSink&) = delete;
  virtual ~RunSink() = default;
  /// Called once before the first step: records of steps beyond `step` are of a past that a resume has undone.
  virtual void begin(int64_t step, int64_t total_steps) = 0;
  virtual void examples(int64_t step, const std::vector<ExampleLoss>& losses) = 0;
  virtual void record(const StepRecord& record) = 0;
  virtual void verdict(const Verdict& /*verdict*/) {}
  /// Before a checkpoint of that step is written: what was recorded so far must survive as surely as the checkpoint.
  /// Throws Conflict where another process has taken the run over: no checkpoint is written then.
  virtual void flush(int64_t step) = 0;
};

/// Hands everything to each of its sinks in order.
class SinkList final : public RunSink {
 public:
  void add(std::unique_ptr<RunSink> sink) { sinks_.push_back(std::move(sink)); }
  void begin(int64_t step, int64_t total_steps) override;
  void examples(int64_t step, const std::vector<ExampleLoss>& losses) override;
  void record(const StepRecord& record) override;
  void verdict(const Verdict& verdict) override;
  void flush(int64_t step) override;

 private:
  std::vector<std::unique_ptr<RunSink>> sinks_;
};

}  // namespace afina::finetune
